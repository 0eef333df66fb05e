/**
 * What rounding does to a sum that is added up in an order that nobody knows.
 *
 * @module
 */
import { FORMATS } from "../arithmetic.ts";

/** The unit roundoff of single precision. */
export const SINGLE = FORMATS.f32.unit;

/** A sum of terms, with what the errors of adding it up depend on, whatever the order. */
export class Sum {
  /** The sum itself, S. */
  total = 0;
  /** The sum of the squared terms, X. */
  squares = 0;
  /** The sum of the absolute values, A. */
  absolute = 0;
  /** How many terms are not 0, n. */
  private terms = 0;
  /** The sum over runs of equal terms of their squared lengths. */
  private runs = 0;
  private run = 0;
  private previous = NaN;

  add(term: number): void {
    if (term === 0) return;
    const size = Math.abs(term);
    this.total += term;
    this.squares += term * term;
    this.absolute += size;
    this.terms++;
    this.run = Math.abs(term - this.previous) <= SINGLE * size ? this.run + 1 : 1;
    this.runs += 2 * this.run - 1;
    this.previous = term;
  }

  /** Variance of the sum if it is added up in a format, at most `limit` terms at a time: see {@link sumVariance}. */
  variance(unit: number, limit = Infinity): number {
    if (this.terms === 0) return 0;
    const { total, squares, absolute, terms, runs } = this;
    return sumVariance({ total, squares, absolute, terms, alike: runs / terms }, unit, limit);
  }
}

/**
 * Variance of a sum of n rounded products. Every partial sum, of whatever order, tree or split, is a sum of some of
 * the terms: it lies between minus the sum of the negative ones and the sum of the positive ones, so its size is at
 * most (A + |S|) / 2. n additions leave u^2 / 3 of its square each. A sum of m terms has a square of at most m times
 * the sum of their squares, so those of runs of n terms add up to no more than n (n + 1) / 2 X. Terms that are alike are rounded alike: `alike` of them count as the square.
 */
export function sumVariance(
  { total, squares, absolute, terms, alike = 1 }: {
    readonly total: number;
    readonly squares: number;
    readonly absolute: number;
    readonly terms: number;
    readonly alike?: number;
  },
  unit: number,
  limit = Infinity,
): number {
  const steps = Math.min(terms, limit), peak2 = ((absolute + Math.abs(total)) / 2) ** 2;
  const whole2 = steps * (terms <= limit ? peak2 : absolute ** 2);
  const partial2 = Math.min(whole2, steps * (steps + 1) / 2 * squares);
  return unit ** 2 / 3 * (squares + Math.min(alike, steps) * partial2);
}
