/**
 * One head of a call as the kernels of the truth read it: float64 tokens of all levels in one buffer, and for each query
 * block the list of those that it reads.
 *
 * @module
 */
import type { Head } from "../../reference/heads.ts";
import { headPyramid } from "../../reference/attention/visible.ts";
import type { PyramidAttentionOptions } from "../../reference/attention/call.ts";
import type { PyramidLevel } from "../../reference/pyramid/pyramid.ts";
import { toFloat64 } from "../../reference/tensor.ts";

/** Tokens, pooled or not, with what their scores need. */
export interface Tokens {
  /** Keys, [tokens, head dimension]. */
  readonly keys: Float64Array;
  /** Values, [tokens, value dimension]; empty where only scores are asked for. */
  readonly values: Float64Array;
  /** ln(count) as a float64 and the last position that is covered as an int32, 16 bytes per token. */
  readonly facts: ArrayBuffer;
}

/** Which tokens query blocks read. */
export interface Lists {
  /** How many tokens query block m reads. */
  readonly lengthOf: (m: number) => number;
  /** The runs of tokens that query blocks read, from which the device writes their lists; null: all tokens, in order. */
  readonly runs: {
    /** Key blocks: each has a run, perhaps empty. */
    readonly columns: number;
    /** The runs of query blocks [first, end): place in the list, row of the first token, number of tokens. */
    readonly of: (first: number, end: number) => Uint32Array<ArrayBuffer>;
  } | null;
}

/** Numbers of a run. */
const RUN = 3;

/** A head that is ready for the kernels. */
export interface PreparedHead extends Tokens {
  /** Queries, [rows, head dimension]. */
  readonly queries: Float64Array;
  /** The tokens that query blocks read. */
  readonly lists: Lists;
}

/** Packs what the scores of tokens need. */
export function packFacts(facts: readonly { readonly count: number; readonly last: number }[]): ArrayBuffer {
  const bytes = new ArrayBuffer(16 * facts.length), view = new DataView(bytes);
  facts.forEach(({ count, last }, t) => {
    view.setFloat64(16 * t, Math.log(count), true);
    view.setInt32(16 * t + 8, last, true);
  });
  return bytes;
}

/** All tokens, each for itself and seen from its own position on: lists of dense attention. */
export function allTokens(
  keys: Float64Array,
  values: Float64Array,
  count: number,
): Tokens & { lists: Lists } {
  const facts = packFacts(Array.from({ length: count }, (_, last) => ({ count: 1, last })));
  return { keys, values, facts, lists: { lengthOf: () => count, runs: null } };
}

/** A head of attention: all keys, or the pooled tokens that its levels show. */
export function prepareHead(head: Head, options: PyramidAttentionOptions, dense: boolean): PreparedHead {
  const { q, k, v } = head.qkv, queries = toFloat64(q).data;
  if (dense) return { queries, ...allTokens(toFloat64(k).data, toFloat64(v).data, k.shape[2]) };
  const levels = [...headPyramid(head, options)].map(([level, pooled]) => ({ level, pooled }));
  const join = (parts: readonly Float64Array[]) => {
    const joined = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0);
    return joined;
  };
  return {
    queries,
    keys: join(levels.map(({ pooled }) => pooled.k.data)),
    values: join(levels.map(({ pooled }) => pooled.v.data)),
    facts: packFacts(
      levels.flatMap(({ level, pooled: { counts } }) =>
        Array.from(counts, (count, t) => ({ count, last: t * level + count - 1 }))
      ),
    ),
    lists: listsOf(head, options, levels),
  };
}

/** The lists that a head's levels stand for. */
function listsOf(
  { levels: { data, shape: [, , blocks, columns] } }: Head,
  { blockN }: PyramidAttentionOptions,
  pyramid: readonly { readonly level: number; readonly pooled: PyramidLevel }[],
): Lists {
  const places = new Map<number, { readonly firstRow: number; readonly tokens: number }>();
  let rows = 0;
  for (const { level, pooled: { counts } } of pyramid) {
    places.set(level, { firstRow: rows, tokens: counts.length });
    rows += counts.length;
  }
  const runs = new Uint32Array(RUN * blocks * columns), lengths = new Uint32Array(blocks);
  for (let at = 0; at < blocks * columns; at++) {
    const level = data[at], place = places.get(level), m = Math.floor(at / columns);
    if (place === undefined) continue;
    const first = at % columns * blockN / level, count = Math.min(blockN / level, place.tokens - first);
    runs.set([lengths[m], place.firstRow + first, count], RUN * at);
    lengths[m] += count;
  }
  return {
    lengthOf: (m) => lengths[m],
    runs: { columns, of: (first, end) => runs.subarray(RUN * first * columns, RUN * end * columns) },
  };
}
