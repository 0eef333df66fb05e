/**
 * Pareto fronts: which points are not beaten in both of two costs.
 *
 * @module
 */

/**
 * For each point whether it is on the front: no other point is at most as large in both coordinates and smaller
 * in one.
 *
 * @param points pairs [cost, error]; smaller is better in both
 *
 * @example
 * ```ts
 * import { paretoFront } from "./pareto.ts";
 * console.log(paretoFront([[1, 3], [2, 2], [3, 3]])); // [true, true, false]
 * ```
 */
export function paretoFront(points: readonly (readonly [cost: number, error: number])[]): boolean[] {
  const beats = (a: readonly [number, number], b: readonly [number, number]) =>
    a[0] <= b[0] && a[1] <= b[1] && (a[0] < b[0] || a[1] < b[1]);
  return points.map((point) => !points.some((other) => beats(other, point)));
}
