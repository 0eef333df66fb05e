/**
 * The effect of roundings on the scores and the softmax weights of one row.
 *
 * @module
 */
import type { Arithmetic } from "../arithmetic.ts";
import { productSum, SINGLE, Sum } from "./sum.ts";
import { QueryErrors } from "./query.ts";
import { storeError2 } from "./pooled.ts";
import type { RowView } from "./view.ts";

/** Tokens whose scores may all have the same error, because their keys are alike. */
export const ALIKE = 64;
/**
 * Weights that differ by less than this part of them are rounded alike, or by half a unit of a format that they are in,
 * or if their scores differ by less than half a unit of the format that these are in.
 */
const EQUAL = 2 ** -13;
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

/** Tokens in the order of their weights, and the ends of runs: 64 neighbours, or more if weights are equal. */
function alikeRuns(
  weights: Float64Array,
  { weights: kept, softmaxUnit, scoreUnit }: Arithmetic,
  max: number,
): Pick<Scores, "runs" | "byWeight"> {
  const score = max + Math.log(weights.length); // the size of scores that count
  const equal = Math.max(EQUAL, kept.unit / 2, softmaxUnit / 2, Math.expm1(scoreUnit / 2 * score));
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

/** The softmax weights of a row, and by how much each may be off. */
export function scoreErrors(
  { visible, query, block: { tokens: { keys, counts }, scale }, pooledKeys }: RowView,
  arithmetic: Arithmetic,
): Scores {
  const { factorUnit, scoreUnit } = arithmetic, dim = query.length, sum = new Sum();
  const weights = new Float64Array(visible), errors = new Float64Array(visible);
  const keyShares = new Float64Array(visible);
  const stored = new QueryErrors(query, (x) => storeError2(arithmetic.queries, x));
  for (let t = 0; t < visible; t++) {
    sum.clear();
    for (let c = 0; c < dim; c++) sum.add(query[c] * keys[t * dim + c]);
    const fromKey = scale ** 2 * pooledKeys.variance(t, query);
    weights[t] = scale * sum.total + Math.log(counts[t]);
    errors[t] = fromKey + scale ** 2 *
        (stored.variance(keys, t * dim) + productSum(sum, arithmetic) +
          factorUnit ** 2 * 2 / 3 * sum.squares) +
      (factorUnit ** 2 + scoreUnit ** 2 / 3) * weights[t] ** 2;
    if (fromKey > 0) keyShares[t] = fromKey / errors[t];
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
  return { weights: scores, errors, lse, topError, ...alikeRuns(scores, arithmetic, Math.abs(max)) };
}
