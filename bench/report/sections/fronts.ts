/**
 * Error against cost with the Pareto front: against time for rows that a kernel ran, against density + selection cost
 * for all.
 *
 * @module
 */
import { listed, plural } from "../../text/number.ts";
import { renderChart } from "../charts/chart.ts";
import { paretoChart } from "../charts/charts.ts";
import { unitsByGranularity } from "../rows/granularity.ts";
import { type Interval, timeOf } from "../rows/noise.ts";
import { type Candidate, paretoFront } from "../rows/pareto.ts";
import { drawnRows, type ReportRow } from "../rows/rows.ts";
import { fileName, type ReportChart, scalesOf, softwareWords } from "./sections.ts";
import { type ChartUnit, chartUnits } from "../rows/units.ts";

/** A kind of cost that error is drawn against. */
interface Cost {
  readonly name: "time" | "cost";
  readonly xTitle: string;
  /** How it was obtained, in a sentence. */
  readonly note: string;
  /** The cost of a row; null where it has none, with ends that are NaN where its interval is not known. */
  readonly of: (row: ReportRow) => Interval | null;
}

const COSTS: readonly Cost[] = [
  {
    name: "time",
    xTitle: "measured: kernel milliseconds",
    note: "Time is measured, with levels given.",
    of: (row) =>
      timeOf(row) ?? (row.gpu_ms_median === null ? null : { low: NaN, value: row.gpu_ms_median, high: NaN }),
  },
  {
    name: "cost",
    xTitle: "computed: density + selection cost",
    note: "Cost is computed, not measured.",
    of: ({ density, selection_cost }) => exact(density + (selection_cost ?? 0)),
  },
];

function exact(value: number): Interval {
  return { low: value, value, high: value };
}

/**
 * Error against time and cost, one chart of each for every input.
 *
 * @param rows all rows of a run
 * @param options the adapter, which captions name if it is software
 *
 * @example
 * ```ts
 * import { paretoCharts } from "./fronts.ts";
 * console.log((await paretoCharts([])).length); // 0
 * ```
 */
export async function paretoCharts(
  rows: readonly ReportRow[],
  { adapter = "" }: { readonly adapter?: string } = {},
): Promise<ReportChart[]> {
  const sparse = drawnRows(rows);
  const charts = COSTS.flatMap((cost) => {
    const known = sparse.filter((row) => cost.of(row) !== null);
    const software = cost.name === "time" ? softwareWords(adapter) : "";
    return unitsByGranularity(chartUnits(known, { heads: false })).map((unit) =>
      frontChart(unit, { cost, rows, software })
    );
  });
  return await Promise.all(charts);
}

async function frontChart(
  unit: ChartUnit,
  { cost, rows, software }: {
    readonly cost: Cost;
    readonly rows: readonly ReportRow[];
    readonly software: string;
  },
): Promise<ReportChart> {
  const points = candidatesOf(unit.rows, cost), unknown = points.filter((point) => !isKnown(point)).length;
  const best = unknown > 0 ? points.map(() => false) : paretoFront(points);
  const marked = points.map((point, i) => ({
    ...{ method: point.method, cost: point.cost.value, error: point.error.value },
    best: best[i],
  }));
  const front = marked.filter((point) => point.best).sort((a, b) => a.cost - b.cost);
  const methods = listed([...new Set(front.map(({ method }) => method))]);
  const told = unknown > 0
    ? `There is no front: ${unknown} of ${plural(points.length, "point")} have a time without an interval.`
    : "Large points are on the front: no other point is better in one of the two beyond noise and as good in the " +
      `other. On it, from cheap to expensive: ${methods}.`;
  const frame = { xTitle: cost.xTitle, yTitle: "relative L2 error", series: scalesOf(rows, unit.rows) };
  return {
    name: fileName(`pareto-${cost.name}`, unit.title),
    svg: await renderChart(paretoChart(marked, { title: unit.title, ...frame })),
    caption: `${unit.title}: error against ${cost.name}. ${cost.note} ${told}${software}`,
    alternative: `Scatter of error against ${cost.name}. ${told}`,
  };
}

/** The means over rows of each method and density, with intervals. */
function candidatesOf(rows: readonly ReportRow[], { of }: Cost): (Candidate & { readonly method: string })[] {
  const groups = Map.groupBy(rows, ({ method, density_requested }) => `${method} ${density_requested}`);
  return [...groups.values()].map((group) => ({
    method: group[0].method,
    cost: meanInterval(group.map(of).filter((each) => each !== null)),
    error: meanInterval(group.map(({ rel_l2, rel_l2_low, rel_l2_high }) => {
      const value = rel_l2 ?? NaN;
      return { low: rel_l2_low ?? value, value, high: rel_l2_high ?? value };
    })),
  }));
}

/** Whether the interval of a cost is known. */
function isKnown({ cost }: Candidate): boolean {
  return !Number.isNaN(cost.low);
}

function meanInterval(intervals: readonly Interval[]): Interval {
  const mean = (end: keyof Interval) =>
    intervals.reduce((sum, each) => sum + each[end], 0) / intervals.length;
  return { low: mean("low"), value: mean("value"), high: mean("high") };
}
