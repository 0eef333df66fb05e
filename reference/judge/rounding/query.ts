/**
 * The error of a stored query: one vector for all scores of its row.
 *
 * @module
 */
import type { Arithmetic } from "../arithmetic.ts";
import { digitsOf } from "./digits.ts";
import { storeError2 } from "./pooled.ts";

/**
 * How far each component of a query may be off, and which components are off by the same share: those whose digits are
 * the same, that is, which differ by a sign and a power of two at most.
 */
export class QueryErrors {
  /** Standard deviations; within a group, of the sign that the component has relative to the first of its group. */
  readonly sizes: Float64Array;
  /** The number of groups. */
  readonly count: number;
  /** The group of each component. */
  readonly groups: Int32Array;
  readonly #sums: Float64Array;

  /**
   * @param query the components
   * @param variance of the error of a component, from its value
   */
  constructor(query: ArrayLike<number>, variance: (x: number) => number) {
    const firsts = new Map<number, { readonly group: number; readonly sign: number }>();
    this.sizes = new Float64Array(query.length);
    this.groups = new Int32Array(query.length);
    for (let c = 0; c < query.length; c++) {
      const digits = digitsOf(query[c]), sign = query[c] < 0 ? -1 : 1;
      const first = firsts.get(digits) ?? { group: firsts.size, sign };
      firsts.set(digits, first);
      this.groups[c] = first.group;
      this.sizes[c] = sign * first.sign * Math.sqrt(variance(query[c]));
    }
    this.count = firsts.size;
    this.#sums = new Float64Array(this.count);
  }

  /** The variance of the sum of the components' errors, each times a factor: of a key, for example. */
  variance(factors: ArrayLike<number>, from = 0): number {
    const { sizes, groups } = this, sums = this.#sums;
    let variance = 0;
    if (this.count === sizes.length) {
      for (let c = 0; c < sizes.length; c++) variance += (sizes[c] * factors[from + c]) ** 2;
      return variance;
    }
    sums.fill(0);
    for (let c = 0; c < sizes.length; c++) sums[groups[c]] += sizes[c] * factors[from + c];
    for (let g = 0; g < sums.length; g++) variance += sums[g] ** 2;
    return variance;
  }
}

/** The errors of a query that is stored, and whose factors may be cut off in front of products. */
export function storedQuery(query: Float64Array, { queries, factorUnit }: Arithmetic): QueryErrors {
  return new QueryErrors(query, (x) => storeError2(queries, x) + (factorUnit * x) ** 2 / 3);
}
