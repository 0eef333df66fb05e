import { drawn } from "../../support/seed.ts";
import { cellsOf, type ClaimRow, errorAt, KINDS } from "../../../bench/claim/cells.ts";
import { type CellVerdict, judgeRatios } from "../../../bench/claim/verdicts.ts";
import { drawClaim } from "../../../bench/claim/charts.ts";
import { claimPage } from "../../../bench/claim/page.ts";
import { planClaim } from "../../../bench/claim/plan.ts";
import { WORKLOADS } from "../../../fixtures/workloads.ts";
import { METHODS } from "../../../reference/methods/mod.ts";
import type { SweepRow } from "../../../bench/sweep/rows/columns.ts";
import { readRun, writeRun } from "../../../bench/sweep/files/write.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "../../support/assert.ts";
import { callPsa, runPsa, TemporaryFolder } from "../../support/command.ts";
import { makeSweepRow } from "../../support/rows.ts";

const HEADS = 6;

/** Rows of one method on six heads, at the densities given, with an error that falls with the density. */
function rowsOf(
  method: string,
  { densities = [0.4, 0.2, 0.1], error, change = {} }: {
    readonly densities?: readonly number[];
    readonly error: (density: number, head: number) => number;
    readonly change?: Partial<SweepRow>;
  },
): SweepRow[] {
  return densities.flatMap((density) =>
    Array.from({ length: HEADS }, (_, head) =>
      makeSweepRow({
        ...{ method, density, density_requested: density, head: String(head), rel_l2: error(density, head) },
        ...{ gpu_ms_median: 100 * density, selection_cost: 0.1, ...change },
      }))
  );
}

/** PSA's error: 0.1 over the density, a little different on every head. */
const usual = (density: number, head: number) => (0.1 + 0.002 * head) / density;
const psa = rowsOf("psa", { error: usual });

/** The verdicts of all cells, by density asked. */
function verdicts(rows: readonly ClaimRow[], footing: "density" | "time" | "cost" = "density") {
  return Object.fromEntries(cellsOf(rows, footing).map(({ asked, verdict }) => [asked, verdict]));
}

Deno.test("claim: a win, a loss and a tie are told from the interval over heads", () => {
  const rival = (factor: (head: number) => number) =>
    rowsOf("block-topk", { error: (density, head) => factor(head) * usual(density, head) });
  const all = (verdict: CellVerdict) => ({ 0.4: verdict, 0.2: verdict, 0.1: verdict });
  assertEquals(verdicts([...psa, ...rival(() => 1.3)]), all("win"));
  assertEquals(verdicts([...psa, ...rival(() => 0.8)]), all("loss"));
  assertEquals(verdicts([...psa, ...rival((head) => head === 3 ? 0.9 : 1.3)]), all("tie"));
  assertEquals(verdicts([...psa, ...rival(() => 1)]), all("tie"));
  const [cell] = cellsOf([...psa, ...rival((head) => 1 + head / 10)], "density");
  assertAlmostEquals(cell.median, (1 / 1.2 + 1 / 1.3) / 2, 1e-12);
  assertAlmostEquals(cell.low, 1 / 1.5, 1e-12);
  assertAlmostEquals(cell.high, 1, 1e-12);
});

Deno.test("claim: the density reached decides, not the one that was asked for", () => {
  const forced = (reached: number, error: number) =>
    rowsOf("xattention", { densities: [0.1], error: () => error, change: { density: reached } });
  // At .2 PSA has an error of .5 to .56; a rival that reached .2 with .8 loses, though it beats PSA's 1 at .1.
  assertEquals(verdicts([...psa, ...forced(0.2, 0.8)]), { 0.1: "win" });
  assertEquals(verdicts([...psa, ...forced(0.1, 0.8)]), { 0.1: "loss" });
  assertEquals(verdicts([...psa, ...forced(0.05, 0.8)]), { 0.1: "apart" });
  assertEquals(verdicts([...psa, ...forced(0.5, 0.8)]), { 0.1: "apart" });
});

