/**
 * The effect of roundings on one row of attention, to first order: the variances behind the bounds of tolerance.ts.
 *
 * @module
 */
import type { Arithmetic } from "../arithmetic.ts";
import { channelsOf } from "./channels.ts";
import { type Common, commonVariance } from "./common.ts";
import { SINGLE, Sum } from "./sum.ts";
import { type RowView, storeError2 } from "./view.ts";

/** The expected errors of one row of the output: variances and squares are summed over its channels. */
export interface RowErrors {
  /** Variance of errors of this row alone, without the sums of the second product. */
  readonly own: number;
  /** Variance of these sums in single precision. */
  readonly sums: number;
  /** Square of the largest error of these sums, with all roundings in one direction. */
  readonly sums2: number;
  /** Square of errors in one direction: truncated sums and lost weights. */
  readonly bias2: number;
  /** Variance of every channel from pooled values, which all rows share. */
  readonly values: Float64Array;
  /** Variance from other errors that all rows share: pooled keys and the scale. */
  readonly shared: number;
  /** Squared norm of the row. */
  readonly norm2: number;
  /** The bound on the largest error of a channel. */
  readonly largest: number;
  /** The bound on the error of the log-sum-exp. */
  readonly lse: number;
}

/** Tokens whose scores may all have the same error, because their keys are alike. */
export const ALIKE = 64;
/**
 * Weights that differ by less than this part of them are rounded alike, or by half a unit of a format that they are in.
 */
const EQUAL = 2 ** -13;
/** The share of rows that may be of a kind that is not among 24 rows: three of 24, with 95 % certainty. */
const RARE = 1 / 8;

/** How many standard deviations the largest errors stay below. */
export interface Deviations {
  readonly out: number;
  readonly lse: number;
}

/** The error of one row of attention that is computed in this arithmetic. */
export function rowErrors(view: RowView, arithmetic: Arithmetic, deviations: Deviations): RowErrors {
  const scores = scoreErrors(view, arithmetic), weightSum = new Sum();
  for (const weight of scores.weights) weightSum.add(weight);
  const common = commonVariance(view, scores.weights, arithmetic);
  const { errors, keyShares } = scores, pooled = keyShares.some((share) => share > 0);
  const ownErrors = errors.map((error, t) => Math.sqrt(1 - keyShares[t]) * Math.min(1, error));
  const keyErrors = pooled
    ? errors.map((error, t) => Math.sqrt(keyShares[t]) * Math.min(1, error))
    : undefined;
  const row = { ...scores, ownErrors, keyErrors, weightSum, common, view, arithmetic };
  const values = new Float64Array(view.valueDim), sizes = { tokens: view.visible, channels: view.valueDim };
  const valueErrors = channelsOf(view.valueErrors, sizes);
  let own = 0, sums = 0, sums2 = 0, bias2 = 0, shared = 0, norm2 = 0, largest = 0, c = 0;
  for (const channelValues of channelsOf(view.block.tokens.values, sizes)) {
    const of = { c, values: channelValues, valueErrors: valueErrors.next().value! };
    const channel = channelError(row, of), { tie } = channel;
    own += channel.own + RARE * tie;
    sums += channel.sums;
    sums2 += channel.whole ** 2;
    bias2 += channel.bias ** 2;
    shared += channel.shared;
    values[c++] = channel.values;
    norm2 += channel.out ** 2;
    const rest = channel.own + channel.shared + channel.values;
    const random = Math.max(tie, rest + channel.sums);
    const whole = deviations.out * Math.sqrt(Math.max(tie, rest)) + channel.whole;
    largest = Math.max(largest, Math.min(deviations.out * Math.sqrt(random), whole) + channel.bias);
  }
  const { variance, bias } = lseError(row), lse = deviations.lse * Math.sqrt(variance) + bias;
  return { own, sums, sums2, bias2, values, shared, norm2, largest, lse };
}

/** A row's weights, by how much each may be off, the log-sum-exp, and the error of the largest score. */
export interface Scores {
  readonly weights: Float64Array;
  readonly errors: Float64Array;
  /** The share of each error's variance that comes from a pooled key. */
  readonly keyShares: Float64Array;
  readonly lse: number;
  readonly topError: number;
  /** Where runs of tokens whose scores are alike end, in the order `byWeight`. */
  readonly runs: readonly number[];
  readonly byWeight: Uint32Array;
}

