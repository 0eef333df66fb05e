/**
 * The errors of stored pooled keys, of which components with the same digits are off by the same share.
 *
 * @module
 */
import type { Format } from "../arithmetic.ts";
import { digitsOf } from "./digits.ts";

/** Slots of the table in which the digits of one key are looked up; a key has at most half as many components. */
const SLOTS = 2048;

/** As many bits as an entry of the table holds: more than any format that is stored has. */
const MOST_BITS = 31;

/** Bits of a number that count beside those of its format: numbers that differ by an eighth of its last place are alike. */
const FINER = 2;

/** Pooled keys of a query block. */
export interface PooledKeys {
  /** [tokens, dimension] */
  readonly keys: Float64Array;
  /** The variance of the error of each component. */
  readonly errors: Float64Array;
  /** How many tokens each of them stands for; single ones are inputs, which have no error. */
  readonly counts: ArrayLike<number>;
  readonly dim: number;
}

/**
 * By how much stored pooled keys move a score. Roundings of different numbers are independent, but equal numbers are
 * rounded alike: if all components of a key are the same up to their signs, its errors do not average out in a product.
 *
 * @example
 * ```ts
 * import { AlikeKeys } from "./alike_keys.ts";
 * const key = new Float64Array([0.3, -0.3]), errors = new Float64Array([1, 1]);
 * const pooled = new AlikeKeys({ keys: key, errors, counts: [2], dim: 2 }, { unit: 2 ** -11 });
 * console.log(pooled.variance(0, [1, -1]), pooled.variance(0, [1, 1])); // 4 0
 * ```
 */
export class AlikeKeys {
  readonly #groups = new Map<number, Int32Array>();
  readonly #sums: Float64Array;

  /**
   * @param pooled the keys
   * @param storage the format that they are stored in
   */
  constructor(private readonly pooled: PooledKeys, { unit }: Pick<Format, "unit">) {
    const { counts, dim } = pooled, bits = Math.min(MOST_BITS, Math.round(-Math.log2(unit)) + FINER);
    const finder = new Groups(bits);
    for (let t = 0; t < counts.length; t++) {
      const groups = counts[t] > 1 && 2 * dim <= SLOTS ? finder.of(pooled.keys, t * dim, dim) : undefined;
      if (groups !== undefined) this.#groups.set(t, groups);
    }
    this.#sums = new Float64Array(dim);
  }

  /** The variance of the product of the error of token `t` with a query. */
  variance(t: number, query: ArrayLike<number>): number {
    const { keys, errors, dim } = this.pooled,
      groups = this.#groups.get(t),
      from = t * dim,
      sums = this.#sums;
    let variance = 0;
    if (groups === undefined) {
      for (let c = 0; c < dim; c++) variance += query[c] ** 2 * errors[from + c];
      return variance;
    }
    sums.fill(0);
    for (let c = 0; c < dim; c++) {
      const size = Math.sqrt(errors[from + c]);
      sums[groups[c]] += query[c] * (keys[from + c] < 0 ? -size : size);
    }
    for (const sum of sums) variance += sum * sum;
    return variance;
  }
}

/** Finds the components of a key that have the same digits. */
class Groups {
  readonly #stamps = new Int32Array(SLOTS);
  readonly #digits = new Int32Array(SLOTS);
  readonly #firsts = new Int32Array(SLOTS);
  #stamp = 0;

  constructor(private readonly bits: number) {}

  /** For each component the first one that is like it; undefined if no two are alike. */
  of(keys: Float64Array, from: number, dim: number): Int32Array | undefined {
    let groups: Int32Array | undefined;
    this.#stamp++;
    for (let c = 0; c < dim; c++) {
      const first = this.#first(this.#digitsOf(keys[from + c]), c);
      if (first !== c) groups ??= Int32Array.from({ length: dim }, (_, i) => i);
      if (groups !== undefined) groups[c] = first;
    }
    return groups;
  }

  /** The first component with these digits, which is `c` if there was none. */
  #first(digits: number, c: number): number {
    let slot = Math.imul(digits, 0x9e3779b1) >>> 21;
    while (this.#stamps[slot] === this.#stamp) {
      if (this.#digits[slot] === digits) return this.#firsts[slot];
      slot = (slot + 1) % SLOTS;
    }
    this.#stamps[slot] = this.#stamp, this.#digits[slot] = digits, this.#firsts[slot] = c;
    return c;
  }

  /** The first digits of a number. */
  #digitsOf(x: number): number {
    return Math.floor(digitsOf(x) / 2 ** (52 - this.bits));
  }
}
