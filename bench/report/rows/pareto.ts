/**
 * Pareto fronts: which points are not beaten in both error and cost, where differences within noise are none.
 *
 * @module
 */
import { type Interval, isBelow } from "./noise.ts";

/** A point that may be on the front; smaller is better in both. */
export interface Candidate {
  readonly cost: Interval;
  readonly error: Interval;
}

/**
 * For each point whether it is on the front: no other point is better in one of the two beyond noise, and not worse in
 * the other beyond noise.
 *
 * @param points cost and error with their intervals
 *
 * @example
 * ```ts
 * import { paretoFront } from "./pareto.ts";
 * const exact = (value: number) => ({ low: value, value, high: value });
 * const points = [[1, 3], [2, 2], [3, 3]].map(([cost, error]) => ({ cost: exact(cost), error: exact(error) }));
 * console.log(paretoFront(points)); // [true, true, false]
 * ```
 */
export function paretoFront(points: readonly Candidate[]): boolean[] {
  return points.map((point) => !points.some((other) => beats(other, point)));
}

function beats(a: Candidate, b: Candidate): boolean {
  const worse = isBelow(b.cost, a.cost) || isBelow(b.error, a.error);
  return !worse && (isBelow(a.cost, b.cost) || isBelow(a.error, b.error));
}
