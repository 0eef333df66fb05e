/**
 * The plots of the claim: a map of all cells on a footing, and the lines of error against density behind them.
 *
 * @module
 */
import { type ChartSpec, renderChart } from "../report/charts/chart.ts";
import { lineChart, type SeriesPoint } from "../report/charts/charts.ts";
import type { ReportChart } from "../report/sections/sections.ts";
import { CHART_CONFIG, scalesAmong, seriesScales } from "../report/charts/theme.ts";
import { showFixed, showNumber } from "../text/number.ts";
import { type Cell, cellsOf, type ClaimRow, type Footing, groupOf, KINDS } from "./cells.ts";
import { headMedian } from "./verdicts.ts";

/** Fills of the map, purple to orange, which colour-blind readers can tell apart; dark text is read on all. */
const FILLS = { win: "#b2abd2", tie: "#ececec", loss: "#fdb863", apart: "#ffffff" } as const;
/** The meaning of the fills, in the order of the legend. */
const WORDS = {
  win: "PSA has less error",
  tie: "within the noise",
  loss: "PSA has more error",
  apart: "nothing in common",
} as const;

/** The methods whose lines are drawn: more would hide each other. */
const DRAWN = ["psa", "psa-threshold", "block-topk", "block-topk-mean", "xattention", "sta", "random"];

/**
 * The name of a footing.
 *
 * @example
 * ```ts
 * import { footingName } from "./charts.ts";
 * console.log(footingName("density")); // equal density
 * ```
 */
export function footingName(footing: Footing): string {
  return footing === "cost" ? "equal density + selection cost" : `equal ${footing}`;
}

/**
 * Draws all plots of a claim.
 *
 * @param rows rows of single heads
 *
 * @example
 * ```ts
 * import { drawClaim } from "./charts.ts";
 * console.log(await drawClaim([])); // []
 * ```
 */
export async function drawClaim(rows: readonly ClaimRow[]): Promise<ReportChart[]> {
  const timed = rows.some(({ gpu_ms_median }) => gpu_ms_median !== null);
  const footings: Footing[] = timed ? ["density", "time", "cost"] : ["density", "cost"];
  const charts: ReportChart[] = [];
  for (const footing of footings) {
    const cells = cellsOf(rows, footing);
    if (cells.length > 0) charts.push(await drawMap(cells, footing));
  }
  const traces = rows.filter((row) => groupOf(row).endsWith("traces"));
  const places = Map.groupBy(
    traces.length > 0 ? traces : rows,
    (row) => `${groupOf(row)}, ${row.order} order`,
  );
  for (const [title, own] of places) charts.push(await drawLines(title, own));
  return charts;
}

/** A map of cells: a panel per kind of inputs and order, a row per method, a column per density. */
async function drawMap(cells: readonly Cell[], footing: Footing): Promise<ReportChart> {
  const values = cells.map(({ group, order, rival, asked, median, verdict, footing: shared }) => ({
    panel: `${group}, ${order}`,
    rival,
    density: String(asked),
    verdict: WORDS[verdict],
    text: Number.isNaN(median) ? "–" : showRatio(median) + (shared === footing ? "" : "*"),
  }));
  const densities = [...new Set(cells.map(({ asked }) => asked))].sort((a, b) => b - a).map(String);
  const [verdicts, fills] = [Object.values(WORDS), Object.values(FILLS)];
  const x = { field: "density", type: "nominal", title: null, sort: densities } as const;
  const methods = KINDS.flatMap((kind) => kind.methods);
  const y = { field: "rival", type: "nominal", title: null, sort: methods } as const;
  const color = {
    field: "verdict",
    type: "nominal",
    scale: { domain: verdicts, range: fills },
    legend: { title: null, orient: "top", symbolType: "square", labelLimit: 0 },
  } as const;
  const spec: ChartSpec = {
    data: { values },
    columns: 3,
    facet: {
      field: "panel",
      type: "nominal",
      title: null,
      sort: [...new Set(values.map(({ panel }) => panel))],
    },
    spec: {
      width: { step: 46 },
      height: { step: 18 },
      layer: [
        {
          mark: { type: "rect", stroke: "#ffffff" },
          encoding: { x: { ...x, axis: { labelAngle: 0 } }, y, color },
        },
        {
          mark: { type: "text", fontSize: 10, color: "#1c2024" },
          encoding: { x, y, text: { field: "text" } },
        },
      ],
    },
    resolve: { axis: { x: "independent", y: "independent" } },
    config: {
      ...CHART_CONFIG,
      background: "#ffffff",
      header: { labelColor: "var(--ink)", labelFontSize: 12, labelFontWeight: "bold" },
    },
  };
  const count = (verdict: Cell["verdict"]) => cells.filter((cell) => cell.verdict === verdict).length;
  return {
    name: `claim-${footing}`,
    svg: await renderChart(spec),
    caption:
      `Error of PSA over error of each method at ${
        footingName(footing)
      }, the median over heads; columns are the ` +
      "densities that the other method was asked for." +
      (footing === "time"
        ? " With a star: no kernel runs it; compared at equal density + selection cost."
        : ""),
    alternative: `Map of ${cells.length} comparisons: PSA has less error in ${count("win")}, more in ${
      count("loss")
    }, ${count("tie")} without a difference beyond noise, ${count("apart")} cannot be compared.`,
  };
}

/**
 * A ratio with two digits after the point, fewer where it is large.
 *
 * @example
 * ```ts
 * import { showRatio } from "./charts.ts";
 * console.log(showRatio(0.8249), showRatio(31.4)); // 0.82 31
 * ```
 */
export function showRatio(ratio: number): string {
  if (ratio < 0.01 || ratio >= 10000) return showNumber(ratio, { digits: 1, large: 10000, small: 0.01 });
  return showFixed(ratio, ratio < 10 ? 2 : 0);
}

/** Error against density in one place, medians over heads with their intervals. */
async function drawLines(title: string, rows: readonly ClaimRow[]): Promise<ReportChart> {
  const methods = DRAWN.filter((name) => rows.some(({ method }) => method === name));
  const drawn = rows.filter(({ method, rel_l2 }) => methods.includes(method) && (rel_l2 ?? 0) > 0);
  const groups = Map.groupBy(drawn, ({ method, density_requested }) => `${method} ${density_requested}`);
  const points = [...groups.values()].map((group): SeriesPoint => {
    const { median, low, high } = headMedian(group.map(({ rel_l2 }) => rel_l2 ?? 0));
    const x = group.reduce((sum, { density }) => sum + density, 0) / group.length;
    return { method: group[0].method, x, y: median, low, high };
  });
  const frame = { title, xTitle: "density reached", yTitle: "relative L2 error", width: 480 };
  const chart = lineChart(points, { ...frame, series: scalesAmong(seriesScales(DRAWN), methods) });
  return {
    name: `claim-lines-${title.replaceAll(/[^a-z0-9]+/g, "-")}`,
    svg: await renderChart({ ...chart, background: "#ffffff" } as ChartSpec),
    caption: `${title}: error against the density reached; medians over heads with 95 % intervals.`,
    alternative: `Lines of error against density for ${methods.join(", ")}.`,
  };
}
