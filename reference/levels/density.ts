/**
 * The density of levels (docs/definition.md#density).
 *
 * @module
 */
import { causalBlocks, type CausalSizes, requireBlockCounts } from "./causal.ts";
import type { Tensor } from "../tensor.ts";

/**
 * Density: the mean of 1 / level over all pairs of blocks, 0 for skipped ones; if causal, over the pairs that are
 * not entirely in the future (docs/definition.md#density). Sparsity is 1 - density.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param options if causal, the sizes that place the blocks
 * @throws {InputError} if causal and a size is missing, or sizes do not fit the levels
 *
 * @example
 * ```ts
 * import { levelDensity } from "./density.ts";
 * import { tensor } from "../tensor.ts";
 * console.log(levelDensity(tensor(new Int32Array([1, 2, 4, 0]), [1, 1, 2, 2]))); // 0.4375
 * ```
 */
export function levelDensity(
  levels: Tensor<Int32Array>,
  { causal = false, ...sizes }: { readonly causal?: boolean } & Partial<CausalSizes> = {},
): number {
  requireBlockCounts("levels", levels, sizes);
  return meanDensity(levels, { causal, ...sizes });
}

/** {@link levelDensity} of levels that have been checked. */
export function meanDensity(
  levels: Tensor<Int32Array>,
  { causal, ...sizes }: { readonly causal?: boolean } & Partial<CausalSizes>,
): number {
  const { data, shape: [, , rows, columns] } = levels;
  const isFuture = causal ? causalBlocks(sizes).isFuture : () => false;
  let sum = 0, counted = 0;
  for (let at = 0; at < data.length; at++) {
    if (isFuture(Math.floor(at / columns) % rows, at % columns)) continue;
    if (data[at] > 0) sum += 1 / data[at];
    counted++;
  }
  return sum / counted;
}
