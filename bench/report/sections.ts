/**
 * The sections of the report that show charts: rows in, HTML out.
 *
 * @module
 */
import { renderChart } from "./chart.ts";
import { paretoFront } from "./pareto.ts";
import { type ChartFrame, lineChart, paretoChart, type SeriesPoint, speedupChart } from "./charts.ts";
import { figure } from "./html.ts";
import { axesOf, meanOf, methodsOf, type ReportRow } from "./rows.ts";
import { scalesAmong, type SeriesScales, seriesScales } from "./theme.ts";

/** A chart of the report, with all that a paper needs of it too. */
export interface ReportChart {
  /** A short name for a file. */
  readonly name: string;
  /** The drawing. */
  readonly svg: string;
  /** What stands under it. */
  readonly caption: string;
  /** What it shows, in words. */
  readonly alternative: string;
}

/**
 * The scales of the methods that a chart has. A method looks the same in all charts of a run; dense is left out: it is
 * the baseline of every chart.
 *
 * @param rows all rows of a run
 * @param drawn those that the chart shows; default all
 *
 * @example
 * ```ts
 * import { scalesOf } from "./sections.ts";
 * console.log(scalesOf([]).domain); // []
 * ```
 */
export function scalesOf(rows: readonly ReportRow[], drawn = rows): SeriesScales {
  return scalesAmong(seriesScales(methodsOf(rows).filter((method) => method !== "dense")), methodsOf(drawn));
}

/** A text that begins a sentence. */
function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Error against density, one chart for each order and importance.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { errorCharts } from "./sections.ts";
 * console.log((await errorCharts([])).length); // 0
 * ```
 */
export function errorCharts(rows: readonly ReportRow[]): Promise<ReportChart[]> {
  const sparse = rows.filter(({ method, rel_l2, density }) =>
    method !== "dense" && (rel_l2 ?? 0) > 0 && density < 1
  );
  const errors = sparse.map(({ rel_l2 }) => rel_l2 ?? 1);
  const yDomain = [Math.min(...errors) * 0.8, Math.max(...errors) * 1.25] as const;
  const groups = [...Map.groupBy(sparse, axesOf(rows))];
  return Promise.all(groups.map(async ([axes, group]) => {
    const title = capitalized(axes || "all inputs"), series = scalesOf(rows, group);
    const frame = { title, xTitle: "density", yTitle: "relative L2 error", series, yDomain };
    const points = spread(group, ({ rel_l2 }) => rel_l2);
    return {
      name: fileName("error", title),
      svg: await renderChart(lineChart(points, frame)),
      caption:
        `${title}: error against dense attention. Points are means over inputs and heads, bars reach from the least to the largest.`,
      alternative: lineWords(points, "error"),
    };
  }));
}

/**
 * Speed-up over the dense kernel against density, with the ideal line; nothing if no kernel ran.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { speedupCharts } from "./sections.ts";
 * console.log((await speedupCharts([])).length); // 0
 * ```
 */
export async function speedupCharts(rows: readonly ReportRow[]): Promise<ReportChart[]> {
  const timed = rows.filter(({ method, speedup, density }) =>
    method !== "dense" && speedup !== null && density < 1
  );
  if (timed.length === 0) return [];
  const points = spread(timed, ({ speedup }) => speedup);
  const title = "Speed-up over our dense kernel";
  const frame = { title, xTitle: "density", yTitle: "speed-up", series: scalesOf(rows, timed) };
  return [{
    name: "speedup",
    svg: await renderChart(speedupChart(points, frame)),
    caption:
      "Time of our dense kernel over the time of the same kernel with levels, beside the ideal 1 / density.",
    alternative: lineWords(points, "speed-up"),
  }];
}

/**
 * Error against cost with the Pareto front: against time for rows that a kernel ran, against density + selection
 * cost for all.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { paretoCharts } from "./sections.ts";
 * console.log((await paretoCharts([])).length); // 0
 * ```
 */
