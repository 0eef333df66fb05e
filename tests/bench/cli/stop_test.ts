/** A sweep that is ended from outside, in a process of its own: rows, report and exit code; and how it goes on. */
import { fileURLToPath } from "node:url";
import { readRun } from "../../../bench/sweep/write.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { runPsa, TemporaryFolder } from "../../support/command.ts";

const PSA = fileURLToPath(new URL("../../../bench/cli/psa.ts", import.meta.url));
const ENV = { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" };
/** Rows come in three groups, one for each size of key blocks. */
const LONG =
  "--no-gpu --workload gaussian --seq 768 --dim 32 --block-m 32 --block-n 16,32,64 --densities 1,.5 " +
  "--methods dense,psa,xattention,token-topk";

/** Starts a sweep, waits until it has more rows than there were, and sends it a signal. */
async function interrupt(
  out: string,
  signal: Deno.Signal,
  { more = [], were = 0 }: { more?: string[]; were?: number },
) {
  const args = ["run", "-A", "--no-check", PSA, "sweep", ...LONG.split(" "), "--out", out, ...more];
  const options = { env: ENV, stdin: "null", stdout: "null", stderr: "piped" } as const;
  const child = new Deno.Command(Deno.execPath(), { args, ...options }).spawn(), output = child.output();
  for (let n = 0; n < 3000; n++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    const found = await readRun(out).catch(() => null); // at first its files are not all there
    if (found !== null && found.rows.length > were) break;
  }
  child.kill(signal);
  const { code, stderr } = await output, { rows, environment: { cases } } = await readRun(out);
  assert(rows.length > were && rows.length < Number(cases), `${rows.length} of ${cases} rows`);
  return { code, stderr: new TextDecoder().decode(stderr), rows };
}

Deno.test("a sweep that is killed, taken up, asked to end and taken up again has every row, each once", async () => {
  await using folder = new TemporaryFolder();
  const out = folder.at("out"), killed = await interrupt(out, "SIGKILL", {});
  const resumed = { more: ["--resume"], were: killed.rows.length };
  const { code, stderr, rows } = await interrupt(out, "SIGTERM", resumed);
  assertEquals(code, 143, stderr);
  assertMatch(stderr, /Stopped with \d+ of \d+ cases done; --resume goes on\./);
  assertEquals(rows.slice(0, killed.rows.length), killed.rows);
  const names = [...Deno.readDirSync(out)].map(({ name }) => name).sort();
  assertEquals(
    names,
    ["environment.json", "report.html", "sweep.csv"],
    "the lock is gone, the report is there",
  );
  const end = await runPsa("sweep", [...LONG.split(" "), "--out", out, "--resume"]);
  assertEquals(end.code, 0, end.stderr);
  const whole = await readRun(out);
  assertEquals(whole.rows.slice(0, rows.length), rows);
  assertEquals(whole.rows.map(({ index }) => index), whole.rows.map((_, at) => at + 1));
  assertEquals(whole.rows.length, whole.environment.cases);
});

Deno.test("each signal has its exit code; one that comes again at once is the same, a later one ends the process", async () => {
  const signals = new URL("../../../bench/cli/signals.ts", import.meta.url).href;
  const command = new URL("../../../bench/cli/command.ts", import.meta.url).href;
  const ended = async (signal: Deno.Signal, end: string, { same = 1000, again = false } = {}) => {
    const code = `import { Interruption } from "${signals}"; import { runCommand } from "${command}";
      await runCommand(async () => { using interruption = new Interruption({ same: ${same} }); console.log("ready");
        await new Promise((done) => { const hold = setTimeout(done, 20000); ${end} }); interruption.exit(); });`;
    const args = ["eval", "--no-check", code];
    const options = {
      env: ENV,
      stdout: "piped",
      stderr: "null",
    } as const;
    const child = new Deno.Command(Deno.execPath(), { args, ...options }).spawn(),
      reader = child.stdout.getReader();
    await reader.read();
    child.kill(signal);
    if (again) {
      await reader.read();
      child.kill(signal);
    }
    const { code: exit } = await child.status;
    await reader.cancel();
    return exit;
  };
  const gently = 'interruption.signal.addEventListener("abort", () => { clearTimeout(hold); done(); });';
  const heard = 'interruption.signal.addEventListener("abort", () => console.log("heard"));';
  const slowly =
    `${heard} interruption.signal.addEventListener("abort", () => setTimeout(() => Deno.exit(7), 400));`;
  const codes = await Promise.all([
    ended("SIGINT", gently),
    ended("SIGTERM", gently),
    ended("SIGHUP", gently),
    ended("SIGINT", heard, { same: 0, again: true }),
    ended("SIGINT", slowly, { again: true }),
  ]);
  assertEquals(codes, [130, 143, 129, 130, 7]);
});
