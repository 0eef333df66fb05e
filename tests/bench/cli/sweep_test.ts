import { COLUMN_NAMES } from "../../../bench/sweep/rows/columns.ts";
import { OPTIONS } from "../../../bench/sweep/options/option_list.ts";
import { parseRows } from "../../../bench/sweep/rows/csv.ts";
import { readRun } from "../../../bench/sweep/files/write.ts";
import { openGpu } from "../../../kernels/device/open/open.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../../support/assert.ts";
import { callPsa, runPsa, SMALL_SWEEP, smallSweep, TemporaryFolder } from "../../support/command.ts";

/** The columns that readers of sweep.csv rely on, in their order. */
const FIRST_COLUMNS =
  "case,status,method,dtype,seed,batch,heads,kv_heads,seq_q,seq_k,head_dim,block_m,block_n," +
  "tile,density_requested,density,sparsity,rel_l2,max_abs,cosine,non_finite,kernel_rel_l2,gpu_ms_median," +
  "gpu_ms_iqr,speedup,tflops_actual,tflops_effective";

Deno.test("sweep: --help names every option and exits with 0", async () => {
  const { code, stdout } = await callPsa("sweep", ["--help"]);
  assertEquals(code, 0);
  for (const { name } of OPTIONS) assertStringIncludes(stdout, `--${name}`);
  assert(stdout.split("\n").every((line) => line.length <= 80));
});

Deno.test("sweep --no-gpu: rows say so, and hold errors but no times", async () => {
  await using folder = new TemporaryFolder();
  const { code, stdout } = await runPsa("sweep", [...SMALL_SWEEP, "--out", folder.path]);
  assertEquals(code, 0);
  assertStringIncludes(stdout, "No kernel ran");
  const text = await Deno.readTextFile(folder.at("sweep.csv"));
  assert(text.startsWith(FIRST_COLUMNS));
  const rows = parseRows(text, "sweep.csv");
  assertEquals(rows.map(({ method, density_requested }) => [method, density_requested]), [
    ["dense", 1],
    ["psa", 1],
    ["block-topk", 1],
    ["psa", 0.25],
    ["block-topk", 0.25],
  ]);
  for (const row of rows) {
    assertEquals([row.status, row.timing, row.gpu_ms_median, row.kernel_rel_l2], [
      "no-gpu",
      "none",
      null,
      null,
    ]);
    assertEquals(row.sparsity, 1 - row.density);
    assert(row.density === 1 ? row.rel_l2 === 0 : (row.rel_l2 ?? 0) > 0.01);
    assert(Math.abs(row.density - row.density_requested) < 0.05);
  }
});

Deno.test("sweep: environment.json holds what it takes to repeat the run; no other file is left", async () => {
  await using folder = new TemporaryFolder();
  await smallSweep(folder.path);
  const { environment } = await readRun(folder.path);
  assertMatch(String(environment.command), /^deno task sweep --workload video /);
  assertMatch(String(environment.date), /^\d{4}-\d\d-\d\dT/);
  for (const name of ["adapter", "features", "limits", "versions", "commit", "options", "system"]) {
    assert(name in environment, name);
  }
  const names = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assertEquals(names.filter((name) => !name.startsWith("report")), ["environment.json", "sweep.csv"]);
});

Deno.test("sweep --json: one object per line on stdout and nothing else, with all columns", async () => {
  await using folder = new TemporaryFolder();
  const { stdout } = await smallSweep(folder.path, "--json");
  const rows = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(rows.length, 5);
  for (const row of rows) assertEquals(Object.keys(row).sort(), [...COLUMN_NAMES].sort());
});

Deno.test("sweep: the table fits 80 columns and has no colours outside a terminal", async () => {
  await using folder = new TemporaryFolder();
  const { stdout, stderr } = await smallSweep(
    folder.path,
    "--methods",
    "dense,psa,block-topk-mean,psa-threshold",
  );
  for (const line of stdout.split("\n")) assert(line.length <= 80, line);
  assert(!stdout.includes("\x1b") && !stderr.includes("\x1b"));
  assertMatch(stderr, /\d+%/);
});

Deno.test("sweep --list: names the cases and their number, and runs nothing", async () => {
  await using folder = new TemporaryFolder();
  const { code, stdout } = await smallSweep(folder.at("out"), "--list", "--order", "raster,gilbert");
  assertEquals(code, 0);
  const lines = stdout.trimEnd().split("\n");
  assertEquals(lines.at(-1), `${lines.length - 1} cases`);
  assertEquals(lines.length - 1, 1 + 2 * 2 * 2);
  assert(!await exists(folder.at("out")));
});

