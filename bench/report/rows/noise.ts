/**
 * Sentences about times: methods are ranked only where their intervals do not overlap, and times that are
 * unsteady are named.
 *
 * @module
 */
import { listed, showMilliseconds } from "../../text/number.ts";
import { axisGroups, densitiesOf, type ReportRow } from "./rows.ts";

/** A value and where it lies with confidence; both ends are the value where it is exact. */
export interface Interval {
  readonly low: number;
  readonly value: number;
  readonly high: number;
}

/**
 * Whether one interval lies wholly below another.
 *
 * @example
 * ```ts
 * import { isBelow } from "./noise.ts";
 * console.log(isBelow({ low: 1, value: 2, high: 3 }, { low: 2.5, value: 4, high: 5 })); // false
 * ```
 */
export function isBelow(a: Interval, b: Interval): boolean {
  return a.high < b.low;
}

/**
 * The time of a row with its interval; null if no kernel ran, or if there were too few measurements for an interval.
 *
 * @example
 * ```ts
 * import { timeOf } from "./noise.ts";
 * console.log(timeOf({ gpu_ms_median: 2, gpu_ms_low: 1, gpu_ms_high: 3 })?.high); // 3
 * ```
 */
export function timeOf(
  { gpu_ms_median: value, gpu_ms_low: low, gpu_ms_high: high }: Pick<
    ReportRow,
    "gpu_ms_median" | "gpu_ms_low" | "gpu_ms_high"
  >,
): Interval | null {
  return value === null || low === null || high === null ? null : { low, value, high };
}

/**
 * Intervals added up: those of sums over inputs and heads.
 *
 * @example
 * ```ts
 * import { sumOf } from "./noise.ts";
 * console.log(sumOf([{ low: 1, value: 2, high: 3 }, { low: 1, value: 1, high: 1 }]).high); // 4
 * ```
 */
export function sumOf(intervals: readonly Interval[]): Interval {
  const sum = (end: keyof Interval) => intervals.reduce((total, each) => total + each[end], 0);
  return { low: sum("low"), value: sum("value"), high: sum("high") };
}

/** The time of each method at a density, over all inputs and heads; without those that lack some interval. */
function timesAt(rows: readonly ReportRow[], density: number): Map<string, Interval> {
  const at = rows.filter(({ density_requested }) => density_requested === density);
  const groups = [...Map.groupBy(at, ({ method }) => method)];
  const most = Math.max(...groups.map(([, own]) => own.length));
  return new Map(groups.flatMap(([method, own]) => {
    const times = own.map(timeOf).filter((time) => time !== null);
    return times.length === most ? [[method, sumOf(times)] as const] : [];
  }));
}

/**
 * For each order and importance the fastest method at each density, or that there is none beyond noise.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { fastest } from "./noise.ts";
 * console.log(fastest([])); // []
 * ```
 */
export function fastest(rows: readonly ReportRow[]): string[] {
  const timed = rows.filter(({ method, gpu_ms_median, density_requested }) =>
    method !== "dense" && gpu_ms_median !== null && density_requested < 1
  );
  const groups = axisGroups(timed);
  return groups.flatMap(({ name, rows: group }) => {
    const said = densitiesOf(group).flatMap((density) => {
      const times = [...timesAt(group, density)];
      if (times.length < 2) return [];
      const [, least] = times.reduce((best, each) => each[1].value < best[1].value ? each : best);
      const close = times.filter(([, time]) => !isBelow(least, time)).map(([method]) => method);
      return [[close.length === 1 ? close[0] : `no difference between ${listed(close)}`, density] as const];
    });
    const parts = [...Map.groupBy(said, ([what]) => what)].map(([what, at]) =>
      `${what} at ${listed(at.map(([, density]) => String(density)))}`
    );
    return parts.length === 0 ? [] : [
      `Least time at the same density, beyond noise${groups.length > 1 && name !== "" ? `, ${name}` : ""}: ${
        parts.join("; ")
      }.`,
    ];
  });
}

/** The width of an interval over its median, beyond which a time is unsteady: what a sweep tries to reach. */
const STEADY = 0.1;

/**
 * A sentence about times that are unsteady; empty if there are none.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { unsteadyTimes } from "./noise.ts";
 * console.log(unsteadyTimes([]) === ""); // true
 * ```
 */
export function unsteadyTimes(rows: readonly ReportRow[]): string {
  const timed = rows.filter(({ gpu_ms_median }) => gpu_ms_median !== null);
  const widths = timed.flatMap((row) => {
    const time = timeOf(row);
    return time === null ? [] : [{ row, time, width: (time.high - time.low) / time.value }];
  });
  const once = timed.length - widths.length, unsteady = widths.filter(({ width }) => width > STEADY);
  const parts: string[] = [];
  if (unsteady.length > 0) {
    const { row, time } = unsteady.reduce((worst, each) => each.width > worst.width ? each : worst);
    const range = `${showMilliseconds(time.low)} to ${showMilliseconds(time.high)} ms`;
    parts.push(
      `unsteady times (an interval wider than a tenth): ${unsteady.length} of ${timed.length}, the widest ${range}, of ` +
        `${row.method} at density ${row.density_requested} on ${row.input}`,
    );
  }
  if (once > 0) {
    parts.push(
      `times without an interval (measured fewer than four times): ${once} of ${timed.length}; methods are not ranked by ` +
        "them, and a larger --seconds gives more measurements",
    );
  }
  return parts.length === 0 ? "" : `Noise: ${parts.join("; ")}.`;
}
