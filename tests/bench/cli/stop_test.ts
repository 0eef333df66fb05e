/** A sweep stopped by a signal, in its own process: its rows, report and exit code, and the run that resumes it. */
import { fileURLToPath } from "node:url";
import { readRun } from "../../../bench/sweep/files/write.ts";
import { makeWorkload, writeSafetensors } from "../../../mod.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { TemporaryFolder } from "../../support/command.ts";

const PSA = fileURLToPath(new URL("../../../bench/cli/psa.ts", import.meta.url));
const ENV = { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" };
/** A file whose rows are there in a moment, and a workload that takes minutes. */
async function longSweep(folder: TemporaryFolder): Promise<string[]> {
  const { qkv } = makeWorkload("gaussian", { seqQ: 64, headDim: 16, dtype: "f32" }),
    path = folder.at("in.safetensors");
  await Deno.writeFile(path, writeSafetensors({ ...qkv }));
  const long =
    "--no-gpu --workload gaussian --seq 12288 --block-m 32 --block-n 16 --densities .5 --methods psa";
  return [...long.split(" "), "--input", path, "--out", folder.at("out")];
}

/** Starts a sweep, waits until it is at work and there are rows, and sends it a signal. */
async function interrupt(args: readonly string[], signal: Deno.Signal) {
  const options = { env: ENV, stdin: "null", stdout: "null", stderr: "piped" } as const;
  const command = ["run", "-A", "--no-check", PSA, "sweep", ...args], out = args.at(-1)!;
  const child = new Deno.Command(Deno.execPath(), { args: command, ...options }).spawn();
  let said = "";
  const heard = child.stderr.pipeThrough(new TextDecoderStream()).pipeTo(
    new WritableStream({ write: (text) => void (said += text) }),
  );
  const rowsIn = () => readRun(out).then(({ rows }) => rows.length, () => 0); // at first not all files are there
  while (!said.includes("%") || await rowsIn() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill(signal);
  const [{ code }] = await Promise.all([child.status, heard]);
  const { rows, environment: { cases } } = await readRun(out);
  assert(rows.length > 0 && rows.length < Number(cases), `${rows.length} of ${cases} rows; ${said}`);
  return { code, said, rows };
}

Deno.test("a sweep that is killed keeps its rows and no lock; taken up and asked to end it leaves rows and report", async () => {
  await using folder = new TemporaryFolder();
  const sweep = await longSweep(folder), killed = await interrupt(sweep, "SIGKILL");
  const { code, said, rows } = await interrupt(["--resume", ...sweep], "SIGTERM");
  assertEquals(code, 143, said);
  assertMatch(said, /Stopped with \d+ of \d+ cases done; --resume continues\./);
  assertEquals(rows, killed.rows);
  const names = [...Deno.readDirSync(folder.at("out"))].map(({ name }) => name).sort();
  assertEquals(names, ["environment.json", "report.html", "sweep.csv"]);
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

Deno.test("a file beyond the limit of the process is refused in a sentence", async () => {
  await using folder = new TemporaryFolder();
  const command = new URL("../../../bench/cli/command.ts", import.meta.url).href;
  const code = `import { runCommand } from "${command}";
    await runCommand(async () => {
      await new Deno.Command("prlimit", { args: ["--pid=" + Deno.pid, "--fsize=100000"] }).output();
      await Deno.writeFile("${folder.at("file")}", new Uint8Array(200000)); });`;
  const args = ["eval", "--no-check", code];
  const done = await new Deno.Command(Deno.execPath(), { args, env: ENV }).output();
  const said = new TextDecoder().decode(done.stderr);
  assertEquals(done.code, 1, said);
  assertMatch(said, /^The system refuses a file: File too large .*\.\n$/);
});
