import { buildReport } from "../../../bench/report/page.ts";
import {
  cellRuns,
  frameRuns,
  levelColours,
  MASS_COLOURS,
  massClass,
} from "../../../bench/report/maps/maps.ts";
import { mapChart } from "../../../bench/report/maps/map_chart.ts";
import { drawLevels, drawMass } from "../../../bench/report/maps/level_maps.ts";
import { shortCases } from "../../../bench/report/rows/short_case.ts";
import { logTicks } from "../../../bench/report/charts/ticks.ts";
import { inColours, LIGHT_COLOURS } from "../../../bench/report/charts/theme.ts";
import { verdict } from "../../../bench/report/sections/verdict.ts";
import { escapeHtml, formatNumber, sortableTable } from "../../../bench/report/html.ts";
import { paretoFront } from "../../../bench/report/rows/pareto.ts";
import { axisGroups, methodsOf, type ReportRow } from "../../../bench/report/rows/rows.ts";
import { someRows } from "../../support/report_rows.ts";
import { paretoCharts } from "../../../bench/report/sections/fronts.ts";
import { errorCharts } from "../../../bench/report/sections/sections.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";

/** Points with intervals of a width, as a share of their values. */
function candidates(points: readonly (readonly [cost: number, error: number])[], width = 0) {
  const interval = (value: number) => ({ low: value * (1 - width), value, high: value * (1 + width) });
  return points.map(([cost, error]) => ({ cost: interval(cost), error: interval(error) }));
}

Deno.test("pareto: a point that another beats in both is not on the front, equal points both are", () => {
  assertEquals(paretoFront(candidates([[1, 3], [2, 2], [3, 3], [2, 2]])), [true, true, false, true]);
  assertEquals(paretoFront(candidates([[1, 1], [1, 2]])), [true, false]);
});

Deno.test("pareto: what is better within noise alone does not count, on either side", () => {
  const cheapAndEqual: [number, number][] = [[1, 1.01], [2, 1]];
  assertEquals(paretoFront(candidates(cheapAndEqual)), [true, true]);
  assertEquals(
    paretoFront(candidates(cheapAndEqual, 0.02)),
    [true, false],
    "no better error for twice the cost",
  );
  assertEquals(
    paretoFront(candidates([[1, 1], [1.01, 1.01]], 0.02)),
    [true, true],
    "neither beats the other",
  );
});

Deno.test("report: runs of cells cover the grid exactly", () => {
  const cells = ["1", "1", "0", "0", "0", "2"];
  const runs = cellRuns(cells, { columns: 3 });
  const covered = runs.flatMap(({ x, x2, y, value }) =>
    Array.from({ length: x2 - x }, (_, i) => [y * 3 + x + i, value] as const)
  );
  assertEquals(covered.toSorted((a, b) => a[0] - b[0]).map(([, value]) => value), cells);
  assertEquals(runs.length, 4);
});

Deno.test("report: frames are laid out in rows with a gap", () => {
  const runs = frameRuns(["1", "1", "0", "0", "2", "2"], { grid: [3, 1, 2], across: 2 });
  assertEquals(runs.map(({ x, y, value }) => [x, y, value]), [[0, 0, "1"], [3, 0, "0"], [0, 2, "2"]]);
});

Deno.test("report: levels are named full first, skipped last", () => {
  assertEquals([...levelColours([0, 8, 1, 8]).keys()], ["level 1", "level 8", "skipped"]);
});

