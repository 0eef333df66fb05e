/**
 * The sections of the report that show errors and speed: rows in, charts out.
 *
 * @module
 */
import { isSoftware } from "../../text/adapter.ts";
import { renderChart } from "../charts/chart.ts";
import { lineChart, type SeriesPoint, speedupChart } from "../charts/charts.ts";
import { unitsByGranularity } from "../rows/granularity.ts";
import { figure } from "../html.ts";
import { timeOf } from "../rows/noise.ts";
import { drawnRows, meanOf, methodsOf, type ReportRow, takesImportance } from "../rows/rows.ts";
import { scalesAmong, type SeriesScales, seriesScales } from "../charts/theme.ts";
import { type ChartUnit, chartUnits } from "../rows/units.ts";

/** A chart of the report, with all that a paper needs of it too. */
export interface ReportChart {
  /** A short name for a file. */
  readonly name: string;
  /** The drawing. */
  readonly svg: string;
  /** The caption under it. */
  readonly caption: string;
  /** A text alternative for readers who do not see it. */
  readonly alternative: string;
  /** Of maps: their subject in words; maps of one place are grouped. */
  readonly place?: string;
  /** Of maps: the method whose choice they show; left out: they are of no method. */
  readonly method?: string;
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

/**
 * Error against density, one chart for each input and head.
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
  const sparse = drawnRows(rows);
  const errors = sparse.map(({ rel_l2 }) => rel_l2 ?? 1);
  const yDomain = [Math.min(...errors) * 0.8, Math.max(...errors) * 1.25] as const;
  return Promise.all(
    unitsByGranularity(chartUnits(sparse)).map(async (unit) => {
      const points = pointsOf(unit, ({ rel_l2 }) => rel_l2, errorEnds);
      const series = scalesOf(rows, unit.rows);
      const axes = { xTitle: "density reached", yTitle: "relative L2 error", series, yDomain };
      return {
        name: fileName("error", unit.title),
        svg: await renderChart(lineChart(points, { title: unit.title, ...axes })),
        caption: `${unit.title}: error against dense attention. ${pointWords(unit, points)}${
          scoredBy(unit.rows)
        }`,
        alternative: lineWords(points, "error"),
      };
    }),
  );
}

/** The ends of the interval of an error that is an estimate. */
function errorEnds({ rel_l2_low: low, rel_l2_high: high }: ReportRow): readonly [number, number] | null {
  return low === null || high === null ? null : [low, high];
}

/**
 * The sentence about times of a software adapter; empty for a GPU.
 *
 * @example
 * ```ts
 * import { softwareWords } from "./sections.ts";
 * console.log(softwareWords("NVIDIA H100") === ""); // true
 * ```
 */
export function softwareWords(adapter: string): string {
  return isSoftware(adapter) ? ` Measured in software, on ${adapter}: this says nothing about a GPU.` : "";
}

/**
 * Speed-up over the dense kernel against density, with the ideal line; nothing if no kernel ran.
 *
 * @param rows all rows of a run
 * @param options the adapter, which captions name if it is software
 *
 * @example
 * ```ts
 * import { speedupCharts } from "./sections.ts";
 * console.log((await speedupCharts([])).length); // 0
 * ```
 */
export function speedupCharts(
  rows: readonly ReportRow[],
  { adapter = "" }: { readonly adapter?: string } = {},
): Promise<ReportChart[]> {
  const timed = rows.filter(({ method, speedup, density }) =>
    method !== "dense" && speedup !== null && density < 1
  );
  const software = softwareWords(adapter);
  return Promise.all(
    chartUnits(timed, { heads: false }).map(async (unit) => {
      const points = pointsOf(unit, ({ speedup }) => speedup, speedupEnds),
        series = scalesOf(rows, unit.rows);
      const axes = { xTitle: "density reached", yTitle: "speed-up", series };
      return {
        name: fileName("speedup", unit.title),
        svg: await renderChart(speedupChart(points, { title: unit.title, ...axes })),
        caption:
          `${unit.title}: time of our dense kernel divided by the time of the method's kernel, and the ` +
          `ideal 1 / density. ${pointWords(unit, points)}${software}`,
        alternative: lineWords(points, "speed-up"),
      };
    }),
  );
}

/** The ends of a speed-up that follow from the interval of the row's time. */
function speedupEnds(row: ReportRow): readonly [number, number] | null {
  const time = timeOf(row);
  if (time === null || row.speedup === null) return null;
  return [row.speedup * time.value / time.high, row.speedup * time.value / time.low];
}

/** A point for each method and density: a row with its interval, or the mean of several with their range. */
function pointsOf(
  { rows, isMean }: ChartUnit,
  valueOf: (row: ReportRow) => number | null,
  endsOf: (row: ReportRow) => readonly [number, number] | null,
): SeriesPoint[] {
  const groups = Map.groupBy(rows, ({ method, density_requested }) => `${method} ${density_requested}`);
  return [...groups.values()].map((group) => {
    const values = group.map(valueOf).filter((value) => value !== null);
    const ends = isMean ? [Math.min(...values), Math.max(...values)] as const : endsOf(group[0]);
    const interval = ends === null || values.length === 0 ? {} : { low: ends[0], high: ends[1] };
    return {
      method: group[0].method,
      x: meanOf(group.map(({ density }) => density)),
      y: meanOf(values),
      ...interval,
    };
  });
}

/** The meaning of points and bars. */
function pointWords({ isMean }: ChartUnit, points: readonly SeriesPoint[]): string {
  if (isMean) return "Points are means, bars reach from the least to the largest value.";
  return points.some(({ low }) => low !== undefined) ? "Bars are 95 % intervals." : "";
}

/** Which importance methods took, where some take one and all take the same. */
function scoredBy(rows: readonly ReportRow[]): string {
  const taking = rows.filter(({ method, importance }) => takesImportance(method) && importance !== "");
  const kinds = new Set(taking.map(({ importance }) => importance));
  if (kinds.size !== 1) return "";
  return ` Blocks are scored by ${[...kinds][0]} importance (${methodsOf(taking).join(", ")}).`;
}

/**
 * A title as the name of a file.
 *
 * @example
 * ```ts
 * import { fileName } from "./sections.ts";
 * console.log(fileName("error", "A, head 1")); // error-a-head-1
 * ```
 */
export function fileName(kind: string, title: string): string {
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
 *
 * @example
 * ```ts
 * import { chartGrid } from "./sections.ts";
 * console.log(chartGrid([])); // <div class="charts"></div>
 * ```
 */
export function chartGrid(charts: readonly ReportChart[]): string {
  return `<div class="charts">${charts.map((chart) => figure(chart.svg, chart)).join("\n")}</div>`;
}
