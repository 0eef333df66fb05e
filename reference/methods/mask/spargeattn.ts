/**
 * SpargeAttn.
 *
 * @module
 */
import { causalBlocks } from "../../levels/causal.ts";
import { requireInput } from "../../errors.ts";
import { blockMeans, type HeadTokens } from "../../importance/scores.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import type { BlockMethod, MethodInputs } from "../method.ts";
import { bisectedEntries } from "../bisect.ts";
import { importanceCost } from "../cost.ts";
import { massEntries } from "../entries.ts";
import { levelRule } from "../select.ts";

/** Options of {@link spargeAttention}. */
export interface SpargeOptions {
  /**
   * Blocks whose tokens are less alike than this are read, or read everything, whatever their scores; default -0.1,
   * which no block is under. A squared norm: from 0 (tokens point everywhere) to 1 (all in one direction).
   */
  readonly similarity?: number;
}

/**
 * SpargeAttn with a threshold on the self-similarity of blocks: in every row the best blocks by mean query . mean key
 * while their softmax adds up to at most a bound (published: .98; here it is bisected), at least one. Rows and columns
 * of blocks whose tokens are too unlike for a mean to stand for them are forced.
 *
 * @param options the threshold
 * @throws {InputError} if the threshold is NaN
 *
 * @example
 * ```ts
 * import { spargeAttention } from "./spargeattn.ts";
 * console.log(spargeAttention({ similarity: 0.5 }).name); // "spargeattn"
 * ```
 */
export function spargeAttention({ similarity = -0.1 }: SpargeOptions = {}): BlockMethod {
  requireInput(!Number.isNaN(similarity), "`similarity` is NaN; it should be a number.");
  return {
    name: "spargeattn",
    rule: "best blocks by mean query . mean key while their softmax adds up to a bound that is bisected",
    granularity: "block",
    basis: "code",
    source: "SpargeAttn",
    causal: true,
    usesImportance: false,
    selectionCost: ({ sizes }) => importanceCost({ kind: "pooled" }, sizes),
    select(inputs, density) {
      // Taking their mean from the keys shifts a row's scores by a constant, which no softmax sees.
      const entries = massEntries(inputs, inputs.importanceOf({ kind: "pooled" }), (_, after) => after);
      forceBest(entries.data, entries.shape[3]);
      if (similarity >= 0) forceUnlike(inputs, entries.data, similarity);
      const chosen = bisectedEntries(inputs, density, { entries, inclusive: true });
      if (similarity >= 0) return chosen; // no kernel measures how alike the tokens of blocks are
      const cut = { kind: "threshold", family: "spargeattn", density } as const;
      return { ...chosen, rule: levelRule(inputs, { importance: { kind: "pooled" }, cut }) };
    },
  };
}

/** {@link spargeAttention} with its test of self-similarity off. */
export const spargeattn: BlockMethod = spargeAttention();

/** The block with the least entry of every row is forced. */
function forceBest(entries: Float64Array, columns: number): void {
  for (let at = 0; at < entries.length; at += columns) {
    let best = at;
    for (let j = at; j < at + columns; j++) if (entries[j] < entries[best]) best = j;
    if (entries[best] < Infinity) entries[best] = -Infinity;
  }
}

/** Rows and columns of blocks with tokens that are unlike are forced where they can be seen. */
function forceUnlike(inputs: MethodInputs, entries: Float64Array, similarity: number): void {
  const { qkv: { q, k }, sizes, causal } = inputs, { blockM, blockN, seqQ, seqK } = sizes;
  const rows = Math.ceil(seqQ / blockM), columns = Math.ceil(seqK / blockN);
  const isFuture = causal ? causalBlocks(sizes).isFuture : () => false;
  for (let head = 0; head * rows * columns < entries.length; head++) {
    const queries = selfSimilarity(toFloat64(headSlice(q, head)), blockM);
    const keys = selfSimilarity(centred(toFloat64(headSlice(k, kvHeadOf(inputs.qkv, head)))), blockN);
    for (let at = 0; at < rows * columns; at++) {
      const m = Math.floor(at / columns), j = at % columns;
      if (isFuture(m, j) || (queries[m] > similarity && keys[j] > similarity)) continue;
      entries[head * rows * columns + at] = -Infinity;
    }
  }
}

/** Tokens with their mean taken from them. */
function centred(tokens: HeadTokens): HeadTokens {
  const [, , length, dim] = tokens.shape, mean = blockMeans(tokens, length).data;
  return { data: tokens.data.map((value, at) => value - mean[at % dim]), shape: tokens.shape };
}

/**
 * How alike the tokens of every block are: the squared norm of the mean of their unit vectors, which is the mean cosine
 * of all pairs.
 *
 * @param tokens the tokens of one head
 * @param block block size in tokens
 *
 * @example
 * ```ts
 * import { tensor } from "../../tensor.ts";
 * import { selfSimilarity } from "./spargeattn.ts";
 * console.log(selfSimilarity(tensor(new Float64Array([2, 0, 0, 3]), [1, 1, 2, 2]), 2)); // [0.5]
 * ```
 */
export function selfSimilarity({ data, shape }: HeadTokens, block: number): Float64Array {
  const [, , length, dim] = shape, units = new Float64Array(data.length);
  for (let i = 0; i < length; i++) {
    const token = data.subarray(i * dim, (i + 1) * dim);
    const norm = Math.sqrt(token.reduce((sum, value) => sum + value ** 2, 0)) || 1;
    units.set(token.map((value) => value / norm), i * dim);
  }
  const means = blockMeans({ data: units, shape }, block).data;
  return Float64Array.from({ length: means.length / dim }, (_, m) => {
    return means.subarray(m * dim, (m + 1) * dim).reduce((sum, value) => sum + value ** 2, 0);
  });
}
