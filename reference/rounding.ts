/**
 * What roundings do to one row of attention, to first order: the variances behind the bounds of tolerance.ts.
 *
 * @module
 */
import type { VisibleBlock, VisibleTokens } from "./visible.ts";

/** Unit roundoff, smallest normal number, and what a weight may lose by underflow, of each format. */
export const FORMATS = {
  f32: { unit: 2 ** -24, normal: 2 ** -126, lost: 2 ** -126 },
  f16: { unit: 2 ** -11, normal: 2 ** -14, lost: 2 ** -25 },
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
  /** Error of the log-sum-exp if the errors of all scores have the same sign. */
  readonly lse: number;
}

/** The tokens that a row sees, and the same tokens pooled from |k| and |v|. */
export interface RowView {
  readonly block: VisibleBlock;
  readonly magnitudes: VisibleTokens;
  readonly visible: number;
  readonly query: Float64Array;
  readonly valueDim: number;
}

const SINGLE = FORMATS.f32.unit;
/** Tokens whose scores may all have the same error, because their keys are alike. */
const ALIKE = 64;

/**
 * Variance of a sum of n products in any order: each product is rounded, and each of the n partial sums. If the
 * order is random, the squares of the partial sums add up to n (X / 6 + S^2 / 3) on average.
 *
 * @param unit unit roundoff
 * @param steps n
 * @param sums X, the sum of the squared products, and S, the sum of the products
 */
export function sumVariance(
  unit: number,
  steps: number,
  { squares, total }: { squares: number; total: number },
): number {
  return unit ** 2 / 3 * (squares + steps * (squares / 6 + total ** 2 / 3));
}

/** Squared error of storing a value: one rounding, or all of it if it is subnormal, for it may be flushed to 0. */
function storeError2({ unit, normal }: Arithmetic["storage"], value: number): number {
  return (Math.abs(value) < normal ? 1 : unit ** 2 / 3) * value ** 2;
}

/** Squared error of a stored mean of `count` tokens of mean magnitude `magnitude`; inputs are stored already. */
function poolError2(
  arithmetic: Arithmetic,
  value: number,
  { magnitude, count }: { magnitude: number; count: number },
): number {
  if (count === 1) return Math.abs(value) < arithmetic.storage.normal ? value ** 2 : 0;
  return Math.log2(count) * storeError2(arithmetic.storage, value) + count * (SINGLE * magnitude) ** 2 / 3;
}

/** The error of one row of attention that is computed in this arithmetic. */
export function rowErrors(view: RowView, arithmetic: Arithmetic): RowErrors {
  const { visible, valueDim, block: { tokens: { values, counts } }, magnitudes } = view;
  const { weights, errors } = scoreErrors(view, arithmetic);
  let variance = 0, norm2 = 0, largest = 0, lse = 0, peak = 0;
  for (let t = 0; t < visible; t++) {
    lse += errors[t];
    peak = Math.max(peak, weights[t]);
  }
  for (let c = 0; c < valueDim; c++) {
    let out = 0;
    for (let t = 0; t < visible; t++) out += weights[t] * values[t * valueDim + c];
    let channel = 0, squares = 0, lost = 0, alike = 0;
    for (let t = 0; t < visible; t++) {
      const value = values[t * valueDim + c], moved = errors[t] * (value - out);
      alike = t % ALIKE === 0 ? moved : alike + moved;
      if (t % ALIKE === ALIKE - 1 || t === visible - 1) channel += alike ** 2;
      const pooled = poolError2(arithmetic, value, {
        magnitude: magnitudes.values[t * valueDim + c],
        count: counts[t],
      });
      channel += moved ** 2 + weights[t] ** 2 * pooled;
      squares += (weights[t] * value) ** 2;
      lost += Math.min(weights[t], arithmetic.storage.lost * peak) * Math.abs(value);
    }
    channel += arithmetic.storage.unit ** 2 / 3 * squares + lost ** 2 + storeError2(arithmetic.storage, out);
    channel += sumVariance(arithmetic.sumUnit, Math.min(visible, arithmetic.sumSteps), {
      squares,
      total: out,
    });
    channel += sumVariance(SINGLE, visible, { squares, total: out });
    variance += channel;
    norm2 += out ** 2;
    largest = Math.max(largest, channel);
  }
  return { variance, norm2, largest: Math.sqrt(largest), lse };
}

/** The softmax weights of a row, and by how much each may be off. */
function scoreErrors(
  { visible, query, block: { tokens: { keys, counts }, scale }, magnitudes }: RowView,
  arithmetic: Arithmetic,
): { weights: Float64Array; errors: Float64Array } {
  const dim = query.length, weights = new Float64Array(visible), errors = new Float64Array(visible);
  const steps = Math.min(dim, arithmetic.sumSteps);
  for (let t = 0; t < visible; t++) {
    let total = 0, squares = 0, inputs = 0;
    for (let c = 0; c < dim; c++) {
      const at = t * dim + c, product = query[c] * keys[at];
      total += product;
      squares += product ** 2;
      inputs += query[c] ** 2 *
        poolError2(arithmetic, keys[at], { magnitude: magnitudes.keys[at], count: counts[t] });
      inputs += keys[at] ** 2 * storeError2(arithmetic.storage, query[c]);
    }
    weights[t] = scale * total + Math.log(counts[t]);
    errors[t] = scale ** 2 * (inputs + sumVariance(arithmetic.sumUnit, steps, { squares, total })) +
      scale ** 2 * sumVariance(SINGLE, dim, { squares, total });
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
): { weights: Float64Array; errors: Float64Array } {
  let max = -Infinity, growths = 0, total = 0;
  for (const score of scores) {
    if (score > max) {
      max = score;
      growths++;
    }
  }
  for (let t = 0; t < scores.length; t++) {
    const exponent = (max - scores[t]) * Math.LOG2E;
    const rounding = SINGLE ** 2 / 3 * (scores[t] ** 2 * 2 + max ** 2);
    const exponential = (2 * SINGLE) ** 2 / 3 * (9 * growths + (2 * exponent) ** 2);
    errors[t] = Math.sqrt(errors[t] + rounding + exponential);
    total += scores[t] = Math.exp(scores[t] - max);
  }
  for (let t = 0; t < scores.length; t++) {
    scores[t] /= total;
    errors[t] = Math.min(1, scores[t] * Math.expm1(errors[t]));
  }
  return { weights: scores, errors };
}
