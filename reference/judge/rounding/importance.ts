/**
 * The effect of roundings on importance, to first order: the variances behind the bounds of tolerance.ts.
 *
 * @module
 */
import { QueryErrors } from "./query.ts";
import { storeError2 } from "./pooled.ts";
import type { Arithmetic } from "../arithmetic.ts";
import { DEVIATIONS, productSum, SINGLE, Sum } from "./sum.ts";
import { blockMeans, type HeadTokens, strideGroups } from "../../importance/scores.ts";
import type { Tensor } from "../../tensor.ts";

/** The parameters of a score. */
interface ScoreOptions {
  readonly scale: number;
  readonly arithmetic: Arithmetic;
  /** Squared error of an element of a query or key that the kernel has pooled; left out: 0, for it reads them. */
  readonly pooled?: (value: number) => number;
}

/**
 * The scores of query `i`, and the variance of the error of each: dot products, of which the query is scaled before and
 * perhaps stored, and the score perhaps, as by a kernel that computes it in one pass and its softmax in another.
 */
function scoreRow(
  q: HeadTokens,
  k: HeadTokens,
  { i, scale, arithmetic, pooled = () => 0 }: ScoreOptions & { readonly i: number },
): { readonly scores: Float64Array; readonly variance: (j: number) => number } {
  const dim = q.shape[3], { queries, scoreUnit, factorUnit } = arithmetic, sum = new Sum();
  const scores = new Float64Array(k.shape[2]), query = q.data.subarray(i * dim, (i + 1) * dim);
  for (let j = 0; j < scores.length; j++) {
    let sum = 0;
    for (let c = 0; c < dim; c++) sum += query[c] * k.data[j * dim + c];
    scores[j] = scale * sum;
  }
  const stored = new QueryErrors(query, (x) => storeError2(queries, x) + pooled(x));
  const variance = (j: number) => {
    sum.clear();
    let inputs = stored.variance(k.data, j * dim);
    for (let c = 0; c < dim; c++) {
      const key = k.data[j * dim + c];
      sum.add(query[c] * key);
      inputs += query[c] ** 2 * pooled(key);
    }
    const factors = factorUnit ** 2 * (2 / 3 * sum.squares + sum.total ** 2);
    return scale ** 2 * (inputs + factors + productSum(sum, arithmetic, DEVIATIONS)) +
      (scoreUnit ** 2 + SINGLE ** 2) / 3 * scores[j] ** 2;
  };
  return { scores, variance };
}

/** Importance of one head, by query block and key block, and the variance of each element. */
export interface ImportanceErrors {
  readonly importance: Float64Array;
  readonly variance: Float64Array;
}

/**
 * Squared relative error of exp(-x): 3 + 2 |x| units in the last place (WGSL), of x / ln 2 in base 2; in a half format,
 * the roundings of the difference, of its product with log2 e, and of the exponential.
 */
function exponentialError2(x: number, { softmaxUnit }: Arithmetic): number {
  const exponent = x * Math.LOG2E;
  return (SINGLE * (3 + 2 * Math.abs(exponent))) ** 2 + softmaxUnit ** 2 / 3 * (1 + 2 * exponent ** 2);
}

/**
 * Variances of w_j / sum of w, where w_j has a relative error of variance e_j: its own, and the sum's, which is stored.
 */
function shareVariances(
  shares: Float64Array,
  relative: Float64Array,
  { storage, softmaxUnit }: Arithmetic,
): Float64Array {
  const total = new Sum();
  let sum = 0;
  for (let j = 0; j < shares.length; j++) {
    sum += shares[j] ** 2 * Math.min(1, relative[j]);
    if (softmaxUnit > 0) total.add(shares[j]);
  }
  const summed = sum + total.variance(softmaxUnit, 64) + storage.unit ** 2 / 3;
  return shares.map((share, j) => share ** 2 * (Math.min(1, relative[j]) + summed));
}

/** Blocks of queries and keys in groups of a kind of importance: query rows and key columns that make one entry. */
interface ImportanceGroups {
  readonly q: HeadTokens;
  readonly k: HeadTokens;
  readonly groupQ: number;
  readonly groupK: number;
  readonly scale: number;
}

