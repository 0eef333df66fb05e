/**
 * How methods turn scores into levels: ranked budgets, thresholds that are bisected, and what choosing costs.
 *
 * @module
 */
import { BINARY_SHARES, levelsForDensity, requireDensity } from "../levels/budget.ts";
import { type CausalBlocks, causalBlocks } from "../levels/causal.ts";
import type { ImportanceConfig, Shares } from "../config/config.ts";
import { sortedBlocks } from "../levels/assign.ts";
import { levelDensity } from "../levels/density.ts";
import type { Tensor } from "../tensor.ts";
import { droppedMass } from "../judge/mass.ts";
import type { BlockSelection, MethodInputs, Selection, SelectionStatus } from "./method.ts";

/** Halvings of an interval in a search for a threshold. */
const HALVINGS = 40;

/**
 * A selection of levels and its density.
 *
 * @param inputs the call that the levels are for
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param status whether the density was kept; default `ok`
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { selectionOf } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 16, blockN: 16 });
 * console.log(selectionOf(inputs, tensor(new Int32Array([1, 0, 0, 1]), [1, 1, 2, 2])).density); // 0.5
 * ```
 */
export function selectionOf(
  { causal, sizes }: MethodInputs,
  levels: Tensor<Int32Array>,
  status: SelectionStatus = "ok",
): BlockSelection {
  return { status, levels, density: levelDensity(levels, { causal, ...sizes }) };
}

/**
 * The true softmax mass of the pairs for which a selection has no token, as a mean over queries and heads.
 *
 * @param inputs the call
 * @param selection what a method chose for it
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { selectionDroppedMass, selectionOf } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const selection = selectionOf(inputs, tensor(new Int32Array([1, 0]), [1, 1, 1, 2]));
 * console.log(selectionDroppedMass(inputs, selection)); // 0.5
 * ```
 */
export function selectionDroppedMass({ sizes, causal, mass }: MethodInputs, selection: Selection): number {
  if ("droppedMass" in selection) return selection.droppedMass;
  return droppedMass(selection.represented ?? selection.levels, mass(), { causal, ...sizes });
}

/**
 * A ranked budget: the best blocks of every row, a mean of density * key blocks of them, at least one. With other
 * shares than the default, several levels.
 *
 * @param inputs the call
 * @param importance [batch, heads, query blocks, key blocks]
 * @param density the mean of 1 / level to spend
 * @param shares share of the density that each level gets; default all of it to level 1
 * @throws {InputError} if the density is outside (0, 1]
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { ranked } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * console.log(ranked(inputs, tensor(new Float64Array([0.4, 0.6]), [1, 1, 1, 2]), 0.5).levels.data); // [0, 1]
 * ```
 */
export function ranked(
  inputs: MethodInputs,
  importance: Tensor,
  density: number,
  shares: Shares = BINARY_SHARES,
): BlockSelection {
  const { causal, sizes } = inputs;
  return selectionOf(inputs, levelsForDensity(importance, density, { shares, causal, ...sizes }));
}

/** What {@link bisected} searches. */
export interface BisectOptions {
  /** The greatest value of the parameter; the search runs from 0 to it. */
  readonly most: number;
  /** Levels [query blocks, key blocks] of a head at a value of the parameter; density does not fall as it grows. */
  readonly levelsAt: (parameter: number, batchHead: number) => Int32Array;
}

/**
 * A threshold budget: one parameter a head, bisected to the largest value whose density stays at or under the one
 * that was asked for. If not even 0 does, that head gets its levels at 0 and the status is `unreachable`.
 *
 * @param inputs the call
 * @param density the mean of 1 / level to stay under
 * @param options the parameter
 * @throws {InputError} if the density is outside (0, 1]
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { bisected } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const levelsAt = (p: number) => Int32Array.of(p > 0.3 ? 1 : 0, p > 0.7 ? 1 : 0);
 * console.log(bisected(inputs, 0.5, { most: 1, levelsAt }).levels.data); // [1, 0]
 * ```
 */
export function bisected(
  inputs: MethodInputs,
  density: number,
  { most, levelsAt }: BisectOptions,
): BlockSelection {
  requireDensity(density);
  const shape = levelShape(inputs), size = shape[2] * shape[3];
  const data = new Int32Array(shape[0] * shape[1] * size);
  let status: SelectionStatus = "ok";
  for (let head = 0; head < shape[0] * shape[1]; head++) {
    const fits = (parameter: number) => {
      const levels = { data: levelsAt(parameter, head), shape: [1, 1, shape[2], shape[3]] };
      return selectionOf(inputs, levels).density <= density;
    };
    const parameter = largestThatFits(fits, most);
    if (parameter === null) status = "unreachable";
    data.set(levelsAt(parameter ?? 0, head), head * size);
  }
  return selectionOf(inputs, { data, shape }, status);
}

/** The largest value in [0, most] that fits, after 40 halvings; null if 0 does not. */
function largestThatFits(fits: (value: number) => boolean, most: number): number | null {
  if (fits(most)) return most;
  if (!fits(0)) return null;
  let low = 0, high = most;
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * A threshold budget of a binary mask in which every block has an entry, the parameter from which on it is taken:
 * -Infinity for one that is forced, Infinity for one that cannot be seen.
 *
 * @param inputs the call
 * @param density the share of blocks to stay under
 * @param options the entries [batch, heads, query blocks, key blocks], and whether an entry takes part at its very value
 * @throws {InputError} if the density is outside (0, 1]
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { bisectedEntries } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const entries = tensor(new Float64Array([0.7, 0.3]), [1, 1, 1, 2]);
 * console.log(bisectedEntries(inputs, 0.5, { entries, inclusive: true }).levels.data); // [0, 1]
 * ```
 */
export function bisectedEntries(
  inputs: MethodInputs,
  density: number,
  { entries, inclusive }: { readonly entries: Tensor<Float64Array>; readonly inclusive: boolean },
): BlockSelection {
  const [, , rows, columns] = entries.shape, size = rows * columns;
  const levelsAt = (parameter: number, head: number) =>
    Int32Array.from(
      entries.data.subarray(head * size, (head + 1) * size),
      (entry) => entry < parameter || (inclusive && entry === parameter) ? 1 : 0,
    );
  return bisected(inputs, density, { most: 1, levelsAt });
}

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
 * Entries for {@link bisectedEntries}, row by row. Causal rows take key block 0 and the diagonal first, and do not see
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
 * import { massEntries } from "./select.ts";
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

/**
 * The shape of levels: [batch, heads, query blocks, key blocks].
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { levelShape } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(40 * 8), [1, 1, 40, 8]);
 * console.log(levelShape(methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 }))); // [1, 1, 2, 3]
 * ```
 */
export function levelShape({ qkv: { q }, sizes: { blockM, blockN, seqQ, seqK } }: MethodInputs): number[] {
  return [q.shape[0], q.shape[1], Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)];
}

/**
 * What it costs to score blocks, over 4 Lq Lk D: the products of queries and keys alone are half of dense attention.
 *
 * @param config the importance
 * @param sizes block sizes
 *
 * @example
 * ```ts
 * import { importanceCost } from "./select.ts";
 * console.log(importanceCost({ kind: "sampled", seed: 0 }, { blockM: 64, blockN: 64 })); // 0.03125
 * ```
 */
export function importanceCost(
  config: ImportanceConfig,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
): number {
  switch (config.kind) {
    case "sampled":
      return 1 / 32;
    case "full":
      return 1 / 2;
    case "antidiagonal":
      return 1 / (2 * config.stride);
    case "pooled":
      return 1 / (2 * blockM * blockN);
  }
}