Deno.test("claim: at equal time a slower rival is set beside what PSA does in that time", () => {
  const slow = rowsOf("block-topk", {
    densities: [0.1],
    error: (density, head) => 0.8 * usual(density, head),
    change: { gpu_ms_median: 20 },
  });
  assertEquals(verdicts([...psa, ...slow]), { 0.1: "loss" });
  assertEquals(verdicts([...psa, ...slow], "time"), { 0.1: "win" });
  const none = slow.map((row) => ({ ...row, gpu_ms_median: null, selection_cost: 0.2 }));
  const [cell] = cellsOf([...psa, ...none], "time");
  assertEquals([cell.footing, cell.verdict], ["cost", "win"]);
  // A choice that costs nothing may read more: .1 more here, at which PSA's own error counts.
  const cheap = slow.map((row) => ({ ...row, density: 0.2, selection_cost: 0 }));
  assertEquals([verdicts([...psa, ...cheap]), verdicts([...psa, ...cheap], "cost")], [{ 0.1: "win" }, {
    0.1: "loss",
  }]);
});

Deno.test("claim: orders, kinds of inputs and heads are not mixed", () => {
  const elsewhere = rowsOf("block-topk", { error: usual, change: { order: "gilbert" } });
  assertEquals(new Set(Object.values(verdicts([...psa, ...elsewhere]))), new Set(["apart"]));
  const causal = rowsOf("block-topk", { error: usual, change: { causal: "true" } });
  assertEquals(cellsOf([...psa, ...causal], "density").map(({ group }) => group)[0], "causal traces");
});

Deno.test("claim: few heads and errors of rounding are ties", () => {
  assertEquals(judgeRatios([0.5, 0.5, 0.5, 0.5, 0.5]).verdict, "tie");
  assertEquals(judgeRatios([0.5, 0.5, 0.5, 0.5, 0.5, 0.5]).verdict, "win");
  assertEquals(judgeRatios([]).verdict, "apart");
  const near = [1.0005, 1.0002, 1.0009, 1.0004, 1.0001, 1.0003];
  assertEquals(judgeRatios(near).verdict, "tie");
  assertEquals(judgeRatios(near.map((ratio) => 1 / ratio)).verdict, "tie");
  const exact = (size: number, method: string) => rowsOf(method, { error: () => size });
  const between = exact(1e-8, "block-topk").map((row) => ({ ...row, density: 0.3 }));
  assertEquals(new Set(Object.values(verdicts([...exact(1e-8, "psa"), ...between]))), new Set(["tie"]));
  assertEquals(
    new Set(Object.values(verdicts([...exact(1e-8, "psa"), ...exact(1e-6, "block-topk")]))),
    new Set(["tie"]),
  );
});

Deno.test("claim: an error between two points lies on a straight line on logarithmic axes", () => {
  const points = [{ x: 0.1, error: 0.4 }, { x: 0.4, error: 0.1 }, { x: 0.8, error: 0.1 }];
  assertAlmostEquals(errorAt(points, 0.2)!, 0.2, 1e-12);
  assertAlmostEquals(errorAt(points, 0.1)!, 0.4, 1e-12);
  assertAlmostEquals(errorAt(points, 0.6)!, 0.1, 1e-12);
  assertAlmostEquals(errorAt(points, 0.099)!, 0.04 / 0.099, 1e-12);
  assertEquals([errorAt(points, 0.097), errorAt(points, 0.9), errorAt([], 1)], [null, null, null]);
});

Deno.test("claim: the page of one model names it, its size and its inputs, and has its lines", async () => {
  const at = { change: { order: "gilbert" } };
  const rows = [...rowsOf("psa", { error: usual, ...at }), ...rowsOf("block-topk", { error: usual, ...at })]
    .map((row) => ({ ...row, case: row.case.replaceAll(/input=\S+/g, "workload=model"), input: "model" }));
  const options = { preset: "Wan2.1-1.3B", seq: 32760, heads: 12, dim: 128, inputs: [] };
  const charts = await drawClaim(rows);
  const { markdown } = claimPage({ rows, environment: { options } }, charts);
  assert(markdown.startsWith("# The paper's claim, tested at the size of Wan2.1-1.3B\n\n"));
  assertStringIncludes(markdown, "the workload `model`: 32,760 tokens, 12 heads of dimension 128.");
  assertStringIncludes(markdown, "## Error against density\n\n![Lines of error");
  assert(!claimPage({ rows, environment: {} }, []).markdown.includes("## Error against density"));
});

