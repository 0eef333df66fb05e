/**
 * The weights of a mask: four queries at a time, over the keys that any of the four sees.
 *
 * @module
 */
import { evenUp, interleaveRows, multiplyRows, ROWS } from "../attention/rows.ts";
import type { FloatData } from "../tensor.ts";

/** Four queries of one head and the keys that any of them sees. */
export interface SeenRows {
  /** Place of the first of the four among the rows that were asked for. */
  readonly first: number;
  /** How many of the four there are. */
  readonly count: number;
  /** The keys in ascending order; the same array as before if the four before had the same keys. */
  readonly keys: Int32Array;
  /** Softmax weights, [keys][4]; 0 where a query does not see a key. */
  readonly weights: Float64Array;
  /** Log-sum-exp of the four; -Infinity for a query that sees nothing. */
  readonly lse: readonly number[];
}

/** One head of a masked call. */
export interface MaskedHead {
  /** Queries, [rows][dim]. */
  readonly q: FloatData;
  /** Keys, [key tokens][dim]. */
  readonly k: FloatData;
  /** Head dimension. */
  readonly dim: number;
  /** The rows of the mask, as many as queries. */
  readonly bits: Uint32Array;
  /** Words of a row. */
  readonly words: number;
  /** Factor on q . k. */
  readonly scale: number;
}

/**
 * Calls `visit` with the softmax of what a mask shows, four queries at a time. Sums run in ascending order of keys, so
 * that they do not depend on how rows are split.
 *
 * @param head queries, keys and bits
 * @param visit receives the weights; they are overwritten by the next four
 */
export function forEachMaskedRows(
  { q, k, dim, bits, words, scale }: MaskedHead,
  visit: (rows: SeenRows) => void,
): void {
  const rows = bits.length / words, union = new Uint32Array(words);
  let keys = new Int32Array(0), gathered = new Float64Array(0), weights = new Float64Array(0);
  for (let first = 0; first < rows; first += ROWS) {
    const count = Math.min(ROWS, rows - first);
    if (joinRows(union, bits.subarray(first * words, (first + count) * words)) || first === 0) {
      keys = keysOf(union);
      gathered = gatherRows(k, keys, dim);
      weights = new Float64Array(ROWS * evenUp(keys.length));
    }
    const queries = interleaveRows(q, { first, end: rows, dim, factor: scale });
    multiplyRows(queries, gathered, { inner: dim, stride: dim, count: keys.length, out: weights });
    const lse = Array.from({ length: count }, (_, r) => {
      return softmaxSeen(weights, r, {
        keys,
        row: bits.subarray((first + r) * words, (first + r + 1) * words),
      });
    });
    for (let r = count; r < ROWS; r++) for (let t = r; t < weights.length; t += ROWS) weights[t] = 0;
    visit({ first, count, keys, weights, lse });
  }
}

/** Writes the union of some rows into `union`; whether that changed it. */
function joinRows(union: Uint32Array, rows: Uint32Array): boolean {
  const words = union.length;
  let changed = false;
  for (let word = 0; word < words; word++) {
    let joined = 0;
    for (let at = word; at < rows.length; at += words) joined |= rows[at];
    joined >>>= 0;
    changed ||= joined !== union[word];
    union[word] = joined;
  }
  return changed;
}

/** The places of the bits that are set. */
export function keysOf(row: Uint32Array): Int32Array<ArrayBuffer> {
  const keys: number[] = [];
  for (let word = 0; word < row.length; word++) {
    for (let rest = row[word]; rest !== 0; rest &= rest - 1) {
      keys.push(word * 32 + 31 - Math.clz32(rest & -rest));
    }
  }
  return Int32Array.from(keys);
}

/** Some rows of a [tokens][dim] matrix one after the other, and a row of zeros if that makes their number even. */
export function gatherRows(source: FloatData, keys: Int32Array, dim: number): Float64Array<ArrayBuffer> {
  const gathered = new Float64Array(evenUp(keys.length) * dim);
  for (let t = 0; t < keys.length; t++) {
    for (let c = 0, from = keys[t] * dim, to = t * dim; c < dim; c++) gathered[to + c] = source[from + c];
  }
  return gathered;
}

/** Turns one interleaved row of scores into weights over the keys that the row sees; returns its log-sum-exp. */
function softmaxSeen(
  scores: Float64Array,
  r: number,
  { keys, row }: { readonly keys: Int32Array; readonly row: Uint32Array },
): number {
  let max = -Infinity, total = 0;
  for (let t = 0, at = r; t < keys.length; t++, at += ROWS) {
    const key = keys[t];
    if ((row[key >>> 5] >>> (key & 31) & 1) === 0) scores[at] = -Infinity;
    else if (scores[at] > max) max = scores[at];
  }
  if (max === -Infinity) {
    for (let t = 0, at = r; t < keys.length; t++, at += ROWS) scores[at] = 0;
    return -Infinity;
  }
  for (let t = 0, at = r; t < keys.length; t++, at += ROWS) total += scores[at] = Math.exp(scores[at] - max);
  for (let t = 0, at = r; t < keys.length; t++, at += ROWS) scores[at] /= total;
  return max + Math.log(total);
}
