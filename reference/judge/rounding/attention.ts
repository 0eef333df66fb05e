/**
 * The effect of roundings on one row of attention, to first order: the variances behind the bounds of tolerance.ts.
 *
 * @module
 */
import type { Arithmetic } from "../arithmetic.ts";
import { channelsOf } from "./channels.ts";
import { type Common, commonVariance } from "./common.ts";
import { ALIKE, movedVariance, scoreErrors, type Scores } from "./scores.ts";
import { halfSums, SINGLE, Sum } from "./sum.ts";
import { storeError2 } from "./pooled.ts";
import type { RowView } from "./view.ts";

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
  /** The variance, summed over channels, if the largest weight were split between two tokens. */
  readonly tie: number;
  /** The bound on the error of each channel. */
  readonly elements: Float64Array;
  /** The largest of these bounds. */
  readonly largest: number;
  /** The bound on the error of the log-sum-exp. */
  readonly lse: number;
}

/** The share of rows that may be of a kind that is not among 24 rows: three of 24, with 95 % certainty. */
const RARE = 1 / 8;

/** How many standard deviations the largest errors stay below. */
export interface Deviations {
  readonly out: number;
  readonly lse: number;
  /** Whether the effect of the query's errors is computed, not drawn: for rows that have bounds of their own. */
  readonly exact?: boolean;
}

/** The error of one row of attention that is computed in this arithmetic. */
export function rowErrors(view: RowView, arithmetic: Arithmetic, deviations: Deviations): RowErrors {
  const scores = scoreErrors(view, arithmetic), weightSum = new Sum();
  for (const weight of scores.weights) weightSum.add(weight);
  const common = commonVariance(view, scores.weights, { arithmetic, exact: deviations.exact });
  const { errors, keyShares } = scores, pooled = keyShares.some((share) => share > 0);
  const ownErrors = errors.map((error, t) => Math.sqrt(1 - keyShares[t]) * Math.min(1, error));
  const keyErrors = pooled
    ? errors.map((error, t) => Math.sqrt(keyShares[t]) * Math.min(1, error))
    : undefined;
  const { byWeight } = scores, sorted = (of: Float64Array) => Float64Array.from(byWeight, (t) => of[t]);
  let peak = 0;
  for (const weight of scores.weights) peak = Math.max(peak, weight);
  const row = {
    ...scores,
    ...{ peak, weightSum, common, view, arithmetic, exact: deviations.exact },
    ...{ sortedWeights: sorted(scores.weights), ownErrors: sorted(ownErrors) },
    keyErrors: keyErrors && sorted(keyErrors),
  };
  const values = new Float64Array(view.valueDim), sizes = { tokens: view.visible, channels: view.valueDim };
  const valueErrors = channelsOf(view.valueErrors, sizes);
  const elements = new Float64Array(view.valueDim);
  let own = 0, sums = 0, sums2 = 0, bias2 = 0, shared = 0, norm2 = 0, ties = 0, largest = 0, c = 0;
  for (const channelValues of channelsOf(view.block.tokens.values, sizes)) {
    const of = { c, values: channelValues, valueErrors: valueErrors.next().value! };
    const channel = channelError(row, of), { tie } = channel;
    own += channel.own + channel.sorted + RARE * tie;
    ties += tie;
    sums += channel.sums;
    sums2 += channel.whole ** 2;
    bias2 += channel.bias ** 2;
    shared += channel.shared;
    values[c] = channel.values;
    norm2 += channel.out ** 2;
    elements[c] = elementBound(channel, deviations.out);
    largest = Math.max(largest, elements[c++]);
  }
  const { variance, bias } = lseError(row), lse = deviations.lse * Math.sqrt(variance) + bias;
  return { own, sums, sums2, bias2, values, shared, norm2, tie: ties, elements, largest, lse };
}

/** The quantities from which the errors of a row follow. */
interface Row extends Scores {
  /** The largest weight. */
  readonly peak: number;
  /** The weights in the order of their size. */
  readonly sortedWeights: Float64Array;
  /** In this order, the errors that are not of pooled keys, and those that are; undefined if no key is pooled. */
  readonly ownErrors: Float64Array;
  readonly keyErrors?: Float64Array;
  readonly weightSum: Sum;
  readonly common: Common;
  readonly view: RowView;
  readonly arithmetic: Arithmetic;
  readonly exact?: boolean;
}

