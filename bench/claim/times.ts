/**
 * Times of methods, from times of single heads: heads of one kind of input have the same sizes, so that a kernel's time
 * differs between them by the density that was reached and by the noise of the machine, and by nothing else.
 *
 * @module
 */
import { estimateMedian, quantile } from "../statistics.ts";

/** One timed row: a method at a density on a head. */
export interface TimedRow {
  /** The method. */
  readonly method: string;
  /** The density that it was asked for. */
  readonly density_requested: number;
  /** The density that it reached. */
  readonly density: number;
  /** The input, and its head. */
  readonly input: string;
  readonly head: string;
  /** Milliseconds; null if no kernel ran. */
  readonly gpu_ms_median: number | null;
}

/** A time, and how far it may be off. */
export interface PooledTime {
  /** Milliseconds. */
  readonly ms: number;
  /** Half the width of the 95 % interval of the time's logarithm. */
  readonly noise: number;
}

const CONFIDENCE = 0.95;
/** Sweeps of the median polish; it stands still after two or three. */
const SWEEPS = 4;

/**
 * The time of every row: its density times the milliseconds per density of its method at the density asked for. These
 * are medians over all heads, after each head's own slowness, which it has in all methods, has been taken out (a median
 * polish of the logarithms).
 *
 * @param rows rows of heads that have the same sizes and order
 * @returns times of the rows that have one
 *
 * @example
 * ```ts
 * import { pooledTimes } from "./times.ts";
 * const row = { method: "psa", density_requested: 0.2, density: 0.2, input: "a", head: "0", gpu_ms_median: 4 };
 * const other = { ...row, head: "1", gpu_ms_median: 6 };
 * console.log(pooledTimes([row, other]).get(row)!.ms.toFixed(2)); // 4.90
 * ```
 */
export function pooledTimes<Row extends TimedRow>(rows: readonly Row[]): Map<Row, PooledTime> {
  const timed = rows.filter(({ gpu_ms_median, density }) => gpu_ms_median !== null && density > 0);
  const cells = Map.groupBy(timed, ({ method, density_requested }) => `${method} ${density_requested}`);
  const heads = Map.groupBy(timed, ({ input, head }) => JSON.stringify([input, head]));
  const rest = new Map(timed.map((row) => [row, Math.log(row.gpu_ms_median! / row.density)]));
  const rate = new Map(timed.map((row) => [row, 0]));
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const own of heads.values()) shift(own, rest);
    for (const own of cells.values()) {
      const moved = shift(own, rest);
      own.forEach((row) => rate.set(row, rate.get(row)! + moved));
    }
  }
  const level = centre(
    [...heads.values()].map((own) =>
      centre(own.map((row) => Math.log(row.gpu_ms_median! / row.density) - rest.get(row)! - rate.get(row)!))
    ),
  );
  const noises = new Map([...cells].map(([name, own]) => [name, noiseOf(own.map((row) => rest.get(row)!))]));
  return new Map(timed.map((row) => [row, {
    ms: row.density * Math.exp(level + rate.get(row)!),
    noise: noises.get(`${row.method} ${row.density_requested}`)!,
  }]));
}

/** Takes the median out of the rows' numbers, and gives it. */
function shift<Row>(rows: readonly Row[], rest: Map<Row, number>): number {
  const median = centre(rows.map((row) => rest.get(row)!));
  rows.forEach((row) => rest.set(row, rest.get(row)! - median));
  return median;
}

function centre(values: readonly number[]): number {
  return values.length === 0 ? 0 : quantile(values.toSorted((a, b) => a - b), 0.5);
}

/** Half the width of the interval of the median of numbers around 0. */
function noiseOf(values: readonly number[]): number {
  const { low, high } = estimateMedian(values, CONFIDENCE);
  return (high - low) / 2;
}