export async function paretoCharts(rows: readonly ReportRow[]): Promise<ReportChart[]> {
  const sparse = rows.filter(({ method, rel_l2, density }) =>
    method !== "dense" && (rel_l2 ?? 0) > 0 && density < 1
  );
  const costs = [
    [
      "time",
      "measured: kernel milliseconds",
      "Time is measured; levels are given.",
      ({ gpu_ms_median }: ReportRow) => gpu_ms_median,
    ],
    [
      "cost",
      "computed: density + selection cost",
      "Cost is computed, not measured.",
      ({ density, selection_cost }: ReportRow) => density + (selection_cost ?? 0),
    ],
  ] as const;
  const charts: ReportChart[] = [];
  for (const [name, xTitle, what, costOf] of costs) {
    const points = meanPoints(sparse.filter((row) => costOf(row) !== null), costOf);
    if (points.length === 0) continue;
    const best = paretoFront(points.map(({ cost, error }) => [cost, error]));
    const marked = points.map((point, i) => ({ ...point, best: best[i] }));
    const frame: ChartFrame = {
      title: `Error against ${name}`,
      xTitle,
      yTitle: "relative L2 error",
      series: scalesOf(rows, sparse.filter((row) => costOf(row) !== null)),
    };
    const front = marked.filter((point) => point.best).sort((a, b) => a.cost - b.cost);
    const onFront = [...new Set(front.map(({ method }) => method))].join(", ");
    charts.push({
      name: `pareto-${name}`,
      svg: await renderChart(paretoChart(marked, frame)),
      caption:
        `${what} Means over inputs and heads at densities below 1. Large points are not beaten in both error and ${name} by any other; the line joins them. On the front: ${onFront}.`,
      alternative: `Scatter of error against ${name}. On the Pareto front, from cheap to dear: ${onFront}.`,
    });
  }
  return charts;
}

/** The means over inputs and heads of each method, order, importance and density. */
function meanPoints(rows: readonly ReportRow[], costOf: (row: ReportRow) => number | null) {
  const axes = axesOf(rows);
  const key = (row: ReportRow) => [row.method, axes(row), row.density_requested].join(" ");
  return [...Map.groupBy(rows, key).values()].map((group) => ({
    method: group[0].method,
    cost: meanOf(group.map(costOf)),
    error: meanOf(group.map(({ rel_l2 }) => rel_l2)),
  }));
}

/** Means and ranges over inputs and heads, a point for each method and density. */
function spread(rows: readonly ReportRow[], valueOf: (row: ReportRow) => number | null): SeriesPoint[] {
  const groups = Map.groupBy(rows, ({ method, density_requested }) => `${method} ${density_requested}`);
  return [...groups.values()].map((group) => {
    const values = group.map(valueOf).filter((value) => value !== null);
    const interval = values.length > 1 ? { low: Math.min(...values), high: Math.max(...values) } : {};
    const x = meanOf(group.map(({ density }) => density));
    return { method: group[0].method, x, y: meanOf(values), ...interval };
  });
}

function fileName(kind: string, title: string): string {
  return `${kind}-${title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}`;
}

/** A chart of lines in words: where each series begins and ends. */
function lineWords(points: readonly SeriesPoint[], what: string): string {
  const lines = [...Map.groupBy(points, ({ method }) => method)].map(([method, own]) => {
    const sorted = own.toSorted((a, b) => b.x - a.x), first = sorted[0], last = sorted[sorted.length - 1];
    const at = ({ x, y }: SeriesPoint) => `${y.toPrecision(3)} at density ${x.toPrecision(2)}`;
    return `${method} from ${at(first)} to ${at(last)}`;
  });
  return `Lines of ${what} against density: ${lines.join("; ")}.`;
}

/**
 * Charts as figures, side by side where there is room.
 *
 * @param charts the charts
 * @param options `pairs`: whether they come in pairs, which stay side by side
 *
 * @example
 * ```ts
 * import { chartGrid } from "./sections.ts";
 * console.log(chartGrid([], { pairs: true })); // <div class="charts pairs"></div>
 * ```
 */
export function chartGrid(
  charts: readonly ReportChart[],
  { pairs = false }: { readonly pairs?: boolean } = {},
): string {
  return `<div class="charts${pairs ? " pairs" : ""}">${
    charts.map((chart) => figure(chart.svg, chart)).join("\n")
  }</div>`;
}
