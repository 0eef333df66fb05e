/**
 * What roundings may do to importance on the device.
 *
 * @module
 */
import type { StageCase } from "./stage_case.ts";

/**
 * How far a weight exp(score) may be off, as a fraction of it: exp turns an absolute error of the score into a
 * relative one of the weight. In float32 a score is a sum of D products of numbers up to 2 in any order, times the
 * scale. In float16 it is two sums of D / 2 products each, in half precision for up to 64 steps: every step rounds a
 * partial sum of mean square 16/9 * steps / 2, which leaves u^2 / 3 of it, and a weight has two scores. Of these
 * independent errors the largest in a test is below 8 standard deviations.
 */
export function importanceRounding({ shape: { headDim }, config: { importance }, dtype }: StageCase): number {
  const parts = importance.kind === "antidiagonal" ? importance.stride : 1;
  const scale = 1 / (Math.sqrt(headDim) * parts), epsilon = 2 ** -24;
  const terms = headDim * parts;
  const single = epsilon * (2 * 4 * terms * scale * Math.sqrt(terms) + 64);
  if (dtype === "f32" || importance.kind === "pooled") return single;
  const partial = 4 / 3 * Math.sqrt(Math.min(64, terms / 2) / 2);
  return single + 8 * 2 ** -11 * partial * Math.sqrt(terms * 2 / 3) * scale;
}