/** The quantities from which the errors of a row follow. */
interface Row extends Scores {
  /** The errors that are not of pooled keys, and those that are; undefined if no key is pooled. */
  readonly ownErrors: Float64Array;
  readonly keyErrors?: Float64Array;
  readonly weightSum: Sum;
  readonly common: Common;
  readonly view: RowView;
  readonly arithmetic: Arithmetic;
}

/** Tokens in the order of their weights, and the ends of runs: 64 neighbours, or more if weights are equal. */
function alikeRuns(
  weights: Float64Array,
  { weights: kept, softmaxUnit }: Arithmetic,
): Pick<Scores, "runs" | "byWeight"> {
  const equal = Math.max(EQUAL, kept.unit / 2, softmaxUnit / 2);
  const lost = kept.lost / 2 * weights.reduce((most, weight) => Math.max(most, weight), 0);
  const byWeight = Uint32Array.from(weights.keys()).sort((a, b) => weights[a] - weights[b]),
    runs: number[] = [];
  for (let end = ALIKE; end < byWeight.length; end += ALIKE) {
    const last = weights[byWeight[end - 1]] * (1 + equal) + lost;
    while (end < byWeight.length && weights[byWeight[end]] <= last) end++;
    runs.push(end);
  }
  if (runs.at(-1) !== byWeight.length) runs.push(byWeight.length);
  return { runs, byWeight };
}

/** Variance of a sum of errors that are independent, or the same within runs of tokens whose scores are alike. */
export function movedVariance(
  { runs, byWeight }: Pick<Scores, "runs" | "byWeight">,
  moved: (t: number) => number,
): number {
  let variance = 0, at = 0;
  for (const end of runs) {
    let alike = 0;
    for (; at < end; at++) {
      const move = moved(byWeight[at]);
      alike += move;
      variance += move * move;
    }
    variance += alike * alike;
  }
  return variance;
}

/** One channel of the output and the parts of its error, as in {@link RowErrors}. */
interface ChannelError {
  readonly out: number;
  readonly own: number;
  readonly sums: number;
  readonly whole: number;
  readonly bias: number;
  readonly values: number;
  readonly shared: number;
  /** The variance if the largest weight were split between two tokens with typical values. */
  readonly tie: number;
}

/** A channel of the values: its number, its values and their squared errors by token. */
interface Channel {
  readonly c: number;
  readonly values: Float64Array;
  readonly valueErrors: Float64Array;
}

