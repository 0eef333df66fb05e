/**
 * The softmax mass of dense attention by blocks, and the mass that levels drop.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import { causalBlocks, type CausalSizes, requireBlockCounts } from "../levels/causal.ts";
import { requireInput } from "../errors.ts";
import type { BlockOptions } from "../importance/importance.ts";
import { evenUp, interleaveRows, multiplyRows, ROWS, softmaxRow } from "../attention/rows.ts";
import { eachHead, type HeadTokens, type QueryKey, requireQueryKey } from "../importance/scores.ts";
import type { Tensor } from "../tensor.ts";

/** Options of {@link blockMass}. */
export interface MassOptions extends BlockOptions {
  /** Whether a query sees only keys up to its own position, aligned bottom-right; default false. */
  readonly causal?: boolean;
}

/**
 * The true mass of every pair of blocks: the sum of the dense softmax over the keys of the key block, as a mean over
 * the queries of the query block. It takes the scores of all pairs, but never holds more than a few rows of them.
 *
 * @param qk queries and keys
 * @param options block sizes, `scale` (default 1 / sqrt(head dimension)) and causal
 * @returns [batch, heads, query blocks, key blocks]; rows sum to 1, or to less where queries see no key
 * @throws {InputError} if tensors disagree or a block is not a positive integer
 *
 * @example
 * ```ts
 * import { blockMass } from "./mass.ts";
 * import { tensor } from "../tensor.ts";
 * const q = tensor(new Float64Array(8), [1, 1, 4, 2]);
 * console.log(blockMass({ q, k: q }, { blockM: 4, blockN: 2 }).data); // [0.5, 0.5]: all keys weigh the same
 * ```
 */
export function blockMass(
  qk: QueryKey,
  { blockM, blockN, scale, causal }: MassOptions,
): Tensor<Float64Array> {
  requireQueryKey(qk, { blockM, blockN });
  return massOfChecked(qk, { blockM, blockN, scale, causal });
}

/** {@link blockMass} of inputs that have been checked. */
export function massOfChecked(
  qk: QueryKey,
  { blockM, blockN, scale, causal = false }: MassOptions,
): Tensor<Float64Array> {
  return eachHead(qk, { blockM, blockN }, (q, k, { row }) => {
    const seqQ = q.shape[2], seqK = k.shape[2];
    const visit = (first: number, weights: Float64Array) => {
      for (let r = 0; r < Math.min(ROWS, seqQ - first); r++) {
        const m = Math.floor((first + r) / blockM), rows = Math.min(blockM, seqQ - m * blockM);
        const masses = row(m);
        for (let j = 0; j < seqK; j++) masses[Math.floor(j / blockN)] += weights[j * ROWS + r] / rows;
      }
    };
    forEachWeightRows(q, k, { scale, causal, visit });
  });
}

/** Options of {@link forEachWeightRows}. */
export interface WeightOptions {
  /** Factor on q . k; default 1 / sqrt(head dimension). */
  readonly scale?: number;
  /** Whether a query sees only keys up to its own position, aligned bottom-right. */
  readonly causal: boolean;
  /**
   * Receives the index of the first of four queries, their weights, [keys][4], and their log-sum-exps; rows past the
   * end mean nothing.
   */
  readonly visit: (first: number, weights: Float64Array, lse: readonly number[]) => void;
}

/**
 * Calls `visit` with the softmax of dense attention, four queries at a time.
 *
 * @param q the queries of one head
 * @param k its keys
 * @param options scale, causal, and what receives the weights
 */
