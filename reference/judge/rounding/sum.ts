/**
 * The effect of rounding on a sum whose order is not known.
 *
 * @module
 */
import { type Arithmetic, FORMATS } from "../arithmetic.ts";

/** The unit roundoff of single precision. */
export const SINGLE = FORMATS.f32.unit;

/** Bounds on gradients and importance are at least this many standard deviations. */
export const DEVIATIONS = 4;
/** Lanes that a sum of few steps may be spread over, beside one after the other and backwards. */
const LANES = [2, 4, 8, 16, 32];

/** A sum of terms, with what the errors of adding it up depend on, whatever the order. */
export class Sum {
  /** The sum itself, S. */
  total = 0;
  /** The sum of the squared terms, X. */
  squares = 0;
  /** The sum of the absolute values, A. */
  absolute = 0;
  /** The terms that are not 0. */
  private terms = new Float64Array(64);
  private count = 0;

  add(term: number): void {
    if (term === 0) return;
    this.total += term;
    this.squares += term * term;
    this.absolute += Math.abs(term);
    if (this.count === this.terms.length) {
      const longer = new Float64Array(2 * this.count);
      longer.set(this.terms);
      this.terms = longer;
    }
    this.terms[this.count++] = term;
  }

  /** Makes it the sum of nothing. */
  clear(): void {
    this.total =
      this.squares =
      this.absolute =
      this.count =
        0;
  }

  /** Variance of the sum if it is added up in a format, `limit` terms as they come at a time: docs/tolerance.md. */
  variance(unit: number, limit = Infinity): number {
    if (this.count === 0) return 0;
    const terms = this.terms.subarray(0, this.count);
    if (limit < Infinity) return chunkVariance(terms, unit, limit);
    return sumVariance({ ...this.facts(), alike: alikeTerms(terms, unit) }, unit);
  }

  /**
   * How much larger the variance of {@link variance} is, with a limit, if each run of terms is sorted by sign: no order
   * has larger partial sums for longer.
   */
  sortedExcess(unit: number, limit: number): number {
    const terms = this.terms.subarray(0, this.count);
    if (this.count === 0 || limit === Infinity) return 0;
    return Math.max(0, sortedVariance(terms, unit, limit) - chunkVariance(terms, unit, limit));
  }

  /** The most that the sum is off in a format, if all roundings go in one direction. */
  whole(unit: number): number {
    return unit * this.absolute + together(this.facts(), unit);
  }

  /**
   * The most that a sum is off if every partial sum of `steps` products is cut off instead of rounded, as tensor cores
   * do: all in one direction.
   */
  cutOff(unit: number, steps: number): number {
    const peak = (this.absolute + Math.abs(this.total)) / 2;
    return 2 * unit * Math.ceil(this.count / steps) * peak;
  }

  private facts(): SumFacts {
    return { total: this.total, squares: this.squares, absolute: this.absolute, terms: this.count };
  }
}

/** The quantities on which the error of a sum depends. */
interface SumFacts {
  readonly total: number;
  readonly squares: number;
  readonly absolute: number;
  readonly terms: number;
  readonly alike?: number;
}

/**
 * Variance of a sum of n rounded products. Every partial sum, of whatever order, tree or split, is a sum of some of
 * the terms: it lies between minus the sum of the negative ones and the sum of the positive ones, so its size is at
 * most (A + |S|) / 2. n additions leave u^2 / 3 of its square each. A sum of m terms has a square of at most m times
 * the sum of their squares, so those of runs of n terms add up to no more than n (n + 1) / 2 X. Terms that are alike
 * are rounded alike: `alike` independent ones would err as much, n^2 if all are.
 */
export function sumVariance(
  { total, squares, absolute, terms, alike = terms }: SumFacts,
  unit: number,
): number {
  const peak = (absolute + Math.abs(total)) / 2;
  const partial2 = Math.min(peak ** 2, (terms + 1) / 2 * squares);
  return unit ** 2 / 3 * (squares + alike * partial2);
}

/** The most that additions are off, all in one direction. */
function together({ total, squares, absolute, terms }: SumFacts, unit: number): number {
  const peak = (absolute + Math.abs(total)) / 2;
  return unit * Math.min(terms * peak, 2 / 3 * (terms + 1) ** 1.5 * Math.sqrt(squares));
}

/** Sums of roundings by the place of their terms on a grid; all 0 between calls. */
let cells = new Float64Array(1024);

/**
 * How many independent roundings at the largest partial sum err as much as those of these terms. With q the distance
 * of numbers there, the error of adding a term x to a number is that of rounding x to a multiple of q: it is the same
 * for terms that are equal, and for x and y the correlation 1 - 6 d + 6 d^2 with d = |x - y| / q is positive up to
 * d = .22. So all pairs in the same or the next cell of q / 4 are taken to be fully correlated. A term below q / 2 is
 * lost, which is an error of its size.
 */
