/**
 * Times of methods, from times of single heads: heads of one kind of input have the same sizes, so that a kernel's time
 * differs between them by the density reached and by the noise of the machine, and by nothing else.
 *
 * @module
 */
import { studentQuantile } from "../../reference/judge/sampled_rows.ts";
import { medianOf } from "../timing/statistics.ts";

/** One timed row: a method at a density on a head. */
export interface TimedRow {
  /** The method. */
  readonly method: string;
  /** The density that it reached. */
  readonly density: number;
  /** The input, and its head. */
  readonly input: string;
  readonly head: string;
  /** Milliseconds; null if no kernel ran. */
  readonly gpu_ms_median: number | null;
}

/** A time, and what it would be without one of the heads. */
export interface PooledTime {
  /** Milliseconds. */
  readonly ms: number;
  /** Milliseconds with one head after the other left out; NaN if no other head has the method. */
  readonly without: readonly number[];
}

/**
 * Methods that read a block in full or not at all, of the order's own blocks. They differ in what they choose, but run
 * one kernel on lists of one kind, so that one line tells the times of them all.
 *
 * @example
 * ```ts
 * import { MASKS } from "./times.ts";
 * console.log(MASKS.has("block-topk"), MASKS.has("psa")); // true false
 * ```
 */
export const MASKS: ReadonlySet<string> = new Set([
  "block-topk",
  "pooled-topk",
  "xattention",
  "spargeattn",
  "rectified",
  "random",
  "mass-topk",
]);

/** Rounds in which lines and heads' slowness are fitted in turn; they converge after three or four. */
const ROUNDS = 5, STEPS = 12;
/** Relative distance from a line up to which a time has its full weight; further ones count by their sign alone. */
const NEAR = 0.05;

/** A timed row as it is fitted. */
interface Point {
  readonly family: string;
  readonly head: string;
  readonly density: number;
  readonly ms: number;
}

/** Milliseconds at density 0, and per density. */
interface Line {
  readonly base: number;
  readonly rate: number;
}

/**
 * The time of every row, read from a line: the milliseconds of a kernel are a constant plus so many per density, the
 * same on all heads but for each head's own slowness, which it has in all methods alike and which is taken out. The
 * methods of {@link MASKS} share a line, every other method has its own. Lines are of least absolute deviations, so
 * that slow outliers bend them little. How far times may be off is told by leaving out one head after the other (a
 * jackknife): see {@link ratioNoise}.
 *
 * @param rows rows of heads that have the same sizes and order
 * @returns times of the rows that have one
 *
 * @example
 * ```ts
 * import { pooledTimes } from "./times.ts";
 * const row = { method: "psa", density: 0.2, input: "a", head: "0", gpu_ms_median: 4 };
 * const other = { ...row, head: "1", gpu_ms_median: 6 };
 * console.log(pooledTimes([row, other]).get(row)!.ms.toFixed(2)); // 4.90
 * ```
 */
export function pooledTimes<Row extends TimedRow>(rows: readonly Row[]): Map<Row, PooledTime> {
  const points = new Map(rows.flatMap((row) => {
    const { method, density, input, head, gpu_ms_median: ms } = row;
    if (ms === null || ms <= 0 || density <= 0) return [];
    const family = MASKS.has(method) ? "masks" : method;
    return [[row, { family, head: JSON.stringify([input, head]), density, ms }]] as const;
  }));
  const all = [...points.values()], fit = linesOf(all);
  const without = [...new Set(all.map(({ head }) => head))]
    .map((head) => linesOf(all.filter((point) => point.head !== head)));
  return new Map([...points].map(([row, { family, density }]) => {
    const at = (lines: ReadonlyMap<string, Line>) => {
      const line = lines.get(family);
      return line ? timeAt(line, density) : NaN;
    };
    return [row, { ms: at(fit), without: without.map(at) }];
  }));
}

/**
 * How far the ratio of two times may be off: what is wrong with both alike, such as how slow the machine was, does not
 * count.
 *
 * @param a a time
 * @param b another one of the same heads
 * @returns half the width of the 95 % interval of the logarithm of their ratio; infinite if it is not known
 *
 * @example
 * ```ts
 * import { ratioNoise } from "./times.ts";
 * const [a, b] = [{ ms: 2, without: [2, 2.2, 1.8] }, { ms: 1, without: [1, 1.1, 0.9] }];
 * console.log(ratioNoise(a, b) < 1e-9, ratioNoise(a, { ms: 1, without: [1, 1, 1] }) > 0.1); // true true
 * ```
 */
export function ratioNoise(a: PooledTime, b: PooledTime): number {
  const values = a.without.map((ms, i) => Math.log(ms / b.without[i])), n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const noise = n < 2 ? Infinity : studentQuantile(n - 1) * Math.sqrt(squares * (n - 1) / n);
  return Number.isNaN(noise) ? Infinity : noise;
}

/** A line for every family, on a head of usual slowness. */
function linesOf(points: readonly Point[]): Map<string, Line> {
  const families = Map.groupBy(points, ({ family }) => family),
    heads = Map.groupBy(points, ({ head }) => head);
  const slowness = new Map([...heads.keys()].map((head) => [head, 0]));
  let lines = new Map<string, Line>();
  for (let round = 0; round < ROUNDS; round++) {
    lines = new Map([...families].map(([family, own]) => [
      family,
      lineThrough(own.map(({ density, head, ms }) => [density, ms / Math.exp(slowness.get(head)!)])),
    ]));
    for (const [head, own] of heads) {
      slowness.set(
        head,
        centre(own.map((each) => Math.log(each.ms / timeAt(lines.get(each.family)!, each.density)))),
      );
    }
    const usual = centre([...slowness.values()]);
    slowness.forEach((value, head) => slowness.set(head, value - usual));
  }
  return lines;
}

/** The line of least absolute relative deviations, by weights that are found again and again. */
function lineThrough(points: readonly (readonly [density: number, ms: number])[]): Line {
  const densities = points.map(([density]) => density), through = centre(points.map(([x, ms]) => ms / x));
  let line: Line = { base: 0, rate: through };
  if (Math.max(...densities) < 1.1 * Math.min(...densities)) return line;
  for (let step = 0; step < STEPS; step++) {
    let [s, sx, sxx, sy, sxy] = [0, 0, 0, 0, 0];
    for (const [x, ms] of points) {
      const time = timeAt(line, x), weight = 1 / (time ** 2 * Math.max(NEAR, Math.abs(ms / time - 1)));
      s += weight;
      sx += weight * x;
      sxx += weight * x * x;
      sy += weight * ms;
      sxy += weight * x * ms;
    }
    const rate = (s * sxy - sx * sy) / (s * sxx - sx * sx), base = (sy - rate * sx) / s;
    line = rate > 0 && base > 0 ? { base, rate } : { base: 0, rate: through };
    if (line.base === 0) break;
  }
  return line;
}

function timeAt({ base, rate }: Line, density: number): number {
  return base + rate * density;
}

function centre(values: readonly number[]): number {
  return values.length === 0 ? 0 : medianOf(values);
}
