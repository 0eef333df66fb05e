import { buildReport } from "../../../bench/report/page.ts";
import {
  cellRuns,
  frameRuns,
  levelColours,
  mapChart,
  MASS_COLOURS,
  massClass,
} from "../../../bench/report/maps.ts";
import { inColours, LIGHT_COLOURS } from "../../../bench/report/theme.ts";
import { verdict } from "../../../bench/report/verdict.ts";
import { escapeHtml, formatNumber, sortableTable } from "../../../bench/report/html.ts";
import { paretoFront } from "../../../bench/report/pareto.ts";
import { renderChart } from "../../../bench/report/chart.ts";
import { someRows } from "../../support/report_rows.ts";
import { errorCharts } from "../../../bench/report/sections.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "../../support/assert.ts";

Deno.test("pareto: a point that another beats in both is not on the front, equal points both are", () => {
  assertEquals(paretoFront([[1, 3], [2, 2], [3, 3], [2, 2]]), [true, true, false, true]);
  assertEquals(paretoFront([[1, 1], [1, 2]]), [true, false]);
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
  assertStringIncludes(sentences[0], "3 of 14 kernel outputs are out of their bounds");
  assertStringIncludes(sentences[0], "attention input=trace-c method=psa density=0.5");
  assertEquals(verdict(someRows()).right, true);
});

Deno.test("report: the verdict says what sparsity costs and who wins", () => {
  const sentences = verdict(someRows()).sentences.join(" ");
  assertStringIncludes(
    sentences,
    "at density 0.5 it is 1.8 times as fast as our dense kernel, at a relative error of 0.18; at density 0.25 it is 3.6 times as fast, at a relative error of 0.36; at density 0.1 it is 9 times as fast, at a relative error of 0.9.",
  );
  assertStringIncludes(
    sentences,
    "Least error with raster order, sampled importance: psa at 0.5, 0.25, 0.1.",
  );
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

Deno.test("report: a map draws a rectangle a run", async () => {
  const runs = cellRuns(["level 1", "skipped", "skipped", "level 1"], { columns: 2 });
  const svg = await renderChart(mapChart(runs, { title: "map", colours: levelColours([0, 1]) }));
  assertEquals(svg.match(/aria-roledescription="rect mark"/g)?.length, runs.length);
});

Deno.test("report: the page holds every section and every row", async () => {
  const rows = someRows();
  const { html, charts } = await buildReport({
    rows,
    columns: [{ heading: "case", cell: (row) => row.case }],
    environment: { command: "sweep --densities .5", adapter: "none" },
    maps: [],
  });
  for (const row of rows) assertStringIncludes(html, escapeHtml(row.case));
  for (const heading of ["Error against density", "Speed-up", "Pareto", "Every number", "how to repeat"]) {
    assertStringIncludes(html, heading);
  }
  assertEquals(charts.map(({ name }) => name), [
    "error-raster-order-sampled-importance",
    "speedup",
    "pareto-time",
    "pareto-cost",
  ]);
  assert(html.length < 5e6);
  assertEquals(html.match(/https?:\/\/(?!www\.w3\.org)/), null, "nothing is fetched");
});

Deno.test("report: an axis of which there are several values tells its charts and its verdict apart", async () => {
  const rows = [
    ...someRows(),
    ...someRows((row) => ({ ...row, block_n: 32, rel_l2: 2 * (row.rel_l2 ?? 0) })),
  ];
  const names = (await errorCharts(rows)).map(({ name }) => name);
  assertEquals(names, [64, 32].map((n) => `error-raster-order-sampled-importance-blocks-128-x-${n}`));
  assertMatch(
    verdict(rows).sentences.join("\n"),
    /Least error with raster order, sampled importance, blocks 128 x 32:/,
  );
  assertEquals((await errorCharts(someRows())).map(({ name }) => name), [
    "error-raster-order-sampled-importance",
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
  const svg = await renderChart(chart);
  assertStringIncludes(svg, "var(--level-8)");
  assertEquals(inColours(svg).includes("var("), false);
  for await (const { name } of Deno.readDir(new URL("../../../docs/pictures/", import.meta.url))) {
    const picture = await Deno.readTextFile(new URL(`../../../docs/pictures/${name}`, import.meta.url));
    assertEquals(picture.includes("var("), false, name);
  }
});