function alikeTerms(terms: Float64Array, unit: number): number {
  let total = 0, absolute = 0;
  for (let t = 0; t < terms.length; t++) {
    total += terms[t];
    absolute += Math.abs(terms[t]);
  }
  const most = unit * (absolute + Math.abs(total)) / 2 / Math.sqrt(3), inverse = 2 / (Math.sqrt(3) * most);
  let size = 1024; // by the terms alone, so that a bound does not depend on those before it
  while (size < 8 * terms.length) size *= 2;
  if (size > cells.length) cells = new Float64Array(size);
  const mask = size - 1;
  for (let t = 0; t < terms.length; t++) {
    cells[Math.floor(terms[t] * inverse) & mask] += Math.min(1, Math.abs(terms[t]) / most);
  }
  let pairs = 0;
  for (let t = 0; t < terms.length; t++) {
    const at = Math.floor(terms[t] * inverse), own = Math.min(1, Math.abs(terms[t]) / most);
    pairs += own * (cells[at - 1 & mask] + cells[at & mask] + cells[at + 1 & mask]);
  }
  for (let t = 0; t < terms.length; t++) cells[Math.floor(terms[t] * inverse) & mask] = 0;
  return pairs;
}

/**
 * Variance of a sum in which each run of `limit` terms is added up in a format. It is the largest over these orders:
 * terms one after the other, the same backwards, and lanes that are joined at the end of each run or of all terms.
 */
function chunkVariance(terms: Float64Array, unit: number, limit: number): number {
  const orders = new Float64Array(LANES.length + 2);
  let squares = 0;
  for (let start = 0; start < terms.length; start += limit) {
    const chunk = terms.subarray(start, start + limit), alike = alikeTerms(chunk, unit) / chunk.length;
    let total = 0;
    for (let t = 0; t < chunk.length; t++) {
      total += chunk[t];
      squares += chunk[t] ** 2;
      orders[0] += Math.max(1, alike) * total ** 2;
    }
    for (let t = 0, before = 0; t < chunk.length; t++) {
      orders[1] += Math.max(1, alike) * (total - before) ** 2;
      before += chunk[t];
    }
    LANES.forEach((lanes, n) => orders[n + 2] += Math.max(1, alike) * laneSquares(chunk, lanes));
  }
  // Sums of up to `limit` terms that are far apart: lanes over all of them.
  const wide = [1, ...LANES].filter((lanes) => terms.length <= lanes * limit && terms.length > limit);
  const apart = wide.map((lanes) => laneSquares(terms, lanes, false));
  return unit ** 2 / 3 * (squares + Math.max(...orders, ...apart));
}

/** The same for runs whose positive terms come first. */
function sortedVariance(terms: Float64Array, unit: number, limit: number): number {
  let squares = 0, partial = 0;
  for (let start = 0; start < terms.length; start += limit) {
    const chunk = terms.subarray(start, start + limit);
    const alike = Math.max(1, alikeTerms(chunk, unit) / chunk.length);
    let total = 0;
    const add = (term: number) => {
      total += term;
      squares += term ** 2;
      partial += alike * total ** 2;
    };
    for (const term of chunk) if (term > 0) add(term);
    for (const term of chunk) if (term < 0) add(term);
  }
  return unit ** 2 / 3 * (squares + partial);
}

/** The sum of the squares of all partial sums of lanes, and of the sums of lanes if these are `joined` in the format. */
function laneSquares(terms: Float64Array, lanes: number, joined = true): number {
  let squares = 0, whole = 0;
  for (let lane = 0; lane < Math.min(lanes, terms.length); lane++) {
    let total = 0;
    for (let t = lane; t < terms.length; t += lanes) {
      total += terms[t];
      squares += total ** 2;
    }
    whole += total;
    if (joined) squares += whole ** 2;
  }
  return squares;
}

/**
 * Variance of a sum of products in an arithmetic: in its format, then in single precision, rounded or cut off. What is
 * cut off goes in one direction: a bound of so many `deviations` makes it whole.
 */
export function productSum(sum: Sum, arithmetic: Arithmetic, deviations = 1): number {
  const cut = sum.cutOff(SINGLE, arithmetic.cutSteps) / deviations;
  return halfSums(sum, arithmetic) + sum.variance(SINGLE) + cut ** 2;
}

/** Variance of the sums of products in half precision; 0 if there are none. */
export function halfSums(sum: Sum, { sumUnit, sumSteps }: Arithmetic): number {
  return sumSteps < Infinity ? sum.variance(sumUnit, sumSteps) : 0;
}
