/**
 * The difference between attention over chosen keys and over all keys: dropped mass, and the loss that SSA trains with.
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { requireTensor, type Tensor } from "../tensor.ts";

/**
 * The true softmax mass of the keys that were left out, as a mean over queries and heads, from log-sum-exps: what is
 * kept of a row's mass is exp(sparse - dense).
 *
 * @param sparse log-sum-exp over the chosen keys, [batch, heads, query tokens]
 * @param dense log-sum-exp over all keys that a query may see, the same shape
 * @throws {InputError} if shapes differ
 *
 * @example
 * ```ts
 * import { droppedOfLse } from "./loss.ts";
 * import { tensor } from "../tensor.ts";
 * const of = (x: number) => tensor(new Float64Array([Math.log(x)]), [1, 1, 1]);
 * console.log(droppedOfLse(of(3), of(4)).toFixed(2)); // 0.25
 * ```
 */
export function droppedOfLse(sparse: Tensor<Float64Array>, dense: Tensor<Float64Array>): number {
  requireTensor("sparse", sparse);
  requireTensor("dense", dense);
  requireInput(
    sparse.data.length === dense.data.length,
    () => `\`sparse\` has shape [${sparse.shape}]; it should be that of \`dense\`, [${dense.shape}].`,
  );
  let dropped = 0;
  for (let row = 0; row < dense.data.length; row++) {
    if (dense.data[row] === -Infinity) continue; // a query that may see nothing loses nothing
    dropped += Math.max(0, -Math.expm1(sparse.data[row] - dense.data[row]));
  }
  return dropped / dense.data.length;
}

/**
 * SSA's alignment loss: SmoothL1 of the full output against the sparse one, the mean over all numbers of x^2 / 2 where
 * |x| is below 1, else of |x| - 1/2.
 *
 * @param full the output over all keys
 * @param sparse the output over chosen keys, of the same shape
 * @throws {InputError} if shapes differ
 *
 * @example
 * ```ts
 * import { alignmentLoss } from "./loss.ts";
 * import { tensor } from "../tensor.ts";
 * const of = (...values: number[]) => tensor(new Float64Array(values), [1, 1, 1, 2]);
 * console.log(alignmentLoss(of(0, 0), of(1, 3))); // 1.5: the mean of .5 and 2.5
 * ```
 */
export function alignmentLoss(full: Tensor, sparse: Tensor): number {
  requireTensor("full", full);
  requireTensor("sparse", sparse);
  requireInput(
    `${full.shape}` === `${sparse.shape}`,
    () => `\`sparse\` has shape [${sparse.shape}]; it should be that of \`full\`, [${full.shape}].`,
  );
  let sum = 0;
  for (let at = 0; at < full.data.length; at++) sum += smoothL1(full.data[at] - sparse.data[at]);
  return sum / full.data.length;
}

/** x^2 / 2 where |x| is below 1, else |x| - 1/2. */
export function smoothL1(x: number): number {
  const size = Math.abs(x);
  return size < 1 ? size * size / 2 : size - 0.5;
}
