/**
 * How much each key block matters to each query block (docs/definition.md#importance).
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import { requireInput } from "../errors.ts";
import { requireBlock } from "../pyramid/pyramid.ts";
import { requireSeed } from "../random.ts";
import { offsetsOfHead, requireQuarters } from "./sample.ts";
import {
  blockMeans,
  divideBySum,
  eachHead,
  forEachScoreRow,
  groupMaxima,
  type HeadTokens,
  importanceByHead,
  type QueryKey,
  requireQueryKey,
  softmaxInPlace,
  strideGroups,
  tokensAt,
} from "./scores.ts";
import { queryKeyShape, type Tensor } from "../tensor.ts";
export { sampleOffsets } from "./sample.ts";
export type { QueryKey } from "./scores.ts";

/** Sizes of blocks in tokens. */
export interface BlockOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Factor on q . k; default 1 / sqrt(head dimension). */
  readonly scale?: number;
}

/** Options of {@link antidiagonalImportance}. */
export interface AntidiagonalOptions {
  /** Block size of queries and keys in tokens, unless `blockM` and `blockN` are given. */
  readonly block?: number;
  /** Query block size in tokens; default `block`. */
  readonly blockM?: number;
  /** Key block size in tokens; default `block`. */
  readonly blockN?: number;
  /** Tokens of a group; it has to divide the blocks. */
  readonly stride: number;
  /** Whether a query group sees only key groups up to its own position; default false. */
  readonly causal?: boolean;
}

/**
 * The deterministic core of sampled importance: the largest score of each key group, as a weight relative to the
 * row's largest, and of these the largest over the query group; rows divided by their sum. The denominator of the
 * softmax is deliberately left out, as in the released kernel.
 *
 * @param qk sampled queries and keys, groups one after the other
 * @param options queries and keys of a group; `scale` default 1 / sqrt(head dimension)
 * @returns [batch, heads, query groups, key groups]; rows sum to 1
 * @throws {InputError} if tensors disagree or a group size is not a positive integer
 *
 * @example
 * ```ts
 * import { groupMaxImportance } from "./importance.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(8 * 4).map((_, i) => Math.sin(i)), [1, 1, 8, 4]);
 * console.log(groupMaxImportance({ q: x, k: x }, { groupQ: 4, groupK: 2 }).shape); // [1, 1, 2, 4]
 * ```
 */
export function groupMaxImportance(
  qk: QueryKey,
  { groupQ, groupK, scale }: { readonly groupQ: number; readonly groupK: number; readonly scale?: number },
): Tensor<Float64Array> {
  requireBlock("groupQ", groupQ);
  requireBlock("groupK", groupK);
  return importanceByHead(qk, { blockM: groupQ, blockN: groupK }, (q, k, { row }) => {
    groupMaxOfHead(q, k, { groupQ, groupK, scale, row });
  });
}

/** {@link groupMaxImportance} of one head, written to its rows. */
function groupMaxOfHead(
  q: HeadTokens,
  k: HeadTokens,
  { groupQ, groupK, scale = defaultScale(q.shape[3]), row }: {
    readonly groupQ: number;
    readonly groupK: number;
    readonly scale?: number;
    readonly row: (m: number) => Float64Array;
  },
): void {
  const visit = (i: number, scores: Float64Array) => {
    const largest = groupMaxima(scores, groupK);
    const top = largest.reduce((most, score) => Math.max(most, score));
    const weights = row(Math.floor(i / groupQ));
    largest.forEach((score, j) => weights[j] = Math.max(weights[j], Math.exp(score - top)));
  };
  forEachScoreRow(q, k, { scale, visit });
  for (let m = 0; m < Math.ceil(q.shape[2] / groupQ); m++) divideBySum(row(m));
}

