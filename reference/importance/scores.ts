/**
 * Parts of all kinds of importance: scores row by row, and the tokens from which they are computed.
 *
 * @module
 */
import { requireBlock } from "../pyramid/pyramid.ts";
import { evenUp, interleaveRows, multiplyRows, ROWS } from "../attention/rows.ts";
import { type Qkv, queryKeyShape, type Tensor, toFloat64 } from "../tensor.ts";
import { headSlice, kvHeadOf } from "../heads.ts";

/** Queries and keys, from which importance is computed. */
export type QueryKey = Pick<Qkv, "q" | "k">;

/** Tokens of one head, [1, 1, tokens, dimension]. */
export type HeadTokens = Tensor<Float64Array>;

/** Computes the importance of one head; `row(m)` is the row of query block m, zeros at first. */
export type HeadImportance = (
  q: HeadTokens,
  k: HeadTokens,
  head: { readonly row: (m: number) => Float64Array; readonly batchHead: number },
) => void;

/**
 * Importance [batch, heads, query blocks, key blocks], head by head.
 *
 * @throws {InputError} if tensors disagree or a block is not a positive integer
 */
export function importanceByHead(
  { q, k }: QueryKey,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
  compute: HeadImportance,
): Tensor<Float64Array> {
  requireQueryKey({ q, k }, { blockM, blockN });
  return eachHead({ q, k }, { blockM, blockN }, compute);
}

/** Throws unless queries and keys agree and blocks are positive integers. */
export function requireQueryKey(
  qk: QueryKey,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
): void {
  queryKeyShape(qk);
  requireBlock("blockM", blockM);
  requireBlock("blockN", blockN);
}

/** {@link importanceByHead} of inputs that have been checked. */
export function eachHead(
  { q, k }: QueryKey,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
  compute: HeadImportance,
): Tensor<Float64Array> {
  const [batch, heads, seqQ] = q.shape, seqK = k.shape[2];
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)];
  const [, , rows, columns] = shape;
  const data = new Float64Array(batch * heads * rows * columns);
  for (let batchHead = 0; batchHead < batch * heads; batchHead++) {
    const row = (m: number) => {
      const start = (batchHead * rows + m) * columns;
      return data.subarray(start, start + columns);
    };
    const keys = headSlice(k, kvHeadOf({ q, k }, batchHead));
    compute(toFloat64(headSlice(q, batchHead)), toFloat64(keys), { row, batchHead });
  }
  return { data, shape };
}

/** Calls `visit` with each query's scores, scale * q . k over all keys; the scores may be changed in place. */
export function forEachScoreRow(
  q: HeadTokens,
  k: HeadTokens,
  { scale, visit }: { readonly scale: number; readonly visit: (i: number, scores: Float64Array) => void },
): void {
  const [, , queries, dim] = q.shape, keys = k.shape[2];
  const matrix = new Float64Array(evenUp(keys) * dim);
  matrix.set(k.data);
  const four = new Float64Array(ROWS * evenUp(keys)), scores = new Float64Array(keys);
  for (let first = 0; first < queries; first += ROWS) {
    const rows = interleaveRows(q.data, { first, end: queries, dim, factor: scale });
    multiplyRows(rows, matrix, { inner: dim, stride: dim, count: keys, out: four });
    for (let r = 0; r < Math.min(ROWS, queries - first); r++) {
      for (let j = 0; j < keys; j++) scores[j] = four[j * ROWS + r];
      visit(first + r, scores);
    }
  }
}

/** The largest of every `group` consecutive scores. */
export function groupMaxima(scores: Float64Array, group: number): Float64Array {
  const maxima = new Float64Array(Math.ceil(scores.length / group)).fill(-Infinity);
  for (let j = 0; j < scores.length; j++) {
    const to = Math.floor(j / group);
    if (scores[j] > maxima[to]) maxima[to] = scores[j];
  }
  return maxima;
}

/** Softmax over the first `visible` scores, in place; the others become 0. */
export function softmaxInPlace(scores: Float64Array, visible: number): void {
  let max = -Infinity, sum = 0;
  for (let j = 0; j < visible; j++) max = Math.max(max, scores[j]);
  for (let j = 0; j < visible; j++) sum += scores[j] = Math.exp(scores[j] - max);
  for (let j = 0; j < visible; j++) scores[j] /= sum;
  scores.fill(0, visible);
}

/** Divides a row by its sum, in place. */
export function divideBySum(row: Float64Array): void {
  const sum = row.reduce((total, value) => total + value, 0);
  for (let j = 0; j < row.length; j++) row[j] /= sum;
}

/** The tokens at these offsets of every block; positions after the last token read the last token. */
export function tokensAt(
  { data, shape: [, , tokens, dim] }: HeadTokens,
  block: number,
  offsets: readonly number[],
): HeadTokens {
  const blocks = Math.ceil(tokens / block);
  const taken = new Float64Array(blocks * offsets.length * dim);
  for (let m = 0, to = 0; m < blocks; m++) {
    for (const offset of offsets) {
      const from = Math.min(m * block + offset, tokens - 1) * dim;
      taken.set(data.subarray(from, from + dim), to);
      to += dim;
    }
  }
  return { data: taken, shape: [1, 1, blocks * offsets.length, dim] };
}

/** The tokens of every group of `stride`, one after the other; a partial group repeats the last token. */
export function strideGroups(tokens: HeadTokens, stride: number, descending: boolean): HeadTokens {
  const offsets = Array.from({ length: stride }, (_, i) => descending ? stride - 1 - i : i);
  const { data, shape: [, , taken, dim] } = tokensAt(tokens, stride, offsets);
  return { data, shape: [1, 1, taken / stride, dim * stride] };
}

/** The mean of every block, over its real tokens. */
export function blockMeans({ data, shape: [, , tokens, dim] }: HeadTokens, block: number): HeadTokens {
  const blocks = Math.ceil(tokens / block);
  const means = new Float64Array(blocks * dim);
  for (let i = 0; i < tokens; i++) {
    const m = Math.floor(i / block), count = Math.min(block, tokens - m * block);
    for (let c = 0; c < dim; c++) means[m * dim + c] += data[i * dim + c] / count;
  }
  return { data: means, shape: [1, 1, blocks, dim] };
}
