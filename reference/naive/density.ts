/**
 * The density of levels as plain loops that read like docs/definition.md#density.
 *
 * @module
 */
import type { CausalSizes } from "../levels/causal.ts";
import type { Tensor } from "../tensor.ts";

/**
 * The same as `levelDensity`, in plain loops.
 *
 * @param levels [B, H, M, N]
 * @param sizes if causal, block sizes and sequence lengths; left out: nothing is in the future
 *
 * @example
 * ```ts
 * import { naiveDensity } from "./density.ts";
 * const levels = { data: new Int32Array([1, 2, 4, 0]), shape: [1, 1, 2, 2] };
 * console.log(naiveDensity(levels)); // 0.4375
 * ```
 */
export function naiveDensity({ data, shape: [, , M, N] }: Tensor<Int32Array>, sizes?: CausalSizes): number {
  let cost = 0, pairs = 0;
  data.forEach((r, at) => {
    if (sizes !== undefined && isFuture(Math.floor(at / N) % M, at % N, sizes)) return;
    cost += r > 0 ? 1 / r : 0;
    pairs++;
  });
  return cost / pairs;
}

/** Whether key block j is entirely after the last query of block m. */
function isFuture(m: number, j: number, { blockM, blockN, seqQ, seqK }: CausalSizes): boolean {
  const lastQuery = Math.min((m + 1) * blockM, seqQ) - 1;
  return j * blockN > lastQuery + seqK - seqQ;
}
