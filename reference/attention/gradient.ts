/**
 * The gradient of attention over the pyramid, with the levels held fixed (docs/definition.md#gradients).
 *
 * Weights are computed again from queries and keys, one query block at a time, so that memory grows with the
 * number of tokens: with p the weights of a row, dp = dout . v and delta = sum of p dp, the gradient of a score is
 * ds = p (dp - delta + dlse), and dq = scale * ds k, dk = scale * ds q, dv = p dout.
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import {
  addOuterProducts,
  evenUp,
  interleaveRows,
  multiplyRows,
  ROWS,
  softmaxRow,
  transpose,
} from "./rows.ts";
import type { AttentionShape, FloatData, Qkv, Tensor } from "../tensor.ts";
import { headOf, headSlice, kvHeadOf } from "../heads.ts";
import { headPyramid, type VisibleBlock, visibleBlock, type VisibleTokens } from "./visible.ts";
import { type PyramidAttentionOptions, requirePyramidCall } from "./call.ts";

/** Options of {@link pyramidAttentionGradient}. */
export interface GradientOptions extends PyramidAttentionOptions {
  /** Gradient with respect to the log-sum-exp, [batch, heads, query tokens]; default 0. */
  readonly dlse?: Tensor<FloatData>;
}

/** Gradients with respect to the inputs of attention, each of its input's shape. */
export interface AttentionGradient {
  /** Gradient with respect to the queries. */
  readonly dq: Tensor<Float64Array>;
  /** Gradient with respect to the keys. */
  readonly dk: Tensor<Float64Array>;
  /** Gradient with respect to the values. */
  readonly dv: Tensor<Float64Array>;
}

/** The other tensors that one head reads and writes. */
interface HeadGradient {
  readonly dout: FloatData;
  readonly dlse?: FloatData;
  readonly dq: Float64Array;
  readonly dk: Float64Array;
  readonly dv: Float64Array;
}

/** Gradients with respect to the pooled tokens that a query block sees. */
interface TokenGradient {
  readonly dKeys: Float64Array;
  readonly dValues: Float64Array;
}

/**
 * The gradient of {@link pyramidAttention} with the levels held fixed (docs/definition.md#gradients): of the sum of dout
 * * out, and of dlse * lse if it is given. The gradient of a pooled token is shared equally by the tokens that it
 * averages. Rows that see nothing add nothing.
 *
 * @param qkv the inputs of attention
 * @param levels the levels of the call
 * @param dout gradient with respect to the outputs, [batch, heads, query tokens, value dimension]
 * @param options the options of attention, and `dlse`
 * @throws {InputError} if tensors disagree, or `levels` has the wrong shape or an entry that is not a level
 *
 * @example
 * ```ts
 * import { pyramidAttentionGradient } from "./gradient.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(4 * 8).map((_, i) => Math.sin(i)), [1, 1, 4, 8]);
 * const dout = tensor(new Float64Array(4 * 8).fill(1), [1, 1, 4, 8]);
 * const levels = tensor(new Int32Array([2]), [1, 1, 1, 1]);
 * const { dv } = pyramidAttentionGradient({ q: x, k: x, v: x }, levels, dout, { blockM: 4, blockN: 4 });
 * console.log(dv.data[0] === dv.data[8]); // true: both tokens have half of their pooled token's gradient
 * ```
 */
export function pyramidAttentionGradient(
  qkv: Qkv,
  levels: Tensor<Int32Array>,
  dout: Tensor<FloatData>,
  options: GradientOptions,
): AttentionGradient {
  const shape = requirePyramidCall(qkv, levels, options), { batch, heads, seqQ } = shape;
  requireGradientShapes(shape, { dout, dlse: options.dlse });
  const [dq, dk, dv] = [qkv.q, qkv.k, qkv.v].map(({ data, shape }) => ({
    data: new Float64Array(data.length),
    shape,
  }));
  for (let head = 0; head < batch * heads; head++) {
    const kvHead = kvHeadOf(qkv, head);
    addHeadGradient({ qkv, levels, head }, options, {
      dout: headSlice(dout, head).data,
      dlse: options.dlse?.data.subarray(head * seqQ, (head + 1) * seqQ),
      dq: headSlice(dq, head).data,
      dk: headSlice(dk, kvHead).data,
      dv: headSlice(dv, kvHead).data,
    });
  }
  return { dq, dk, dv };
}

/** Throws unless the gradients that flow back have the shapes of outputs and log-sum-exps. */
export function requireGradientShapes(
  { batch, heads, seqQ, valueDim }: Pick<AttentionShape, "batch" | "heads" | "seqQ" | "valueDim">,
  { dout, dlse }: { readonly dout: Tensor<FloatData>; readonly dlse?: Tensor<FloatData> },
): void {
  requireGradientShape("dout", dout, [batch, heads, seqQ, valueDim]);
  if (dlse) requireGradientShape("dlse", dlse, [batch, heads, seqQ]);
}

