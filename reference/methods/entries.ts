/**
 * Cumulative mass: the parameter from which on a threshold takes each block of a row.
 *
 * @module
 */
import { sortedBlocks } from "../levels/assign.ts";
import { type CausalBlocks, causalBlocks } from "../levels/causal.ts";
import type { Tensor } from "../tensor.ts";
import type { MethodInputs } from "./method.ts";

/** A row of importance as a threshold goes through it. */
interface RowOrder {
  /** Its scores. */
  readonly scores: Float64Array;
  /** Blocks that are taken whatever the threshold. */
  readonly forced: readonly number[];
  /** The others that can be seen, by descending score. */
  readonly others: readonly number[];
}

/**
 * Entries for `bisectedEntries`, row by row. Causal rows take key block 0 and the diagonal first, and do not see
 * the future.
 *
 * @param inputs the call
 * @param importance [batch, heads, query blocks, key blocks]
 * @param entryOf given the sum of the scores of the blocks taken so far over the row's sum, forced ones included, and
 * the same with this block, its entry
 * @returns the entries, of the same shape
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { massEntries } from "./entries.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const importance = tensor(new Float64Array([0.25, 0.75]), [1, 1, 1, 2]);
 * console.log(massEntries(inputs, importance, (before) => before).data); // [0.75, 0]
 * ```
 */
export function massEntries(
  inputs: MethodInputs,
  importance: Tensor<Float64Array>,
  entryOf: (before: number, after: number) => number,
): Tensor<Float64Array> {
  const [, , rows, columns] = importance.shape;
  const entries = new Float64Array(importance.data.length).fill(Infinity);
  const blocks = inputs.causal ? causalBlocks(inputs.sizes) : null;
  for (let row = 0; row * columns < entries.length; row++) {
    const at = row * columns;
    const { scores, forced, others } = rowOrder(
      importance.data.subarray(at, at + columns),
      row % rows,
      blocks,
    );
    const total = [...forced, ...others].reduce((sum, j) => sum + scores[j], 0);
    let taken = forced.reduce((sum, j) => sum + scores[j], 0);
    for (const j of forced) entries[at + j] = -Infinity;
    for (const j of others) entries[at + j] = entryOf(taken / total, (taken += scores[j]) / total);
  }
  return { data: entries, shape: importance.shape };
}

/** The blocks that a row sees: forced ones, and the others by descending score. */
function rowOrder(scores: Float64Array, m: number, blocks: CausalBlocks | null): RowOrder {
  const order = sortedBlocks(scores);
  if (blocks === null) return { scores, forced: [], others: order };
  const seen = order.filter((j) => !blocks.isFuture(m, j));
  const isForced = (j: number) => j === 0 || blocks.isDiagonal(m, j);
  return { scores, forced: seen.filter(isForced), others: seen.filter((j) => !isForced(j)) };
}