/** How many standard deviations a score may be off where it is asked which of two is larger. */
const REACH = 8;

/** Whether the second of two numbers may be the larger one, if both are off by what these variances allow. */
function mayPass(larger: number, smaller: number, variances: readonly [number, number]): boolean {
  return larger - smaller <= REACH * (Math.sqrt(variances[0]) + Math.sqrt(variances[1]));
}

/** The largest score of each group of keys, and the largest variance of those that may be it. */
function groupBests(
  { scores, variance }: ReturnType<typeof scoreRow>,
  groupK: number,
): { readonly scores: Float64Array; readonly variances: Float64Array } {
  const columns = Math.ceil(scores.length / groupK);
  const best = new Float64Array(columns), variances = new Float64Array(columns);
  for (let j = 0; j < columns; j++) {
    const end = Math.min((j + 1) * groupK, scores.length);
    let at = j * groupK;
    for (let t = at; t < end; t++) if (scores[t] > scores[at]) at = t;
    const own = variance(at);
    best[j] = scores[at];
    variances[j] = own;
    for (let t = j * groupK; t < end; t++) {
      if (t === at || scores[at] - scores[t] > 4 * REACH * Math.sqrt(own)) continue;
      const other = variance(t);
      if (mayPass(scores[at], scores[t], [own, other])) variances[j] = Math.max(variances[j], other);
    }
  }
  return { scores: best, variances };
}

/**
 * The largest score of each key group as a weight, exp(g - top), of these the largest over the query group, rows
 * divided by their sum. Both the score and the top that it is compared with have the error of a dot product; a top
 * that no other score may pass has the weight 1. The largest of numbers with errors is off by no more than the worst of
 * those that may be the largest.
 */
function groupMaxErrors(
  { q, k, groupQ, groupK, scale }: ImportanceGroups,
  arithmetic: Arithmetic,
): ImportanceErrors {
  const rows = Math.ceil(q.shape[2] / groupQ), columns = Math.ceil(k.shape[2] / groupK);
  const importance = new Float64Array(rows * columns), variance = new Float64Array(rows * columns);
  for (let m = 0; m < rows; m++) {
    const queries = Math.min((m + 1) * groupQ, q.shape[2]) - m * groupQ;
    const exponents = new Float64Array(queries * columns), errors = new Float64Array(queries * columns);
    for (let i = 0; i < queries; i++) {
      const { scores, variances } = groupBests(
        scoreRow(q, k, { i: m * groupQ + i, scale, arithmetic }),
        groupK,
      );
      let top = 0;
      for (let j = 1; j < columns; j++) if (scores[j] > scores[top]) top = j;
      let rival = 0; // the variance of what may pass the top
      for (let j = 0; j < columns; j++) {
        if (j !== top && mayPass(scores[top], scores[j], [variances[top], variances[j]])) {
          rival = Math.max(rival, variances[j]);
        }
      }
      for (let j = 0; j < columns; j++) {
        const x = scores[j] - scores[top], at = i * columns + j;
        const own = j === top
          ? rival > 0 ? variances[top] + rival : 0
          : variances[j] + Math.max(rival, variances[top]);
        exponents[at] = x;
        errors[at] = own + exponentialError2(x, arithmetic);
      }
    }
    const weights = new Float64Array(columns), relative = new Float64Array(columns);
    for (let j = 0; j < columns; j++) {
      let best = j;
      for (let at = j; at < exponents.length; at += columns) if (exponents[at] > exponents[best]) best = at;
      weights[j] = Math.exp(exponents[best]);
      for (let at = j; at < exponents.length; at += columns) {
        if (mayPass(exponents[best], exponents[at], [errors[best], errors[at]])) {
          relative[j] = Math.max(relative[j], errors[at]);
        }
      }
    }
    const total = weights.reduce((sum, weight) => sum + weight, 0), shares = weights.map((w) => w / total);
    importance.set(shares, m * columns);
    variance.set(shareVariances(shares, relative, arithmetic), m * columns);
  }
  return { importance, variance };
}

