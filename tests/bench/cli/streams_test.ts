/** Standard output that nobody reads, or that is full: the files of a sweep are complete, or hold all finished rows. */
import { fileURLToPath } from "node:url";
import { readRun } from "../../../bench/sweep/files/write.ts";
import { assert, assertEquals, assertMatch } from "../../support/assert.ts";
import { TemporaryFolder } from "../../support/command.ts";

const PSA = fileURLToPath(new URL("../../../bench/cli/psa.ts", import.meta.url));
const SMALL =
  "--no-gpu --workload gaussian --workload video --seq 64 --dim 8 --block-m 16 --block-n 16 --densities .5";

/** Runs a small sweep in a shell that does something with its output. */
async function sweepInto(out: string, end: string) {
  const command =
    `"${Deno.execPath()}" run -A --no-check "${PSA}" sweep ${SMALL} --json --out "${out}" ${end}`;
  const env = { NO_COLOR: "1", XDG_RUNTIME_DIR: "/tmp" };
  const options = { args: ["-c", `set -o pipefail; ${command}`], env };
  const { code, stderr } = await new Deno.Command("bash", options).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

Deno.test("a sweep whose stdout is closed ends quietly, and its files are complete", async () => {
  await using folder = new TemporaryFolder();
  const { code, stderr } = await sweepInto(folder.at("out"), "| head -c 1 > /dev/null");
  assertEquals(code, 0, stderr);
  assert(!/error:|pipe|cannot/i.test(stderr), stderr);
  const { rows, environment } = await readRun(folder.at("out"));
  assertEquals(rows.length, environment.cases);
  await Deno.stat(folder.at("out/report.html"));
});

Deno.test("a sweep whose stdout is full says so, ends with exit code 1 and keeps its rows", async () => {
  await using folder = new TemporaryFolder();
  const { code, stderr } = await sweepInto(folder.at("out"), "> /dev/full");
  assertEquals(code, 1, stderr);
  assertMatch(stderr, /Standard output cannot be written: .*\.\n/);
  const { rows, environment } = await readRun(folder.at("out"));
  assert(rows.length > 0 && rows.length < Number(environment.cases), `${rows.length} rows`);
});