/**
 * Importance from a sample of tokens, the path of video generation: a quarter of the tokens of every query block and
 * key block, at offsets drawn once for each (batch, head) and shared by all blocks, then {@link groupMaxImportance}.
 * A partial block is padded by repeating its last token.
 *
 * @param qk queries and keys
 * @param options block sizes, the seed of the offsets, `scale`
 * @returns [batch, heads, query blocks, key blocks]; rows sum to 1
 * @throws {InputError} if tensors disagree, or a block is not a multiple of 4
 *
 * @example
 * ```ts
 * import { sampledImportance } from "./importance.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(64 * 8).map((_, i) => Math.sin(i)), [1, 1, 64, 8]);
 * console.log(sampledImportance({ q: x, k: x }, { blockM: 32, blockN: 16, seed: 1 }).shape); // [1, 1, 2, 4]
 * ```
 */
export function sampledImportance(
  qk: QueryKey,
  options: BlockOptions & { readonly seed: number; readonly firstHead?: number },
): Tensor<Float64Array> {
  requireQueryKey(qk, options);
  requireQuarters(options);
  requireSeed(options.seed);
  return fromSample(qk, options);
}

/** {@link sampledImportance} of inputs that have been checked. */
export function fromSample(
  qk: QueryKey,
  { firstHead = 0, ...options }: BlockOptions & { readonly seed: number; readonly firstHead?: number },
): Tensor<Float64Array> {
  return fromTokens(qk, options, (head) => offsetsOfHead({ ...options, batchHead: firstHead + head }));
}

/**
 * Importance from all tokens: {@link sampledImportance} with every token taken.
 *
 * @param qk queries and keys
 * @param options block sizes and `scale`
 * @returns [batch, heads, query blocks, key blocks]; rows sum to 1
 * @throws {InputError} if tensors disagree
 *
 * @example
 * ```ts
 * import { fullImportance } from "./importance.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(64 * 8).map((_, i) => Math.sin(i)), [1, 1, 64, 8]);
 * console.log(fullImportance({ q: x, k: x }, { blockM: 32, blockN: 16 }).shape); // [1, 1, 2, 4]
 * ```
 */
export function fullImportance(qk: QueryKey, options: BlockOptions): Tensor<Float64Array> {
  requireQueryKey(qk, options);
  return fromAll(qk, options);
}

/** {@link fullImportance} of inputs that have been checked. */
export function fromAll(qk: QueryKey, options: BlockOptions): Tensor<Float64Array> {
  const all = (block: number) => Array.from({ length: block }, (_, i) => i);
  const offsets = { query: all(options.blockM), key: all(options.blockN) };
  return fromTokens(qk, options, () => offsets);
}

/** Importance of the tokens that lie at a head's offsets. */
function fromTokens(
  qk: QueryKey,
  { blockM, blockN, scale }: BlockOptions,
  offsetsOf: (batchHead: number) => { readonly query: readonly number[]; readonly key: readonly number[] },
): Tensor<Float64Array> {
  return eachHead(qk, { blockM, blockN }, (q, k, { row, batchHead }) => {
    const { query, key } = offsetsOf(batchHead);
    const groups = { groupQ: query.length, groupK: key.length };
    groupMaxOfHead(tokensAt(q, blockM, query), tokensAt(k, blockN, key), { ...groups, scale, row });
  });
}

/**
 * Importance along antidiagonals, the path of video understanding (XAttention's scoring): query group a takes its
 * `stride` tokens in descending order, key group c in ascending order, so that one dot product sums an antidiagonal
 * of the stride x stride tile. Softmax over key groups, then the sum of the probabilities over each block. A last,
 * partial group repeats its last token.
 *
 * @param qk queries and keys
 * @param options block size, stride, causal; sequences are aligned at their ends
 * @returns [batch, heads, query blocks, key blocks]; the row of a whole query block sums to blockM / stride
 * @throws {InputError} if tensors disagree or the stride does not divide the blocks
 *
 * @example
 * ```ts
 * import { antidiagonalImportance } from "./importance.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(64 * 8).map((_, i) => Math.sin(i)), [1, 1, 64, 8]);
 * const importance = antidiagonalImportance({ q: x, k: x }, { block: 16, stride: 8, causal: true });
 * console.log(importance.shape); // [1, 1, 4, 4]
 * ```
 */