/** The error of one channel of the output. */
function channelError(row: Row, { c, values, valueErrors }: Channel): ChannelError {
  const { weights, ownErrors, keyErrors, topError, weightSum, common, view, arithmetic } = row;
  const { visible } = view;
  const { storage, softmaxUnit, factorUnit, weights: kept, cutSteps } = arithmetic, sum = new Sum();
  let pooled = 0, lost = 0, peak = 0, values2 = 0;
  for (let t = 0; t < visible; t++) peak = Math.max(peak, weights[t]);
  for (let t = 0; t < visible; t++) {
    sum.add(weights[t] * values[t]);
    pooled += weights[t] ** 2 * valueErrors[t];
    if (weights[t] < kept.lost * peak) lost += weights[t] * values[t];
    values2 += values[t] ** 2 / visible;
  }
  const out = sum.total;
  const movedBy = (errors: Float64Array) => movedVariance(row, (t) => errors[t] * (values[t] - out));
  const moved = movedBy(ownErrors), keys = keyErrors === undefined ? 0 : movedBy(keyErrors);
  // A weight is rounded for the second product, and perhaps by the softmax before; factors are cut, which has a mean.
  const weightUnit2 = (kept.unit ** 2 + softmaxUnit ** 2 + factorUnit ** 2) / 3;
  const least = kept.lost * peak; // what numbers below the normal ones are rounded by
  const coarse = least > 2 ** -100 ? movedVariance(row, (t) => Math.min(least, weights[t]) * values[t]) : 0;
  const alike = weightUnit2 > 0 ? movedVariance(row, (t) => weights[t] * values[t]) : 0;
  const rounded = weightUnit2 * alike + coarse / 3 +
    factorUnit ** 2 / 3 * sum.squares + storeError2(storage, out);
  const halves = halfSums(sum, arithmetic) + out ** 2 * sumOfWeights(weightSum, arithmetic);
  return {
    out,
    own: common.queries[c] + moved + rounded + halves,
    sums: sum.variance(SINGLE),
    whole: sum.whole(SINGLE),
    bias: Math.abs(lost) + sum.cutOff(SINGLE, cutSteps) + 2 * factorUnit * Math.abs(out),
    values: pooled,
    shared: common.scales[c] + keys,
    tie: (Math.min(1, topError) * peak / 2) ** 2 * 2 * values2,
  };
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
function halfSums(sum: Sum, { sumUnit, sumSteps }: Arithmetic): number {
  return sumSteps < Infinity ? sum.variance(sumUnit, sumSteps) : 0;
}

/** Variance of the sum of weights, relative to it: each may be rounded, and so are the sums. */
function sumOfWeights(sum: Sum, { weights, softmaxUnit, sumSteps }: Arithmetic): number {
  const halves = softmaxUnit === 0 ? 0 : sum.variance(softmaxUnit, Math.min(sumSteps, ALIKE));
  return weights.unit ** 2 / 3 * sum.squares + halves + sum.variance(SINGLE);
}

/** The error of the log-sum-exp: scores, rounded weights, their sum, and the three operations that end it. */
function lseError(row: Row): { readonly variance: number; readonly bias: number } {
  const { weights, errors, weightSum, lse, arithmetic } = row;
  if (weights.length === 0) return { variance: 0, bias: 0 };
  const units = SINGLE + arithmetic.softmaxUnit; // exponentials may all be off in one direction: 3 + 2 |x| units
  let bias = 0, max = 0, score = 0;
  for (const weight of weights) max = Math.max(max, weight);
  for (const weight of weights) {
    if (weight === 0) continue;
    bias += weight * (3 + 2 * (Math.log2(max) - Math.log2(weight))) * units;
    score += weight * (lse + Math.log(weight));
  }
  const cut = 2 * arithmetic.factorUnit * Math.abs(score); // and so may scores, two factors of which are cut
  const variance = movedVariance(row, (t) => errors[t]) + sumOfWeights(weightSum, arithmetic) +
    (SINGLE * lse) ** 2;
  return { variance, bias: bias + cut };
}

/** The softmax weights of a row, and by how much each may be off. */
export function scoreErrors(
  { visible, query, block: { tokens: { keys, counts }, scale }, keyErrors }: RowView,
  arithmetic: Arithmetic,
): Scores {
  const { factorUnit, scoreUnit } = arithmetic, dim = query.length, sum = new Sum();
  const weights = new Float64Array(visible), errors = new Float64Array(visible);
  const keyShares = new Float64Array(visible);
  const queryErrors = query.map((x) => storeError2(arithmetic.queries, x));
  for (let t = 0; t < visible; t++) {
    sum.clear();
    let fromKey = 0, fromQuery = 0;
    for (let c = 0; c < dim; c++) {
      const at = t * dim + c;
      sum.add(query[c] * keys[at]);
      fromKey += query[c] ** 2 * keyErrors[at];
      fromQuery += keys[at] ** 2 * queryErrors[c];
    }
    weights[t] = scale * sum.total + Math.log(counts[t]);
    errors[t] = scale ** 2 *
        (fromKey + fromQuery + productSum(sum, arithmetic) + factorUnit ** 2 * 2 / 3 * sum.squares) +
      (factorUnit ** 2 + scoreUnit ** 2 / 3) * weights[t] ** 2;
    if (fromKey > 0) keyShares[t] = scale ** 2 * fromKey / errors[t];
  }
  return { ...exponentiate(weights, errors, arithmetic), keyShares };
}

/**
 * Scores and their variances become weights and errors of weights. To the error of a score come the roundings of
 * the score itself and of the maximum that is subtracted, and the exponential, good to 3 + 2 |x| units in the last
 * place (WGSL), once for the weight and once for every time that a running maximum grew.
 */
function exponentiate(
  scores: Float64Array,
  errors: Float64Array,
  arithmetic: Arithmetic,
): Omit<Scores, "keyShares"> {
  const { softmaxUnit } = arithmetic;
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
    const half = softmaxUnit ** 2 / 3 * (1 + 2 * exponent ** 2); // difference, its product with log2 e, exponential
    const error = Math.sqrt(errors[t] + rounding + exponential + half);
    if (scores[t] === max) topError = error;
    errors[t] = Math.min(error, Math.exp(scores[t] - lse + error) * -Math.expm1(-error)); // p (exp(error) - 1)
    scores[t] = Math.exp(scores[t] - lse);
  }
  return { weights: scores, errors, lse, topError, ...alikeRuns(scores, arithmetic) };
}
