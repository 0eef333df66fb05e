/**
 * What roundings do to one row of attention, to first order: the variances behind the bounds of tolerance.ts.
 *
 * @module
 */
import type { VisibleBlock, VisibleTokens } from "../../attention/visible.ts";

/**
 * Unit roundoff, smallest normal number, and what a weight may lose by underflow, of each format. A float16 kernel may
 * keep its weights 2^6 times smaller, so that 64 of them times any finite number add up to a finite number: it loses
 * those below 2^(6 - 25) of the largest.
 */
export const FORMATS = {
  f32: { unit: 2 ** -24, normal: 2 ** -126, lost: 2 ** -126 },
  f16: { unit: 2 ** -11, normal: 2 ** -14, lost: 2 ** -19 },
  bf16: { unit: 2 ** -8, normal: 2 ** -126, lost: 2 ** -126 },
} as const;

/** What a kernel computes with. Everything that is named by neither member is single precision. */
export interface Arithmetic {
  /** The format of inputs, pooled tokens, weights and outputs. */
  readonly storage: typeof FORMATS[keyof typeof FORMATS];
  /** The unit roundoff of the format in which dot products are added up. */
  readonly sumUnit: number;
  /** How many steps are added up in that format before the sum goes on in single precision. */
  readonly sumSteps: number;
}

/** What is expected of one row of the output. */
export interface RowErrors {
  /** Variance of the row's error, summed over its channels. */
  readonly variance: number;
  /** Squared norm of the row. */
  readonly norm2: number;
  /** The largest standard deviation of a channel. */
  readonly largest: number;
  /** Standard deviation of the log-sum-exp. */
  readonly lse: number;
}

/** What a query block sees, and the squared error of each element of these keys and values. */
export interface BlockView {
  readonly block: VisibleBlock;
  readonly keyErrors: Float64Array;
  readonly valueErrors: Float64Array;
}

/** One row of a query block, and the tokens that it sees. */
export interface RowView extends BlockView {
  readonly visible: number;
  readonly query: Float64Array;
  readonly valueDim: number;
}

/** The unit roundoff of single precision. */
export const SINGLE = FORMATS.f32.unit;
/** Tokens whose scores may all have the same error, because their keys are alike. */
export const ALIKE = 64;
/** The share of rows that may be of a kind that is not among 24 rows: three of 24, with 95 % certainty. */
const RARE = 1 / 8;

/** A sum of products, with what its rounding errors depend on. */
export class Sum {
  /** The sum itself, S. */
  total = 0;
  /** The sum of the squared terms, X. */
  squares = 0;
  /** How many terms, n. */
  private terms = 0;
  /** The sum of the squared lengths of runs of equal terms. */
  private runs = 0;
  private run = 0;
  private previous = NaN;

  add(term: number): void {
    this.total += term;
    this.squares += term ** 2;
    this.terms++;
    this.run = Math.abs(term - this.previous) <= SINGLE * Math.abs(term) ? this.run + 1 : 1;
    this.runs += 2 * this.run - 1;
    this.previous = term;
  }

  /**
   * Variance of the sum if it is added up in a format, at most `limit` terms at a time: every product is rounded,
   * and every partial sum. In a random order the squares of n partial sums add up to n (X / 6 + S^2 / 3). Equal
   * terms, one after the other, are rounded alike, which multiplies n by the mean length of their runs.
   */
  variance(unit: number, limit = Infinity): number {
    if (this.terms === 0) return 0;
    const steps = Math.min(this.terms, limit) * Math.min(this.runs / this.terms, limit);
    return unit ** 2 / 3 * (this.squares + steps * (this.squares / 6 + this.total ** 2 / 3));
  }
}

/** Squared error of storing a value: one rounding, or all of it if it is subnormal, for it may be flushed to 0. */
export function storeError2({ unit, normal }: Arithmetic["storage"], value: number): number {
  return (Math.abs(value) < normal ? 1 : unit ** 2 / 3) * value ** 2;
}

/**
 * What a query block sees, with the squared errors of stored means of `count` tokens; inputs are stored already.
 *
 * @param block what it sees
 * @param magnitudes the same tokens pooled from |k| and |v|
 * @param options the kernel's storage, and the dimensions of keys and values
 */
export function blockView(
  block: VisibleBlock,
  magnitudes: VisibleTokens,
  { storage, dim, valueDim }: Pick<Arithmetic, "storage"> & {
    readonly dim: number;
    readonly valueDim: number;
  },
): BlockView {
  const { keys, values, counts } = block.tokens;
  const errors = (means: Float64Array, sizes: Float64Array, width: number) => {
    const result = new Float64Array(counts.length * width);
    for (let t = 0; t < counts.length; t++) {
      const count = counts[t], roundings = Math.log2(count);
      for (let at = t * width; at < (t + 1) * width; at++) {
        const value = means[at];
        result[at] = count === 1
          ? Math.abs(value) < storage.normal ? value ** 2 : 0
          : roundings * storeError2(storage, value) + count * (SINGLE * sizes[at]) ** 2 / 3;
      }
    }
    return result;
  };
  return {
    block,
    keyErrors: errors(keys, magnitudes.keys, dim),
    valueErrors: errors(values, magnitudes.values, valueDim),
  };
}