Deno.test("report: classes of mass are ordered", () => {
  const names = [...MASS_COLOURS.keys()];
  assertEquals(names, ["over 8 x mean", "2 to 8 x", "0.5 to 2 x", "0.125 to 0.5 x", "less"]);
  const falling = [9, 8, 7.99, 2, 1.99, 0.5, 0.49, 0.125, 0.12, 0];
  assertEquals(falling.map((ratio) => names.indexOf(massClass(ratio))), [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
});

Deno.test("report: the verdict names a kernel that is out of its bound", () => {
  const wrong = someRows((row) =>
    row.input === "trace-c" && row.method === "psa" ? { ...row, status: "wrong" } : row
  );
  const { right, sentences } = verdict(wrong);
  assertEquals(right, false);
  assertStringIncludes(sentences[0], "Kernels are wrong: 3 of 14 outputs lie outside of their bounds");
  assertStringIncludes(sentences[0], "attention input=trace-c method=psa density=0.5");
  assertEquals(verdict(someRows()).right, true);
});

Deno.test("report: the verdict tells gain and cost apart, and who wins", () => {
  assertEquals(verdict(someRows()).sentences, [
    "The kernels are right: all 14 outputs lie within their bounds; the largest error against the reference of the " +
    "same levels is 2.000e-6.",
    "Gain: psa is 1.8, 3.6 and 9 times as fast as our dense kernel at densities 0.5, 0.25 and 0.1, in attention " +
    "alone; --whole times choosing too.",
    "Cost: psa has a relative error of 0.18, 0.36 and 0.9 against dense attention at densities 0.5, 0.25 and 0.1, " +
    "on average over 2 inputs.",
    "Least error at the same density: psa at 0.5, 0.25 and 0.1.",
    "Least time at the same density, beyond noise: no difference between psa and block-topk at 0.5, 0.25 and 0.1.",
  ]);
  const whole = (row: ReportRow) =>
    row.method === "psa" ? { ...row, whole_ms_median: 20 * row.density_requested } : row;
  assertMatch(
    verdict(someRows(whole)).sentences[1],
    / in attention alone; with choosing 1, 2 and 5 times\.$/,
  );
  const atHalf = someRows().filter(({ density_requested: density }) => density === 1 || density === 0.5);
  assertEquals(verdict(atHalf).sentences.slice(1, 3), [
    "Gain: psa is 1.8 times as fast as our dense kernel at density 0.5, in attention alone; --whole times choosing too.",
    "Cost: psa has a relative error of 0.18 against dense attention at density 0.5, on average over 2 inputs.",
  ]);
  const [, gain] = verdict(someRows(), { adapter: "llvmpipe (LLVM 15)" }).sentences;
  assertMatch(
    gain,
    / This was measured in software, on llvmpipe \(LLVM 15\), and says nothing about a GPU\.$/,
  );
});

Deno.test("report: times are ranked beyond noise alone; unsteady and unknown ones are named", () => {
  const said = (change: Parameters<typeof someRows>[0]) => verdict(someRows(change)).sentences.join("\n");
  const faster = (low: number, high: number) =>
    said((row) =>
      row.method === "psa" ? { ...row, gpu_ms_median: 1, gpu_ms_low: low, gpu_ms_high: high } : row
    );
  assertStringIncludes(
    faster(0.99, 1.01),
    "beyond noise: psa at 0.5 and 0.25; no difference between psa and block-topk at 0.1",
  );
  assertStringIncludes(
    faster(0.5, 1.5),
    "Noise: unsteady times (an interval wider than a tenth): 6 of 14, the widest 0.500 to 1.500 ms, of psa",
  );
  const once = said((row) => ({ ...row, gpu_ms_low: null, gpu_ms_high: null }));
  assertStringIncludes(once, "Noise: times without an interval (measured fewer than four times): 14 of 14;");
  assertEquals(once.includes("Least time"), false);
});

Deno.test("report: a method that loses more than random blocks is named, if it reads as much", () => {
  const rows = (reached: number) =>
    [
      ...someRows(),
      ...someRows((row) => ({ ...row, method: row.method === "psa" ? "random" : "none", rel_l2: 0.5 })),
      ...someRows((row) => ({
        ...row,
        method: row.method === "psa" ? "sta" : "none",
        rel_l2: 0.6,
        density: row.density * reached,
      })),
    ].filter(({ method }) => method !== "none");
  const worse = (own: ReportRow[]) =>
    verdict(own).sentences.filter((text) => text.startsWith("Worse than random"));
  assertEquals(worse(rows(1)), [
    "Worse than random: sta loses more than blocks drawn at random at density 0.5 (error 0.6 against 0.5), 0.25 " +
    "(error 0.6 against 0.5) and 0.1 (error 0.6 against 0.5).",
    "Worse than random: psa loses more than blocks drawn at random at density 0.1 (error 0.9 against 0.5).",
    "Worse than random: block-topk loses more than blocks drawn at random at density 0.1 (error 1.2 against 0.5).",
  ]);
  assertEquals(worse(rows(0.5)).length, 2, "one that reads half as much is not compared");
});

Deno.test("report: cases are shortened to what varies, with the method that lines leave out", () => {
  const cases = [
    "psa H=2 D=64 density=0.5 input=a",
    "psa H=2 D=64 method=random density=0.5 input=a",
    "psa H=4 D=64 method=random density=0.5 input=c",
  ];
  assertEquals([...shortCases(cases).values()], ["a, psa", "a, random", "c, random"]);
  assertEquals([...shortCases(["psa D=64", "psa D=128"]).values()], ["D 64", "D 128"]);
});

Deno.test("report: an error that is not finite is in no chart", async () => {
  const infinite = someRows((row) => ({ ...row, rel_l2: row.method === "psa" ? Infinity : 0 }));
  assertEquals(await errorCharts(infinite), []);
  assertEquals(await paretoCharts(infinite), []);
});

Deno.test("report: axes have numbers between decades", () => {
  assertEquals(logTicks(0.09, 1.1), [0.1, 0.2, 0.5, 1]);
  assertEquals(logTicks(1e-6, 1), [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1]);
  assertEquals(logTicks(0.3, 0.42), [0.3, 0.35, 0.4]);
});

Deno.test("report: texts from outside are escaped, empty cells stay empty", () => {
  assertEquals(escapeHtml('<a "b">&'), "&lt;a &quot;b&quot;&gt;&amp;");
  const html = sortableTable([{ name: "<script>", value: null }], [
    { heading: "name", cell: ({ name }) => name },
    { heading: "value", cell: ({ value }) => value },
  ]);
  assertStringIncludes(html, "&lt;script&gt;");
  assertStringIncludes(html, "<td></td>");
});

Deno.test("report: numbers have four digits", () => {
  assertEquals([0, 12, 0.25, 1234.5678, 1.23456e-7].map(formatNumber), [
    "0",
    "12",
    "0.25",
    "1235",
    "1.235e-7",
  ]);
});

Deno.test("report: a map draws every run, in one path for each colour", () => {
  const runs = cellRuns(["level 1", "skipped", "skipped", "level 1"], { columns: 2 });
  const svg = mapChart(runs, { title: "map", colours: levelColours([0, 1]) });
  const [, cells] = svg.split(/<g transform/), paths = [...cells.split("</g>")[0].matchAll(/ d="([^"]+)"/g)];
  assertEquals(paths.length, 2);
  assertEquals(paths.flatMap(([, path]) => path.match(/M/g)).length, runs.length);
});

Deno.test("report: maps of all methods stand beside the mass, and the first is shown", async () => {
  const shape = [1, 1, 2, 2], levels = { data: new Int32Array([1, 0, 2, 1]), shape };
  const mass = drawMass({
    place: "a, head 0",
    name: "a",
    mass: { data: new Float64Array(4).fill(0.5), shape },
  });
  const drawn = ["psa", "random"].flatMap((method) =>
    drawLevels({ place: "a, head 0", name: "a", method, density: 0.1, levels, blockN: 16 })
  );
  const environment = { command: "sweep", adapter: "none" };
  const { html } = await buildReport({ rows: someRows(), columns: [], environment, maps: [mass, ...drawn] });
  assertEquals(html.match(/<figure data-method="\w+"( hidden)?>/g), [
    '<figure data-method="psa">',
    '<figure data-method="random" hidden>',
  ]);
  assertEquals(html.match(/name="mapped-method" value="(\w+)"/g)?.length, 2);
  assertStringIncludes(
    html,
    "a, head 0: the level of each pair of blocks, chosen by random at requested density 0.1.",
  );
});

Deno.test("report: the page holds every section and every row", async () => {
  const rows = someRows();
  const { html, charts } = await buildReport({
    rows,
    columns: [{ heading: "case", cell: (row) => row.case }],
    environment: { command: "sweep --densities .5", adapter: "none" },
    maps: [],
  });
  for (const row of rows) assertStringIncludes(html, `title="${escapeHtml(row.case)}"`);
  for (const heading of ["Error against density", "Speed-up", "Pareto", "Every number", "How to repeat"]) {
    assertStringIncludes(html, heading);
  }
  const inputs = ["trace-a-all-heads", "trace-c-all-heads"];
  const kinds = ["error", "speedup", "pareto-time", "pareto-cost"];
  assertEquals(
    charts.map(({ name }) => name),
    kinds.flatMap((kind) => inputs.map((input) => `${kind}-${input}`)),
  );
  assert(html.length < 5e6);
  assertEquals(html.match(/https?:\/\/(?!www\.w3\.org)/), null, "nothing is fetched");
});

Deno.test("report: an axis of which there are several values tells its charts and its verdict apart", async () => {
  const rows = [
    ...someRows(),
    ...someRows((row) => ({ ...row, block_n: 32, rel_l2: 2 * (row.rel_l2 ?? 0) })),
  ];
  const names = (await errorCharts(rows)).map(({ name }) => name);
  const blocks = [64, 32].flatMap((n) =>
    ["a", "c"].map((of) => `error-trace-${of}-all-heads-raster-order-blocks-128-x-${n}`)
  );
  assertEquals(names, blocks);
  assertMatch(
    verdict(rows).sentences.join("\n"),
    /Least error at the same density \(raster order, blocks 128 x 32\):/,
  );
});

Deno.test("report: every head has a chart beside their mean; importance tells apart only methods that take it", async () => {
  const heads = ["0", "1"].flatMap((head) => someRows((row) => ({ ...row, head })));
  const one = heads.filter(({ input }) => input === "trace-a");
  assertEquals((await errorCharts(one)).map(({ name }) => name), [
    "error-trace-a-mean-over-2-heads",
    "error-trace-a-head-0",
    "error-trace-a-head-1",
  ]);
  const random = someRows((row) => ({ ...row, method: "random" }));
  const rows = [...someRows(), ...someRows((row) => ({ ...row, importance: "full" })), ...random];
  const groups = axisGroups(rows.filter(({ method }) => method !== "dense"));
  assertEquals(groups.map(({ name, rows: own }) => [name, methodsOf(own)]), [
    ["sampled importance", ["psa", "block-topk", "random"]],
    ["full importance", ["psa", "block-topk", "random"]],
  ]);
});

Deno.test("report: a chart that stands alone has the colours of the light page, and none by name", async () => {
  const style = await Deno.readTextFile(new URL("../../../bench/report/style.css", import.meta.url));
  const light = style.slice(0, style.indexOf("}"));
  for (const [name, colour] of Object.entries(LIGHT_COLOURS)) {
    assertStringIncludes(light, `${name.slice(4, -1)}: ${colour};`);
  }
  const runs = cellRuns(["skipped", "level 1", "level 8"], { columns: 3 });
  const chart = mapChart(runs, { title: "map", colours: levelColours([0, 1, 8]), xTitle: "key block" });
  assertStringIncludes(chart, "var(--level-8)");
  assertEquals(inColours(chart).includes("var("), false);
  for await (const { name } of Deno.readDir(new URL("../../../docs/pictures/", import.meta.url))) {
    const picture = await Deno.readTextFile(new URL(`../../../docs/pictures/${name}`, import.meta.url));
    assertEquals(picture.includes("var("), false, name);
  }
});
