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
  /** ln(count) as a float64 and the last position that is covered as an int32, 16 bytes a token. */
  readonly facts: ArrayBuffer;
}

/** Which tokens query blocks read. */
export interface Lists {
  /** How many tokens query block m reads. */
  readonly lengthOf: (m: number) => number;
  /** The rows of the tokens that query blocks [first, end) read, `width` entries each; null: all, in order. */
  readonly rowsOf:
    | ((range: { first: number; end: number; width: number }) => Uint32Array<ArrayBuffer>)
    | null;
}

/** A head that is ready for the kernels. */
export interface PreparedHead extends Tokens {
  /** Queries, [rows, head dimension]. */
  readonly queries: Float64Array;
  /** What query blocks read. */
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
  return { keys, values, facts, lists: { lengthOf: () => count, rowsOf: null } };
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
  { levels: { data, shape: [, , , columns] } }: Head,
  { blockN }: PyramidAttentionOptions,
  pyramid: readonly { readonly level: number; readonly pooled: PyramidLevel }[],
): Lists {
  const places = new Map<number, { readonly firstRow: number; readonly tokens: number }>();
  let rows = 0;
  for (const { level, pooled: { counts } } of pyramid) {
    places.set(level, { firstRow: rows, tokens: counts.length });
    rows += counts.length;
  }
  /** Calls `visit` with the run of tokens of each key block that query block m reads. */
  const runs = (m: number, visit: (firstRow: number, count: number) => void) => {
    for (let j = 0; j < columns; j++) {
      const level = data[m * columns + j], place = places.get(level);
      if (place === undefined) continue;
      const first = j * blockN / level;
      visit(place.firstRow + first, Math.min(blockN / level, place.tokens - first));
    }
  };
  return {
    lengthOf: (m) => {
      let length = 0;
      runs(m, (_, count) => length += count);
      return length;
    },
    rowsOf: ({ first, end, width }) => {
      const lists = new Uint32Array((end - first) * width);
      for (let m = first; m < end; m++) {
        let at = (m - first) * width;
        runs(m, (row, count) => {
          for (let t = 0; t < count; t++) lists[at++] = row + t;
        });
      }
      return lists;
    },
  };
}