/** The error of one row of attention that is computed in this arithmetic. */
export function rowErrors(view: RowView, arithmetic: Arithmetic): RowErrors {
  const scores = scoreErrors(view, arithmetic), weightSum = new Sum();
  for (const weight of scores.weights) weightSum.add(weight);
  const row = { ...scores, weightSum, view, arithmetic };
  let variance = 0, norm2 = 0, largest = 0;
  for (let c = 0; c < view.valueDim; c++) {
    const channel = channelError(row, c);
    variance += channel.variance + RARE * channel.tie;
    norm2 += channel.out ** 2;
    largest = Math.max(largest, channel.variance, channel.tie);
  }
  return { variance, norm2, largest: Math.sqrt(largest), lse: Math.sqrt(lseVariance(row)) };
}

/** A row's weights, by how much each may be off, the log-sum-exp, and the error of the largest score. */
export interface Scores {
  readonly weights: Float64Array;
  readonly errors: Float64Array;
  readonly lse: number;
  readonly topError: number;
}

/** What the errors of a row follow from. */
interface Row extends Scores {
  readonly weightSum: Sum;
  readonly view: RowView;
  readonly arithmetic: Arithmetic;
}

/** Variance of a sum of errors that are independent, or the same within runs of tokens that are alike. */
export function movedVariance(length: number, moved: (t: number) => number): number {
  let variance = 0;
  for (let start = 0; start < length; start += ALIKE) {
    let alike = 0;
    for (let t = start; t < Math.min(start + ALIKE, length); t++) {
      const move = moved(t);
      alike += move;
      variance += move ** 2;
    }
    variance += alike ** 2;
  }
  return variance;
}

/**
 * One channel of the output and the variance of its error; also what that would be if the largest weight were
 * torn between two tokens of typical values.
 */
function channelError(
  { weights, errors, topError, weightSum, view, arithmetic }: Row,
  c: number,
): { out: number; variance: number; tie: number } {
  const { visible, valueDim, block: { tokens: { values } }, valueErrors } = view;
  const { storage, sumUnit, sumSteps } = arithmetic;
  const sum = new Sum();
  let pooled = 0, lost = 0, peak = 0, values2 = 0;
  for (let t = 0; t < visible; t++) peak = Math.max(peak, weights[t]);
  for (let t = 0, at = c; t < visible; t++, at += valueDim) {
    sum.add(weights[t] * values[at]);
    pooled += weights[t] ** 2 * valueErrors[at];
    lost += Math.min(weights[t], storage.lost * peak) * Math.abs(values[at]);
    values2 += values[at] ** 2 / visible;
  }
  const out = sum.total;
  const moved = movedVariance(visible, (t) => Math.min(1, errors[t]) * (values[t * valueDim + c] - out));
  const rounded = storage.unit ** 2 / 3 * sum.squares + lost ** 2 + pooled + storeError2(storage, out);
  const summed = sum.variance(sumUnit, sumSteps) + sum.variance(SINGLE) +
    out ** 2 * weightSum.variance(SINGLE);
  const tie = (Math.min(1, topError) * peak / 2) ** 2 * 2 * values2;
  return { out, variance: moved + rounded + summed, tie };
}

/** Variance of the log-sum-exp: scores, rounded weights, their sum, and the three operations that end it. */
function lseVariance({ weights, errors, weightSum, lse, arithmetic }: Row): number {
  if (weights.length === 0) return 0;
  return movedVariance(weights.length, (t) => errors[t]) +
    arithmetic.storage.unit ** 2 / 3 * weightSum.squares + weightSum.variance(SINGLE) + (SINGLE * lse) ** 2;
}

/** The softmax weights of a row, and by how much each may be off. */
export function scoreErrors(
  { visible, query, block: { tokens: { keys, counts }, scale }, keyErrors }: RowView,
  arithmetic: Arithmetic,
): Scores {
  const dim = query.length, weights = new Float64Array(visible), errors = new Float64Array(visible);
  const queryErrors = query.map((x) => storeError2(arithmetic.storage, x));
  for (let t = 0; t < visible; t++) {
    const sum = new Sum();
    let inputs = 0;
    for (let c = 0; c < dim; c++) {
      const at = t * dim + c;
      sum.add(query[c] * keys[at]);
      inputs += query[c] ** 2 * keyErrors[at] + keys[at] ** 2 * queryErrors[c];
    }
    weights[t] = scale * sum.total + Math.log(counts[t]);
    errors[t] = scale ** 2 *
      (inputs + sum.variance(arithmetic.sumUnit, arithmetic.sumSteps) + sum.variance(SINGLE));
  }
  return exponentiate(weights, errors);
}

/**
 * Scores and their variances become weights and errors of weights. To the error of a score come the roundings of
 * the score itself and of the maximum that is subtracted, and the exponential, good to 3 + 2 |x| units in the last
 * place (WGSL), once for the weight and once for every time that a running maximum grew.
 */
function exponentiate(
  scores: Float64Array,
  errors: Float64Array,
): Scores {
  let max = -Infinity, growths = 0, total = 0, topError = 0;
  for (const score of scores) {
    if (score > max) {
      max = score;
      growths++;
    }
  }
  for (const score of scores) total += Math.exp(score - max);
  const lse = max + Math.log(total);
  for (let t = 0; t < scores.length; t++) {
    const exponent = (max - scores[t]) * Math.LOG2E;
    const rounding = SINGLE ** 2 / 3 * (scores[t] ** 2 * 2 + max ** 2);
    const exponential = (2 * SINGLE) ** 2 / 3 * (9 * growths + (2 * exponent) ** 2);
    const error = Math.sqrt(errors[t] + rounding + exponential);
    if (scores[t] === max) topError = error;
    errors[t] = Math.min(error, Math.exp(scores[t] - lse + error) * -Math.expm1(-error)); // p (exp(error) - 1)
    scores[t] = Math.exp(scores[t] - lse);
  }
  return { weights: scores, errors, lse, topError };
}