/** Throws unless a gradient has the shape of its tensor. */
function requireGradientShape(name: string, { shape }: Tensor, want: readonly number[]): void {
  requireInput(
    shape.length === want.length && want.every((length, axis) => shape[axis] === length),
    () => `\`${name}\` has shape [${shape}]; it should be [${want}].`,
  );
}

/** Adds what one query head contributes. */
function addHeadGradient(
  { qkv, levels, head: index }: { qkv: Qkv; levels: Tensor<Int32Array>; head: number },
  options: PyramidAttentionOptions,
  gradient: HeadGradient,
): void {
  const head = headOf(qkv, levels, index), pyramid = headPyramid(head, options);
  for (let m = 0; m < levels.shape[2]; m++) {
    const block = visibleBlock(head, pyramid, { ...options, m });
    const { keys, values } = block.tokens;
    const tokens = { dKeys: new Float64Array(keys.length), dValues: new Float64Array(values.length) };
    addBlockGradient(block, head.qkv, { gradient, tokens });
    unpool(tokens.dKeys, block.tokens, gradient.dk, qkv.k.shape);
    unpool(tokens.dValues, block.tokens, gradient.dv, qkv.v.shape);
  }
}

/** Writes dq of one query block and adds to the gradients of the pooled tokens, four rows at a time. */
function addBlockGradient(
  { tokens: { keys, values, counts }, rows: { first, end }, scale, seen: seenBy }: VisibleBlock,
  { q, v }: Qkv,
  { gradient, tokens }: { gradient: HeadGradient; tokens: TokenGradient },
): void {
  const dim = q.shape[3], valueDim = v.shape[3], stride = evenUp(counts.length);
  const logCounts = Float64Array.from(counts, Math.log);
  const channels = transpose(keys, { rows: stride, columns: dim });
  const weights = new Float64Array(ROWS * stride), dScores = new Float64Array(ROWS * stride);
  const dQueries = new Float64Array(ROWS * evenUp(dim));
  for (let row = first; row < end; row += ROWS) {
    const seen = [0, 1, 2, 3].map((r) => seenBy(Math.min(row + r, end - 1))), until = seen[3];
    const queries = interleaveRows(q.data, { first: row, end, dim, factor: scale });
    const douts = interleaveRows(gradient.dout, { first: row, end, dim: valueDim });
    multiplyRows(queries, keys, { inner: dim, stride: dim, count: until, out: weights });
    multiplyRows(douts, values, { inner: valueDim, stride: valueDim, count: until, out: dScores });
    for (let r = 0; r < ROWS; r++) {
      softmaxRow(weights, r, { visible: seen[r], until, logCounts });
      softmaxGradientRow(dScores, r, { weights, until, dlse: gradient.dlse?.[row + r] ?? 0 });
    }
    multiplyRows(dScores, channels, { inner: until, stride, count: dim, out: dQueries });
    for (let r = 0; r < Math.min(ROWS, end - row); r++) {
      for (let c = 0; c < dim; c++) gradient.dq[(row + r) * dim + c] = scale * dQueries[c * ROWS + r];
    }
    addOuterProducts(dScores, queries, { count: until, dim, matrix: tokens.dKeys });
    addOuterProducts(weights, douts, { count: until, dim: valueDim, matrix: tokens.dValues });
  }
}

/** Turns one interleaved row of gradients of weights into gradients of scores, in place. */
function softmaxGradientRow(
  dWeights: Float64Array,
  row: number,
  { weights, until, dlse }: { weights: Float64Array; until: number; dlse: number },
): void {
  let delta = 0;
  for (let at = row; at < until * ROWS; at += ROWS) delta += weights[at] * dWeights[at];
  for (let at = row; at < until * ROWS; at += ROWS) {
    dWeights[at] = weights[at] * (dWeights[at] - delta + dlse);
  }
}

/** Shares gradients of pooled tokens equally among the tokens that they average; the share of a copy goes to the last token. */
function unpool(
  pooled: Float64Array,
  { first, counts }: VisibleTokens,
  gradient: Float64Array,
  [, , length, dim]: readonly number[],
): void {
  for (let t = 0; t < counts.length; t++) {
    for (let i = 0; i < counts[t]; i++) {
      const to = Math.min(first[t] + i, length - 1) * dim;
      for (let c = 0; c < dim; c++) gradient[to + c] += pooled[t * dim + c] / counts[t];
    }
  }
}