Deno.test("claim: the page tells losses as plainly as wins", () => {
  const rows = [...psa, ...rowsOf("block-topk", { error: (density, head) => 0.8 * usual(density, head) })];
  const { markdown, sentences } = claimPage({ rows, environment: {} }, []);
  assertEquals(
    sentences[0],
    "At equal density, PSA has less error than binary masks in 0 of 3 comparisons, more in 3, and there is no " +
      "difference beyond noise in 0.",
  );
  assert(markdown.startsWith(`# The paper's claim, tested\n\n**${sentences[0]}**`));
  assertStringIncludes(markdown, "PSA has **more** error on video traces in raster order 3 of 3.");
  assertMatch(markdown, /\n\| PSA against binary masks +\| 0 : 3 : 0 /);
  assertStringIncludes(markdown, "| block-topk | 1.25 (1.25 to 1.25) **loses** |");
  assertStringIncludes(
    markdown,
    "| video traces, raster | block-topk 1.25 at 0.4, 1.25 at 0.2, 1.25 at 0.1 |",
  );
  assertStringIncludes(markdown, "PSA has less error than a binary mask in no comparison.");
});

Deno.test("claim: every method that is told beside PSA is of one kind, and runs where it can", async () => {
  const told = KINDS.flatMap(({ methods }) => methods), names = METHODS.map(({ name }) => name);
  assertEquals(new Set(told).size, told.length);
  assertEquals(told.filter((name) => !names.includes(name)), []);
  const { inputs } = await planClaim({ quick: false, filter: "" }, { gpu: null });
  const cases = inputs.flatMap((each) => each.cases.map(({ given }) => given));
  assertEquals(new Set(cases.map(({ method }) => method.name)), new Set([...told, "psa"]));
  assertEquals(new Set(cases.map(({ data }) => data.input ?? data.workload)).size, 5 + WORKLOADS.length);
  assertEquals(
    [...new Set(cases.filter(({ data }) => data.causal).map(({ layout }) => layout.order.kind))],
    ["raster"],
  );
});

Deno.test("claim: the command writes page, plots and rows, and writes them again from the rows", async () => {
  await using folder = new TemporaryFolder();
  const args = ["--quick", "--no-gpu", "--filter", "workload=gaussian"];
  const { code, stdout, stderr } = await runPsa("claim", [...args, "--out", folder.at("a")]);
  assertEquals(code, 0, stderr);
  assert(!stderr.includes("WARN"), stderr);
  assertMatch(stdout, /^At equal density, PSA has less error than binary masks in \d+ of \d+ comparisons/);
  const { rows } = await readRun(folder.at("a"));
  assertEquals(new Set(rows.map(({ head }) => head)).size, 6);
  const page = await Deno.readTextFile(folder.at("a/claim.md"));
  for (
    const text of [
      "workload gaussian, raster",
      "**loses**",
      "wins",
      "without times",
      "## PSA at equal density + selection cost",
    ]
  ) {
    assertStringIncludes(page, text);
  }
  for (const [, link] of page.matchAll(/\((pictures\/[^)]+)\)/g)) {
    const svg = await Deno.readTextFile(folder.at(`a/${link}`));
    assert(svg.startsWith("<svg") && !svg.includes("var("), link);
  }
  const again = await callPsa("claim", ["--from", folder.at("a"), "--out", folder.at("b")]);
  assertEquals([again.code, await Deno.readTextFile(folder.at("b/claim.md"))], [0, page]);
});

