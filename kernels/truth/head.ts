/**
 * One head of a call as the kernels of the truth read it: float64 tokens of all levels in one buffer, and for each query
 * block the list of those that it reads.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../../reference/attention/call.ts";
import { poolLevels } from "../../reference/pyramid/pyramid.ts";
import { type Qkv, type Tensor, toFloat64 } from "../../reference/tensor.ts";

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

/** A head's tokens at single level and at those in use. */
export interface HeadTokensOfLevels extends Tokens {
  /** Queries, [rows, head dimension]. */
  readonly queries: Float64Array;
  /** Where the tokens of each level lie: the first row, and how many there are. */
  readonly places: ReadonlyMap<number, { readonly firstRow: number; readonly tokens: number }>;
}

/** Bytes of what the score of one token needs. */
const FACT_BYTES = 16;

/** Packs what the scores of tokens need: of each level, counts and the last positions. */
function packFacts(parts: readonly { readonly level: number; readonly counts: Int32Array }[]): ArrayBuffer {
  const tokens = parts.reduce((sum, { counts }) => sum + counts.length, 0);
  const bytes = new ArrayBuffer(FACT_BYTES * tokens),
    biases = new Float64Array(bytes),
    lasts = new Int32Array(bytes);
  let to = 0;
  for (const { level, counts } of parts) {
    for (let t = 0; t < counts.length; t++, to++) {
      biases[2 * to] = Math.log(counts[t]);
      lasts[4 * to + 2] = t * level + counts[t] - 1;
    }
  }
  return bytes;
}

/** All tokens, each for itself and seen from its own position on; their values are not read. */
export function allTokens(keys: Float64Array, count: number): Tokens {
  const values = new Float64Array(0);
  return { keys, values, facts: packFacts([{ level: 1, counts: new Int32Array(count).fill(1) }]) };
}

/** Lists of dense attention: all tokens, in order. */
export function allLists(count: number): Lists {
  return { lengthOf: () => count, runs: null };
}

/** The tokens of a head, pooled at some levels, ascending. */
export function tokensOfLevels(
  qkv: Qkv,
  levels: readonly number[],
  { blockN, tail }: PyramidAttentionOptions,
): HeadTokensOfLevels {
  const pyramid = [...poolLevels(qkv, { blockN, levels, tail })].map(([level, pooled]) => ({
    level,
    ...pooled,
  }));
  const join = (parts: readonly Float64Array[]) => {
    const joined = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
    parts.reduce((at, part) => (joined.set(part, at), at + part.length), 0);
    return joined;
  };
  const places = new Map<number, { readonly firstRow: number; readonly tokens: number }>();
  let rows = 0;
  for (const { level, counts } of pyramid) {
    places.set(level, { firstRow: rows, tokens: counts.length });
    rows += counts.length;
  }
  return {
    queries: toFloat64(qkv.q).data,
    keys: join(pyramid.map(({ k }) => k.data)),
    values: join(pyramid.map(({ v }) => v.data)),
    facts: packFacts(pyramid),
    places,
  };
}

/** The lists that a head's levels stand for. */
export function listsOf(
  { data, shape: [, , blocks, columns] }: Tensor<Int32Array>,
  { blockN }: PyramidAttentionOptions,
  places: HeadTokensOfLevels["places"],
): Lists {
  const runs = new Uint32Array(RUN * blocks * columns), lengths = new Uint32Array(blocks);
  for (let at = 0; at < blocks * columns; at++) {
    const level = data[at], place = places.get(level), m = Math.floor(at / columns);
    if (level === 0 || place === undefined) continue;
    const first = at % columns * blockN / level, count = Math.min(blockN / level, place.tokens - first);
    runs.set([lengths[m], place.firstRow + first, count], RUN * at);
    lengths[m] += count;
  }
  return {
    lengthOf: (m) => lengths[m],
    runs: { columns, of: (first, end) => runs.subarray(RUN * first * columns, RUN * end * columns) },
  };
}