/** The bound on the error of one element, from the parts of its variance. */
function elementBound(
  { own, sorted, shared, values, sums, whole, bias, tie }: ChannelError,
  deviations: number,
): number {
  const rest = own + sorted + shared + values;
  const random = deviations * Math.sqrt(Math.max(tie, rest + sums));
  return Math.min(random, deviations * Math.sqrt(Math.max(tie, rest)) + whole) + bias;
}

/** One channel of the output and the parts of its error, as in {@link RowErrors}. */
interface ChannelError {
  readonly out: number;
  readonly own: number;
  /** What comes to it if products are added up sorted by sign, in half precision: for bounds on parts. */
  readonly sorted: number;
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
  const { weights, peak, ownErrors, keyErrors, topError, weightSum, common, view, arithmetic } = row;
  const { visible } = view;
  const { storage, softmaxUnit, factorUnit, weights: kept, cutSteps } = arithmetic, sum = new Sum();
  let pooled = 0, lost = 0, values2 = 0;
  for (let t = 0; t < visible; t++) {
    sum.add(weights[t] * values[t]);
    pooled += weights[t] ** 2 * valueErrors[t];
    if (weights[t] < kept.lost * peak) lost += weights[t] * values[t];
    values2 += values[t] ** 2 / visible;
  }
  const out = sum.total;
  const sorted = new Float64Array(visible);
  for (let at = 0; at < visible; at++) sorted[at] = values[row.byWeight[at]];
  const moved = movedBy(row, ownErrors, { sorted, out });
  const keys = keyErrors === undefined ? 0 : movedBy(row, keyErrors, { sorted, out });
  // A weight is rounded for the second product, and perhaps by the softmax before; factors are cut, which has a mean.
  const weightUnit2 = (kept.unit ** 2 + softmaxUnit ** 2 + factorUnit ** 2) / 3;
  const least = kept.lost * peak; // what numbers below the normal ones are rounded by
  const coarse = least > 2 ** -100 ? weighted(row, sorted, least) : 0;
  const alike = weightUnit2 > 0 ? weighted(row, sorted, Infinity) : 0;
  const rounded = weightUnit2 * alike + coarse / 3 +
    factorUnit ** 2 / 3 * sum.squares + storeError2(storage, out);
  const halves = halfSums(sum, arithmetic) + out ** 2 * sumOfWeights(weightSum, arithmetic);
  return {
    out,
    own: common.queries[c] + moved + rounded + halves,
    sorted: row.exact ? sum.sortedExcess(arithmetic.sumUnit, arithmetic.sumSteps) : 0,
    sums: sum.variance(SINGLE),
    whole: sum.whole(SINGLE),
    bias: Math.abs(lost) + sum.cutOff(SINGLE, cutSteps) + 2 * factorUnit * Math.abs(out),
    values: pooled,
    shared: common.scales[c] + keys,
    tie: (Math.min(1, topError) * peak / 2) ** 2 * 2 * values2,
  };
}

/** {@link movedVariance} of errors times the distance of values from the output, all in the order of weights. */
function movedBy(
  { runs }: Row,
  errors: Float64Array,
  { sorted, out }: { readonly sorted: Float64Array; readonly out: number },
): number {
  let variance = 0, at = 0;
  for (const end of runs) {
    let alike = 0;
    for (; at < end; at++) {
      const move = errors[at] * (sorted[at] - out);
      alike += move;
      variance += move * move;
    }
    variance += alike * alike;
  }
  return variance;
}

/** The same of weights, each at most so large, times values. */
function weighted({ runs, sortedWeights }: Row, sorted: Float64Array, most: number): number {
  let variance = 0, at = 0;
  for (const end of runs) {
    let alike = 0;
    for (; at < end; at++) {
      const weight = sortedWeights[at], move = (weight < most ? weight : most) * sorted[at];
      alike += move;
      variance += move * move;
    }
    variance += alike * alike;
  }
  return variance;
}

/** Variance of the sum of weights, relative to it: each may be rounded, and so are the sums. */
function sumOfWeights(sum: Sum, { weights, softmaxUnit, sumSteps }: Arithmetic): number {
  const halves = softmaxUnit === 0 ? 0 : sum.variance(softmaxUnit, Math.min(sumSteps, ALIKE));
  return weights.unit ** 2 / 3 * sum.squares + halves + sum.variance(SINGLE);
}

/** The error of the log-sum-exp: scores, what all scores share, rounded weights, their sum, and the three operations that end it. */
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
  const variance = movedVariance(row, (t) => errors[t]) + row.common.lse +
    sumOfWeights(weightSum, arithmetic) + (SINGLE * lse) ** 2;
  return { variance, bias: bias + cut };
}