export function forEachWeightRows(
  q: HeadTokens,
  k: HeadTokens,
  { scale, causal, visit }: WeightOptions,
): void {
  const [, , seqQ, dim] = q.shape, seqK = k.shape[2], factor = scale ?? defaultScale(dim);
  const keys = new Float64Array(evenUp(seqK) * dim), weights = new Float64Array(evenUp(seqK) * ROWS);
  const logCounts = new Float64Array(seqK);
  keys.set(k.data);
  for (let first = 0; first < seqQ; first += ROWS) {
    const rows = interleaveRows(q.data, { first, end: seqQ, dim, factor });
    multiplyRows(rows, keys, { inner: dim, stride: dim, count: seqK, out: weights });
    const lse = Array.from({ length: ROWS }, (_, r) => {
      const seen = causal ? Math.max(0, Math.min(seqK, first + r + seqK - seqQ + 1)) : seqK;
      return softmaxRow(weights, r, { visible: seen, until: seqK, logCounts });
    });
    visit(first, weights, lse);
  }
}

/** Options of {@link droppedMass}. */
export interface DroppedOptions extends CausalSizes {
  /** Whether a query sees only keys up to its own position; default false. */
  readonly causal?: boolean;
}

/**
 * The share of the true softmax mass that levels drop: that of pairs which no token represents, pooled or not, as
 * a mean over queries and heads.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param mass the result of {@link blockMass} for the same blocks
 * @param options block sizes, sequence lengths and causal
 * @throws {InputError} if shapes do not fit, or a block on the diagonal is pooled: there, a pooled token hides some pairs
 * of the block and not others, and the mass of the block does not tell them apart
 *
 * @example
 * ```ts
 * import { droppedMass } from "./mass.ts";
 * import { tensor } from "../tensor.ts";
 * const levels = tensor(new Int32Array([1, 2, 0]), [1, 1, 1, 3]);
 * const mass = tensor(new Float64Array([0.5, 0.25, 0.25]), [1, 1, 1, 3]);
 * const sizes = { blockM: 4, blockN: 4, seqQ: 4, seqK: 12 };
 * console.log(droppedMass(levels, mass, sizes)); // 0.25
 * ```
 */
export function droppedMass(
  levels: Tensor<Int32Array>,
  mass: Tensor<Float64Array>,
  { causal = false, ...sizes }: DroppedOptions,
): number {
  requireBlockCounts("levels", levels, sizes);
  requireBlockCounts("mass", mass, sizes);
  requireInput(
    levels.data.length === mass.data.length,
    () => `\`mass\` has shape [${mass.shape}]; it should be that of \`levels\`, [${levels.shape}].`,
  );
  const [batch, heads, rows, columns] = levels.shape, { blockM, seqQ } = sizes;
  const isDiagonal = causal ? causalBlocks(sizes).isDiagonal : () => false;
  let dropped = 0;
  for (let at = 0; at < levels.data.length; at++) {
    const m = Math.floor(at / columns) % rows, level = levels.data[at];
    requireInput(
      level <= 1 || !isDiagonal(m, at % columns),
      () => `\`levels\` holds ${level} in a block that the diagonal crosses; it should hold 0 or 1 there.`,
    );
    if (level === 0) dropped += mass.data[at] * Math.min(blockM, seqQ - m * blockM);
  }
  return dropped / (batch * heads * seqQ);
}

/**
 * How evenly softmax mass is spread over key blocks: the entropy of a query block's row, divided by that of equal shares of the
 * blocks with mass, as a mean over query blocks. 0: one block has all mass; 1: all blocks have the same mass.
 *
 * @param mass the result of {@link blockMass}
 *
 * @example
 * ```ts
 * import { massEntropy } from "./mass.ts";
 * import { tensor } from "../tensor.ts";
 * console.log(massEntropy(tensor(new Float64Array([0.5, 0.5, 1, 0]), [1, 1, 2, 2]))); // 0.5
 * ```
 */
export function massEntropy({ data, shape }: Tensor<Float64Array>): number {
  const columns = shape[3], rows = data.length / columns;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    const own = data.subarray(row * columns, (row + 1) * columns), total = own.reduce((a, b) => a + b, 0);
    const seen = own.reduce((count, share) => count + (share > 0 ? 1 : 0), 0);
    if (seen < 2) continue;
    sum -= own.reduce((all, share) => share > 0 ? all + share / total * Math.log(share / total) : all, 0) /
      Math.log(seen);
  }
  return sum / rows;
}