export function antidiagonalImportance(
  qk: QueryKey,
  { block = NaN, blockM = block, blockN = block, stride, causal = false }: AntidiagonalOptions,
): Tensor<Float64Array> {
  requireInput(
    !Number.isNaN(blockM) && !Number.isNaN(blockN),
    "`block` is missing; blocks need `block`, or `blockM` and `blockN`.",
  );
  requireStride(stride, { blockM, blockN });
  queryKeyShape(qk);
  return fromAntidiagonals(qk, { blockM, blockN, stride, causal });
}

/** Throws unless a stride divides both blocks. */
export function requireStride(
  stride: number,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
): void {
  requireBlock("stride", stride);
  for (const [name, size] of [["blockM", blockM], ["blockN", blockN]] as const) {
    requireBlock(name, size);
    requireInput(
      size % stride === 0,
      () => `\`stride\` is ${stride}; it should divide \`${name}\`, ${size}.`,
    );
  }
}

/** {@link antidiagonalImportance} of inputs that have been checked. */
export function fromAntidiagonals(
  qk: QueryKey,
  { blockM, blockN, stride, causal = false }: Omit<AntidiagonalOptions, "block"> & BlockOptions,
): Tensor<Float64Array> {
  const [, , seqQ, headDim] = qk.q.shape, seqK = qk.k.shape[2];
  const shift = Math.floor((seqK - seqQ) / stride);
  return eachHead(qk, { blockM, blockN }, (q, k, { row }) => {
    const queries = strideGroups(q, stride, true), keys = strideGroups(k, stride, false);
    const groups = keys.shape[2];
    const visit = (a: number, scores: Float64Array) => {
      softmaxInPlace(scores, causal ? Math.max(0, Math.min(groups, a + shift + 1)) : groups);
      const sums = row(Math.floor(a * stride / blockM));
      for (let c = 0; c < groups; c++) sums[Math.floor(c * stride / blockN)] += scores[c];
    };
    forEachScoreRow(queries, keys, { scale: 1 / (Math.sqrt(headDim) * stride), visit });
  });
}

/**
 * Importance from pooled blocks, the baseline of several binary block-sparse methods: softmax over key blocks of
 * scale * mean(query block) . mean(key block). Means of a partial block are over its real tokens.
 *
 * @param qk queries and keys
 * @param options block sizes and `scale`
 * @returns [batch, heads, query blocks, key blocks]; rows sum to 1
 * @throws {InputError} if tensors disagree
 *
 * @example
 * ```ts
 * import { pooledImportance } from "./importance.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(64 * 8).map((_, i) => Math.sin(i)), [1, 1, 64, 8]);
 * console.log(pooledImportance({ q: x, k: x }, { blockM: 32, blockN: 16 }).shape); // [1, 1, 2, 4]
 * ```
 */
export function pooledImportance(qk: QueryKey, options: BlockOptions): Tensor<Float64Array> {
  requireQueryKey(qk, options);
  return fromMeans(qk, options);
}

/** {@link pooledImportance} of inputs that have been checked. */
export function fromMeans(qk: QueryKey, options: BlockOptions): Tensor<Float64Array> {
  const { blockM, blockN, scale = defaultScale(qk.q.shape[3]) } = options;
  return eachHead(qk, options, (q, k, { row }) => {
    const visit = (m: number, scores: Float64Array) => {
      softmaxInPlace(scores, scores.length);
      row(m).set(scores);
    };
    forEachScoreRow(blockMeans(q, blockM), blockMeans(k, blockN), { scale, visit });
  });
}
