/**
 * Commands that are killed at any moment and started again: nothing is lost or half-written, and no file is left over.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { move } from "./move.ts";

const PSA = fileURLToPath(new URL("../../../bench/cli/psa.ts", import.meta.url));
const CAPTURE = fileURLToPath(
  new URL("../../../fixtures/data/released/08-new-bn32-level-2-odd.safetensors", import.meta.url),
);
const SIGNALS: readonly Deno.Signal[] = ["SIGKILL", "SIGINT", "SIGTERM", "SIGHUP"];
/** When signals come, as shares of the time that the command takes. */
const MOMENTS = [0.9, 0.3, 0.6, 0.15, 0.75];

/** A signal, and the milliseconds after which it comes. */
interface Kill {
  readonly signal: Deno.Signal;
  readonly after: number;
}

/** Runs a command, and sends it a signal unless it has ended; the code is null where the signal ended it. */
async function run(words: string, kill?: Kill) {
  const started = performance.now();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", PSA, ...words.split(" ")],
    ...{ stdin: "null", stdout: "null", stderr: "piped", env: { NO_COLOR: "1" } },
  }).spawn();
  const timer = kill && setTimeout(() => child.kill(kill.signal), kill.after);
  const { code, signal, stderr } = await child.output();
  clearTimeout(timer);
  return {
    ...{ code: signal === null ? code : null, said: new TextDecoder().decode(stderr) },
    ms: performance.now() - started,
  };
}

/** The files under a folder. */
function filesIn(folder: string): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesIn(`${folder}/${name}`).map((inner) => `${name}/${inner}`) : [name]
  ).sort();
}

const SMALL = "--workload gaussian --seq 256 --dim 16 --block-m 16 --block-n 16";

/** What is run, what is added where a run was stopped, and its exit code when it ends. */
const COMMANDS: readonly (readonly [words: string, again: string, code: number])[] = [
  [`sweep --no-gpu ${SMALL} --workload video --densities .5,.25 --out OUT`, " --resume", 0],
  [`tune ${SMALL} --heads 2 --seeds 2 --density .3 --out OUT/t.json`, " --resume", 0],
  ["export --out OUT --filter bn=32", "", 0],
  [`verify --capture ${CAPTURE} --junit OUT/j.xml`, "", 1],
];

for (const [words, again, ended] of COMMANDS) {
  move(`${words.split(" ")[0]}, killed at five moments`, async (folder) => {
    const [whole, killed] = ["whole", "killed"].map((name) => folder.at(name));
    for (const path of [whole, killed]) await Deno.mkdir(path);
    const { ms, code, said } = await run(words.replace("OUT", whole));
    assertEquals(code, ended, said);
    const isBegun = () => filesIn(killed).some((name) => !name.startsWith(".")); // a lock is no result
    const next = (kill?: Kill) => run(words.replace("OUT", killed) + (isBegun() ? again : ""), kill);
    for (const [i, moment] of MOMENTS.entries()) {
      const left = filesIn(killed),
        { code, said } = await next({ signal: SIGNALS[i % 4], after: moment * ms });
      assert([ended, 129, 130, 143, null].includes(code), `${code}: ${said} ${left}`);
      if (String(filesIn(killed)) !== String(filesIn(whole))) continue; // else it is finished, and begins anew
      for (const { name } of Deno.readDirSync(killed)) {
        await Deno.remove(`${killed}/${name}`, { recursive: true });
      }
    }
    const left = filesIn(killed), last = await next();
    assertEquals(last.code, ended, `${last.said} ${left}`);
    assertEquals(filesIn(killed), filesIn(whole));
  });
}
