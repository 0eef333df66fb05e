/**
 * Attention over the pyramid in float64, and dense attention as its special case (docs/definition.md#attention).
 *
 * @module
 */
import { type Head, headOf } from "../heads.ts";
import type { AttentionShape, Qkv, Tensor } from "../tensor.ts";
import { type PyramidAttentionOptions, type PyramidCall, requireCall } from "./call.ts";
import { evenUp, interleaveRows, multiplyRows, ROWS, softmaxRow, transpose } from "./rows.ts";
import { headPyramid, type VisibleBlock, visibleBlock } from "./visible.ts";
export type { PyramidAttentionOptions } from "./call.ts";

/** Options of {@link denseAttention}. */
export type AttentionOptions = Pick<PyramidAttentionOptions, "scale" | "causal">;

/** The outputs of attention. */
export interface AttentionResult {
  /** Outputs, [batch, heads, query tokens, value dimension]; 0 in a row that sees nothing. */
  readonly out: Tensor<Float64Array>;
  /** Natural log-sum-exp of the logits, [batch, heads, query tokens]; -Infinity in a row that sees nothing. */
  readonly lse: Tensor<Float64Array>;
}

/** Outputs and log-sum-exps of a call, allocated and all 0: {@link AttentionResult} to be filled. */
export function emptyResult(
  { batch, heads, seqQ, valueDim }: Pick<AttentionShape, "batch" | "heads" | "seqQ" | "valueDim">,
): AttentionResult {
  return {
    out: { data: new Float64Array(batch * heads * seqQ * valueDim), shape: [batch, heads, seqQ, valueDim] },
    lse: { data: new Float64Array(batch * heads * seqQ), shape: [batch, heads, seqQ] },
  };
}

/** A range of the query blocks of one head, and the place of its rows in the results. */
export interface HeadRange {
  readonly firstBlock: number;
  readonly endBlock: number;
  /** The row that is written first, firstBlock * blockM. */
  readonly firstRow: number;
  readonly out: Float64Array;
  readonly lse: Float64Array;
}

/**
 * Attention of every query to the pooled tokens that its block's levels show it (docs/definition.md#attention):
 * s_t = scale * q . k_t + ln(count_t), out = sum of softmax(s)_t v_t, lse = ln sum exp(s_t).
 *
 * @param qkv queries, keys and values; grouped heads and another value dimension are allowed
 * @param levels int32 [batch, heads, query blocks, key blocks]: 0 (skipped) or a power of two that divides `blockN`
 * @param options block sizes, scale, causal, tail policy
 * @throws {InputError} if tensors disagree, or `levels` has the wrong shape or an entry that is not a level
 *
 * @example
 * ```ts
 * import { pyramidAttention } from "./attention.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8).map((_, i) => Math.sin(i)), [1, 1, 32, 8]);
 * const levels = tensor(new Int32Array([1, 4, 0, 1]), [1, 1, 2, 2]);
 * const { out, lse } = pyramidAttention({ q: x, k: x, v: x }, levels, { blockM: 16, blockN: 16 });
 * console.log(out.shape, lse.shape); // [1, 1, 32, 8] [1, 1, 32]
 * ```
 */
export function pyramidAttention(
  qkv: Qkv,
  levels: Tensor<Int32Array>,
  options: PyramidAttentionOptions,
): AttentionResult {
  return attend(qkv, requireCall(qkv, levels, options));
}

/** All heads of a checked call, one after the other. */
export function attend(
  qkv: Qkv,
  { levels, options, shape }: PyramidCall,
): AttentionResult {
  const { batch, heads, seqQ, valueDim } = shape, result = emptyResult(shape);
  for (let head = 0; head < batch * heads; head++) {
    attendHead(headOf(qkv, levels, head), options, {
      firstBlock: 0,
      endBlock: levels.shape[2],
      firstRow: 0,
      out: result.out.data.subarray(head * seqQ * valueDim, (head + 1) * seqQ * valueDim),
      lse: result.lse.data.subarray(head * seqQ, (head + 1) * seqQ),
    });
  }
  return result;
}

/**
 * Attention of every query to every key: {@link pyramidAttention} with level 1 everywhere.
 *
 * @param qkv queries, keys and values
 * @param options scale and causal
 * @throws {InputError} if the tensors disagree
 *
 * @example
 * ```ts
 * import { denseAttention } from "./attention.ts";
 * import { tensor } from "../tensor.ts";
 * const q = tensor(new Float64Array(8), [1, 1, 1, 8]);
 * const k = tensor(new Float64Array(2 * 8), [1, 1, 2, 8]);
 * const v = tensor(new Float64Array([1, 3]), [1, 1, 2, 1]);
 * console.log(denseAttention({ q, k, v }).out.data); // [2]: both keys weigh the same
 * ```
 */
export function denseAttention(qkv: Qkv, options: AttentionOptions = {}): AttentionResult {
  return attend(qkv, requireCall(qkv, null, options));
}

/** Computes the query blocks [firstBlock, endBlock) of one head; `out` and `lse` receive their rows, from index 0. */
export function attendHead(head: Head, options: PyramidAttentionOptions, range: HeadRange): void {
  const pyramid = headPyramid(head, options);
  for (let m = range.firstBlock; m < range.endBlock; m++) {
    attendBlock(visibleBlock(head, pyramid, { ...options, m }), head, range);
  }
}

/** One query block: four rows at a time, scores, softmax, and the weighted sum of the values. */
function attendBlock(block: VisibleBlock, { qkv: { q, v } }: Head, range: HeadRange): void {
  const { tokens: { keys, values, counts }, rows: { first, end }, scale } = block;
  const dim = q.shape[3], valueDim = v.shape[3], stride = evenUp(counts.length);
  const logCounts = Float64Array.from(counts, Math.log);
  const channels = transpose(values, { rows: stride, columns: valueDim });
  const weights = new Float64Array(ROWS * stride), sums = new Float64Array(ROWS * evenUp(valueDim));
  for (let row = first; row < end; row += ROWS) {
    const seen = [0, 1, 2, 3].map((r) => block.seen(Math.min(row + r, end - 1)));
    const queries = interleaveRows(q.data, { first: row, end, dim, factor: scale });
    multiplyRows(queries, keys, { inner: dim, stride: dim, count: seen[3], out: weights });
    const lse = seen.map((visible, r) => softmaxRow(weights, r, { visible, until: seen[3], logCounts }));
    multiplyRows(weights, channels, { inner: seen[3], stride, count: valueDim, out: sums });
    for (let r = 0; r < Math.min(ROWS, end - row); r++) {
      const to = row + r - range.firstRow;
      range.lse[to] = lse[r];
      for (let c = 0; c < valueDim; c++) range.out[to * valueDim + c] = sums[c * ROWS + r];
    }
  }
}
