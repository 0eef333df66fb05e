/**
 * Bounds on the norm of many errors: the more of them are independent, the tighter.
 *
 * @module
 */

/** The probability that a right kernel is called wrong for one of the bounds of a tensor, or for all parts of a kind. */
export const FAILURE = 1e-6 / 3;

/** The most groups that are taken to be independent: numbers on a coarse grid may be rounded alike. */
const GROUPS = 64;
/** Steps of the search for the best exponent; every exponent gives a bound. */
const STEPS = 40;

/**
 * A bound on the norm of a vector of errors that fails with a small probability. A part is a list of groups, each the
 * variance that it adds to the squared norm. Groups of a part are independent of each other; within a group, and
 * between parts, errors may be correlated in any way.
 *
 * E exp(x |e|^2) is at most the product of (1 - 2 x w)^(-1/2) over the groups w, if errors are sub-Gaussian. For several
 * parts, w are the sums of their largest groups, of their second largest, and so on: eigenvalues of a sum are
 * majorized by the sums of eigenvalues. Markov's inequality gives |e|^2 <= (sum of -ln(1 - 2 x w) / 2 + ln(1 / p)) / x.
 *
 * @param parts groups of each part
 * @param failure the probability p that a right kernel is beyond the bound
 *
 * @example
 * ```ts
 * import { normBound } from "./concentration.ts";
 * console.log(normBound([[1]], 1e-6 / 3).toFixed(2)); // 5.86
 * console.log(normBound([new Array(64).fill(1 / 64)], 1e-6 / 3).toFixed(2)); // 1.52
 * ```
 */
export function normBound(parts: readonly (readonly number[])[], failure: number): number {
  if (parts.some((groups) => groups.some(Number.isNaN))) return NaN; // not a part that is left out
  const sorted = parts.map((groups) => capped(groups.filter((w) => w > 0).sort((a, b) => b - a)));
  const count = Math.max(0, ...sorted.map((groups) => groups.length));
  const sums = Array.from(
    { length: count },
    (_, i) => sorted.reduce((sum, groups) => sum + (groups[i] ?? 0), 0),
  );
  if (count === 0) return 0;
  const most = sums[0];
  let bound = Infinity;
  for (let step = 1; step < STEPS; step++) {
    const x = (step / STEPS) / (2 * most);
    const logarithm = sums.reduce((sum, w) => sum - Math.log1p(-2 * x * w) / 2, 0);
    bound = Math.min(bound, (logarithm - Math.log(failure)) / x);
  }
  return Math.sqrt(bound);
}

/** How many standard deviations the largest of so many sub-Gaussian errors stays below (Hoeffding, union bound). */
export function extreme(count: number): number {
  return Math.sqrt(2 * Math.log(2 * count / FAILURE));
}

/** Groups in descending order, with those behind the 64th shared out among the 64. */
function capped(groups: readonly number[]): readonly number[] {
  if (groups.length <= GROUPS) return groups;
  const rest = groups.slice(GROUPS).reduce((sum, w) => sum + w, 0) / GROUPS;
  return groups.slice(0, GROUPS).map((w) => w + rest);
}

/** An element that may be rounded like others. */
export interface Alike {
  /** Numbers that are nearly the same where roundings are. */
  readonly print: Float64Array;
  /** The variance that it adds to the squared norm. */
  readonly weight: number;
}

/** Groups by similarity: an element joins the first near enough group of the first 64. */
export function groupAlike(
  all: readonly Alike[],
  near: (a: Float64Array, b: Float64Array) => boolean,
): number[] {
  const prints: Float64Array[] = [], weights: number[] = [];
  for (const { print, weight } of all) {
    const found = prints.findIndex((other) => near(other, print));
    if (found >= 0) weights[found] += weight;
    else {
      weights.push(weight);
      if (prints.length < GROUPS) prints.push(print);
    }
  }
  return weights;
}
