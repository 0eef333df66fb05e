/**
 * The factor on products of queries and keys.
 *
 * @module
 */

/** The factor on q . k of calls that give none: 1 / sqrt(head dimension). */
export function defaultScale(headDim: number): number {
  return 1 / Math.sqrt(headDim);
}
