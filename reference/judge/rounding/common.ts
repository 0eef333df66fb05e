/**
 * Errors that all scores of a row share: they change the output where keys and values are correlated.
 *
 * @module
 */
import type { Arithmetic } from "../arithmetic.ts";
import { type QueryErrors, storedQuery } from "./query.ts";
import { SINGLE } from "./sum.ts";
import type { RowView } from "./view.ts";
import { seededRandom } from "../../random.ts";

/** Draws of signs from which a variance is estimated: its mean is right, each channel's is good to a half. */
const DRAWS = 4;

/** Variances of every channel of the output, and of the log-sum-exp. */
export interface Common {
  /** By the error of the scale, which all rows have in common. */
  readonly scales: Float64Array;
  /** By those of the row's own query. */
  readonly queries: Float64Array;
  /** Of the log-sum-exp, by those of the query, and of keys where a format cuts factors off. */
  readonly lse: number;
}

/**
 * Variances of every channel of the output by an error of the query, and by one of the scale: an error e_t of a score
 * that is the same linear function of all keys moves the output by sum of p_t e_t (v_t - out), with no regard to how
 * many tokens there are. Signs are drawn for the query's errors: the mean of the squares is the variance. If it has to be
 * `exact`, components that are off by the same share are moved together, and the squares are added.
 */
export function commonVariance(
  view: RowView,
  weights: Float64Array,
  { arithmetic, exact = false }: { readonly arithmetic: Arithmetic; readonly exact?: boolean },
): Common {
  const { visible, query, valueDim, block: { tokens: { keys, values }, scale } } = view;
  const dim = query.length, { factorUnit } = arithmetic, random = seededRandom(1);
  const errors = storedQuery(query, arithmetic), size = scale / Math.sqrt(DRAWS);
  // Factors that are cut off make all scores smaller, each by half a unit on average; a scale is rounded, too.
  const shift = scale * (factorUnit + SINGLE);
  const drawn = () => {
    const signs = Float64Array.from({ length: errors.count }, () => random.uniform() < 0.5 ? -size : size);
    return errors.sizes.map((x, c) => signs[errors.groups[c]] * x);
  };
  const directions = [
    query.map((x) => shift * x),
    ...Array.from({ length: exact ? 0 : DRAWS }, drawn),
  ];
  const scales = new Float64Array(valueDim), queries = new Float64Array(valueDim);
  for (const [index, direction] of directions.entries()) {
    const variance = index === 0 ? scales : queries;
    const moved = new Float64Array(valueDim), out = new Float64Array(valueDim);
    let mean = 0;
    for (let t = 0; t < visible; t++) {
      let error = 0;
      for (let c = 0; c < dim; c++) error += direction[c] * keys[t * dim + c];
      const move = weights[t] * error;
      mean += move;
      for (let c = 0, at = t * valueDim; c < valueDim; c++, at++) {
        moved[c] += move * values[at];
        out[c] += weights[t] * values[at];
      }
    }
    for (let c = 0; c < valueDim; c++) variance[c] += (moved[c] - mean * out[c]) ** 2;
  }
  if (exact) addComponents(view, weights, { errors, queries });
  return { scales, queries, lse: lseVariance(view, weights, { errors, factorUnit }) };
}

/**
 * The variance of the log-sum-exp by errors that do not average out over the tokens: that of the query times the mean
 * key, and those of keys that are cut off, if all keys of a channel are alike.
 */
function lseVariance(
  { visible, query, block: { tokens: { keys }, scale } }: RowView,
  weights: Float64Array,
  { errors, factorUnit }: { readonly errors: QueryErrors; readonly factorUnit: number },
): number {
  const dim = query.length, means = new Float64Array(dim);
  for (let t = 0, at = 0; t < visible; t++) {
    for (let c = 0; c < dim; c++, at++) means[c] += weights[t] * keys[at];
  }
  const cut = means.reduce((sum, mean, c) => sum + (factorUnit * query[c] * mean) ** 2 / 3, 0);
  return scale ** 2 * (errors.variance(means) + cut);
}

/** Adds the variance of every channel by each component of the query: its error times the covariance of keys and values. */
function addComponents(
  { visible, valueDim, block: { tokens: { keys, values }, scale } }: RowView,
  weights: Float64Array,
  { errors, queries }: { readonly errors: QueryErrors; readonly queries: Float64Array },
): void {
  const dim = errors.sizes.length, products = new Float64Array(dim * valueDim);
  const means = new Float64Array(dim), out = new Float64Array(valueDim), moved = new Float64Array(dim);
  for (let t = 0; t < visible; t++) {
    for (let j = 0, at = t * valueDim; j < valueDim; j++, at++) out[j] += weights[t] * values[at];
    for (let c = 0, to = 0; c < dim; c++) {
      const move = weights[t] * keys[t * dim + c];
      means[c] += move;
      for (let j = 0, at = t * valueDim; j < valueDim; j++, at++, to++) products[to] += move * values[at];
    }
  }
  for (let j = 0; j < valueDim; j++) {
    for (let c = 0; c < dim; c++) moved[c] = products[c * valueDim + j] - means[c] * out[j];
    queries[j] += scale ** 2 * errors.variance(moved);
  }
}