Deno.test("sweep --filter: only cases that match", async () => {
  await using folder = new TemporaryFolder();
  const { stdout } = await smallSweep(folder.path, "--list", "--filter", "method=psa density=0.25");
  assertEquals(stdout.trimEnd().split("\n").length, 2);
});

Deno.test("sweep --per-head: every head is a case of its own, with its own error", async () => {
  await using folder = new TemporaryFolder();
  await smallSweep(folder.path, "--per-head", "--heads", "3", "--methods", "psa");
  const { rows } = await readRun(folder.path);
  assertEquals(rows.map(({ head }) => head), ["0", "0", "1", "1", "2", "2"]);
  assertEquals(new Set(rows.filter(({ density_requested: d }) => d < 1).map(({ rel_l2 }) => rel_l2)).size, 3);
  for (const { heads, rel_l2, rel_l2_worst_head } of rows) {
    assertEquals(heads, 1);
    assertAlmostEquals(rel_l2_worst_head ?? NaN, rel_l2 ?? NaN, 1e-12);
  }
});

Deno.test("sweep --plots: charts for papers, with captions and with colours of their own", async () => {
  await using folder = new TemporaryFolder();
  await smallSweep(folder.path, "--plots");
  const captions = (await Deno.readTextFile(folder.at("plots/captions.md"))).trimEnd().split("\n");
  const names = [...Deno.readDirSync(folder.at("plots"))].map(({ name }) => name).sort();
  assertEquals(names.length, captions.length + 1);
  for (const name of names.filter((each) => each.endsWith(".svg"))) {
    const svg = await Deno.readTextFile(folder.at(`plots/${name}`));
    assert(svg.startsWith("<svg") && !svg.includes("var("), name);
  }
});

Deno.test("sweep --config: options come from a file; the command line goes first", async () => {
  await using folder = new TemporaryFolder();
  const config = { $schema: "./sweep.schema.json", densities: [0.5, 0.25], methods: "psa", seed: 3 };
  await Deno.writeTextFile(folder.at("sweep.json"), JSON.stringify(config));
  const args = ["--workload", "gaussian", "--seq", "128", "--no-gpu", "--list", "--seed", "4"];
  const { stdout } = await callPsa("sweep", [...args, "--config", folder.at("sweep.json")]);
  assertMatch(stdout, /density=0\.5 seed=4\n.* density=0\.25 seed=4\n2 cases\n$/);
});

Deno.test("sweep: on the GPU, kernels are within their bounds and times stand beside them", async () => {
  await using folder = new TemporaryFolder();
  const args = [
    "--workload",
    "sinks",
    "--seq",
    "256",
    "--densities",
    ".25",
    "--seconds",
    "1",
    "--methods",
    "dense,psa,block-topk,rectified",
    "--out",
    folder.path,
  ];
  const { code, stderr } = await runPsa("sweep", args);
  assertEquals(code, 0, stderr);
  const { rows, environment } = await readRun(folder.path);
  for (const row of rows) {
    assertEquals(row.status, "ok");
    assert(row.kernel_rel_l2 !== null && row.kernel_bound !== null && row.kernel_rel_l2 <= row.kernel_bound);
    assert((row.gpu_ms_median ?? 0) > 0 && (row.gpu_samples ?? 0) > 0);
    assertEquals(row.timing, environment.timing);
  }
  assertEquals(rows[0].speedup, 1);
});

Deno.test("sweep: a shape beyond a limit of the adapter names the limit", async () => {
  await using folder = new TemporaryFolder();
  using gpu = await openGpu();
  const limit = Math.min(gpu.info.limits.maxStorageBufferBindingSize, gpu.info.limits.maxBufferSize);
  if (limit > 2 ** 28) return; // inputs that large take longer to make than a test may take
  const tokens = Math.ceil(limit / (256 * 4)) + 128;
  const args = ["--workload", "constant", "--heads", "1", "--dim", "256", "--seq", String(tokens)];
  const { code, stderr } = await callPsa("sweep", [...args, "--out", folder.at("out")]);
  assertEquals(code, 2, stderr);
  assertMatch(stderr, /the limit max\w+ of this adapter is \d+/);
  assert(!await exists(folder.at("out")));
});

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