/**
 * Softmax over key groups (`visible(i)` of them), summed over the groups of a block. Errors of neighbouring groups
 * may be independent or the same: both variances are added.
 */
function softmaxSumErrors(
  { q, k, groupQ, groupK, scale }: ImportanceGroups,
  arithmetic: Arithmetic,
  { visible, pooled }: {
    readonly visible: (i: number) => number;
    readonly pooled?: (value: number) => number;
  },
): ImportanceErrors {
  const rows = Math.ceil(q.shape[2] / groupQ), columns = Math.ceil(k.shape[2] / groupK);
  const importance = new Float64Array(rows * columns), variance = new Float64Array(rows * columns);
  for (let i = 0; i < q.shape[2]; i++) {
    const { scores, variance: scoreVariance } = scoreRow(q, k, { i, scale, arithmetic, pooled });
    const seen = scores.subarray(0, visible(i)), max = seen.reduce((most, s) => Math.max(most, s), -Infinity);
    const total = seen.reduce((sum, score) => sum + Math.exp(score - max), 0);
    const shares = seen.map((score) => Math.exp(score - max) / total);
    const relative = seen.map((score, c) => scoreVariance(c) + exponentialError2(score - max, arithmetic));
    const own = shareVariances(shares, relative, arithmetic), row = Math.floor(i / groupQ) * columns;
    for (let j = 0; j * groupK < seen.length; j++) {
      let alike = 0;
      for (let c = j * groupK; c < Math.min((j + 1) * groupK, seen.length); c++) {
        importance[row + j] += shares[c];
        variance[row + j] += own[c];
        if (groupK > 1) variance[row + j] += storeError2(arithmetic.weights, shares[c]);
        if (groupK > 1) alike += Math.sqrt(own[c]);
      }
      variance[row + j] += alike ** 2 + SINGLE ** 2 * importance[row + j] ** 2;
    }
  }
  return { importance, variance };
}

/** Squared error of the mean of a block that is added up in single precision and stored. */
function meanError2(value: number, { storage }: Arithmetic): number {
  return storeError2(storage, value) + (SINGLE * value) ** 2;
}

/** Kinds of importance, with what each needs. `full` takes every token where `groupmax` takes those that it is given. */
export type ImportanceKind =
  | { readonly kind: "groupmax"; readonly groupQ: number; readonly groupK: number }
  | { readonly kind: "pooled"; readonly blockM: number; readonly blockN: number }
  | {
    readonly kind: "antidiagonal";
    readonly blockM: number;
    readonly blockN: number;
    readonly stride: number;
    readonly causal?: boolean;
  };

/** The expected errors of the importance of one head. */
export function importanceErrors(
  q: Tensor<Float64Array>,
  k: Tensor<Float64Array>,
  { arithmetic, scale, ...options }: ImportanceKind & {
    readonly arithmetic: Arithmetic;
    readonly scale: number;
  },
): ImportanceErrors {
  if (options.kind === "groupmax") return groupMaxErrors({ ...options, q, k, scale }, arithmetic);
  const { blockM, blockN } = options;
  if (options.kind === "pooled") {
    const means = { q: blockMeans(q, blockM), k: blockMeans(k, blockN), groupQ: 1, groupK: 1, scale };
    const pooled = (value: number) => meanError2(value, arithmetic);
    return softmaxSumErrors(means, arithmetic, { visible: () => means.k.shape[2], pooled });
  }
  const { stride, causal = false } = options, shift = Math.floor((k.shape[2] - q.shape[2]) / stride);
  const groups = { q: strideGroups(q, stride, true), k: strideGroups(k, stride, false) };
  const length = groups.k.shape[2], sizes = { groupQ: blockM / stride, groupK: blockN / stride };
  const visible = (i: number) => causal ? Math.max(0, Math.min(length, i + shift + 1)) : length;
  return softmaxSumErrors({ ...groups, ...sizes, scale: scale / stride }, arithmetic, { visible });
}