Deno.test("claim: bad input is told in one sentence, and nothing is written", async () => {
  await using folder = new TemporaryFolder();
  for (
    const [args, sentence] of [
      [["--fast"], /^--fast is not an option/],
      [["fast"], /^"fast" is not an option/],
      [["--out="], /^--out is empty/],
      [["--from", folder.at("nowhere")], /has no run/],
      [["--quick", "--list", "--filter", "workload=video method=none"], /no case matches it/],
    ] as const
  ) {
    const { code, stderr, stdout } = await callPsa("claim", args);
    assertMatch(stderr, sentence);
    assertEquals([code, stdout, stderr.trimEnd().split("\n").length], [2, "", 1]);
  }
  const { stdout } = await callPsa("claim", [
    "--quick",
    "--list",
    "--filter",
    "workload=sinks method=psa",
  ]);
  assertMatch(stdout, /\n12 cases\n$/);
});

Deno.test("claim: times that are noisy make no verdict where exact ones do", () => {
  const rival = (factor: (head: number) => number) =>
    rowsOf("block-topk", { densities: [0.2], error: (density, head) => 1.25 * usual(density, head) })
      .map((row) => ({ ...row, gpu_ms_median: 20 * factor(Number(row.head)) }));
  assertEquals(verdicts([...psa, ...rival(() => 1)], "time"), { 0.2: "win" });
  assertEquals(verdicts([...psa, ...rival((head) => head % 2 ? 1.5 : 0.7)], "time"), { 0.2: "tie" });
});

// A commit draws one of these two.
if (drawn(0, 2)) {
  Deno.test("claim --resume: goes on where it was, and with another request is refused", async () => {
    await using folder = new TemporaryFolder();
    const claim = (...args: string[]) => {
      const request = ["--quick", "--no-gpu", "--filter", "workload=gaussian method=psa"];
      return callPsa("claim", [...request, "--out", folder.at("a"), ...args]);
    };
    assertEquals((await claim()).code, 0);
    const whole = await readRun(folder.at("a"));
    const part = whole.rows.slice(0, 4).map((row): SweepRow => ({ ...row, rel_l2: 0.5 }));
    await writeRun(folder.at("a"), { rows: part, environment: { ...whole.environment, minutes: 100 } });
    const { code, stderr } = await claim("--resume");
    assertEquals(code, 0, stderr);
    const after = await readRun(folder.at("a")), { minutes } = after.environment;
    assertEquals(after.rows, [...part, ...whole.rows.slice(4)]);
    assert(Number(minutes) > 100 && Number(minutes) < 110, `the minutes of both parts count, not ${minutes}`);
    const other = ["--quick", "--no-gpu", "--filter", "workload=sinks", "--out", folder.at("a"), "--resume"];
    const refused = await callPsa("claim", other);
    assertEquals(refused.code, 2);
    assertStringIncludes(refused.stderr, 'filter was "workload=gaussian method=psa" and is "workload=sinks"');
  });
}

if (drawn(1, 2)) {
  Deno.test("claim: shards run apart, and their rows give the page of the whole", async () => {
    await using folder = new TemporaryFolder();
    const args = ["--quick", "--filter", "workload=gaussian method=block-topk", "--no-gpu"];
    const folders = [1, 2].map((part) => folder.at(`${part}`));
    for (const [i, out] of folders.entries()) {
      const { code, stderr } = await callPsa("claim", [...args, "--shard", `${i + 1}/2`, "--out", out]);
      assertEquals(code, 0, stderr);
      assertMatch(stderr, /6 of 12 cases are in .*; --from all shards writes the page\./);
      assertEquals([...Deno.readDirSync(out)].some(({ name }) => name === "claim.md"), false);
    }
    const page = folder.at("page");
    const { code, stderr } = await callPsa("claim", [
      ...folders.flatMap((out) => ["--from", out]),
      "--out",
      page,
    ]);
    assertEquals(code, 0, stderr);
    const text = (await Deno.readTextFile(`${page}/claim.md`)).replaceAll(/\s+/g, " ");
    assertStringIncludes(text, "--no-gpu` in 2 parts at the same time, 12 cases");
    assert(!text.includes(folder.at("")) && !text.includes("--shard"), "no folder, and not one part alone");
    const half = await callPsa("claim", ["--from", folders[0], "--from", folders[0], "--out", page]);
    assertEquals([half.code, half.stderr.trim().split("\n").length], [2, 1], half.stderr);
  });
}
