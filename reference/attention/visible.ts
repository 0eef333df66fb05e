/**
 * The tokens that the query blocks of one head see: the union of pooled tokens in docs/definition.md#attention.
 * Attention and its gradient both use it.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import type { Head } from "../heads.ts";
import { poolLevels, type PyramidLevel } from "../pyramid/pyramid.ts";
import type { PyramidAttentionOptions } from "./call.ts";
import { evenUp } from "./rows.ts";

/** The pooled tokens that one query block sees, in ascending order of position. */
export interface VisibleTokens {
  /** Their keys, [number rounded up to even, head dimension]. */
  readonly keys: Float64Array;
  /** Their values, [number rounded up to even, value dimension]. */
  readonly values: Float64Array;
  /** The first position that each covers. */
  readonly first: Int32Array;
  /** How many positions each covers, the count of docs/definition.md#pyramid. */
  readonly counts: Int32Array;
}

/** One query block and the tokens that it sees. */
export interface VisibleBlock {
  readonly tokens: VisibleTokens;
  /** Its query rows, [first, end). */
  readonly rows: { readonly first: number; readonly end: number };
  /** The factor on q . k. */
  readonly scale: number;
  /** How many of the tokens a row sees; they are a prefix. */
  seen(row: number): number;
}

/** The pyramid of one head, with the levels that are in use only. */
export function headPyramid(
  { qkv, levels }: Head,
  { blockN, tail }: PyramidAttentionOptions,
): Map<number, PyramidLevel> {
  const inUse = [...new Set(levels.data)].filter((level) => level > 0);
  return poolLevels(qkv, { blockN, levels: inUse, tail });
}

/**
 * The query block `m` of a head with the tokens that it sees.
 *
 * @param head the head
 * @param pyramid its keys and values at the levels in use
 * @param options the options of the call and the index of the query block
 */
export function visibleBlock(
  { qkv: { q, k }, levels }: Head,
  pyramid: ReadonlyMap<number, PyramidLevel>,
  { blockM, blockN, scale, causal, m }: PyramidAttentionOptions & { readonly m: number },
): VisibleBlock {
  const [, , seqQ, dim] = q.shape, seqK = k.shape[2], keyBlocks = levels.shape[3];
  const rows = { first: m * blockM, end: Math.min((m + 1) * blockM, seqQ) };
  const position = (row: number) => causal ? row + seqK - seqQ : Infinity;
  const tokens = visibleTokens(levels.data.subarray(m * keyBlocks, (m + 1) * keyBlocks), pyramid, {
    blockN,
    until: position(rows.end - 1),
  });
  return {
    tokens,
    rows,
    scale: scale ?? defaultScale(dim),
    seen: (row) => causal ? countUntil(tokens, position(row)) : tokens.counts.length,
  };
}

/** How many tokens end at or before a position: a binary search, as positions ascend. */
function countUntil({ first, counts }: VisibleTokens, position: number): number {
  let low = 0, high = counts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (first[middle] + counts[middle] - 1 <= position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Gathers the pooled tokens that these levels show, up to those that reach past position `until`. */
function visibleTokens(
  blockLevels: Int32Array,
  pyramid: ReadonlyMap<number, PyramidLevel>,
  { blockN, until }: { readonly blockN: number; readonly until: number },
): VisibleTokens {
  const runs = visibleRuns(blockLevels, pyramid, { blockN, until });
  const length = runs.reduce((sum, { from, end }) => sum + end - from, 0);
  const rows = evenUp(length);
  const [dim, valueDim] = runs.length === 0 ? [0, 0] : [runs[0].pooled.k.shape[3], runs[0].pooled.v.shape[3]];
  const keys = new Float64Array(rows * dim), values = new Float64Array(rows * valueDim);
  const first = new Int32Array(length), counts = new Int32Array(length);
  let to = 0;
  for (const { level, pooled, from, end } of runs) {
    keys.set(pooled.k.data.subarray(from * dim, end * dim), to * dim);
    values.set(pooled.v.data.subarray(from * valueDim, end * valueDim), to * valueDim);
    for (let t = from; t < end; t++, to++) {
      first[to] = t * level;
      counts[to] = pooled.counts[t];
    }
  }
  return { keys, values, first, counts };
}

/** The pooled tokens [from, end) of every key block that is not skipped, cut off after position `until`. */
function visibleRuns(
  blockLevels: Int32Array,
  pyramid: ReadonlyMap<number, PyramidLevel>,
  { blockN, until }: { readonly blockN: number; readonly until: number },
): { level: number; pooled: PyramidLevel; from: number; end: number }[] {
  const runs = [];
  for (let j = 0; j < blockLevels.length; j++) {
    const level = blockLevels[j], pooled = pyramid.get(level);
    if (pooled === undefined) continue;
    const from = j * blockN / level;
    let end = Math.min(from + blockN / level, pooled.counts.length);
    while (end > from && (end - 1) * level + pooled.counts[end - 1] - 1 > until) end--;
    if (end > from) runs.push({ level, pooled, from, end });
  }
  return runs;
}
