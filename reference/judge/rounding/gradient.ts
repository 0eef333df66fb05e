/**
 * The effect of roundings on the gradients of one head, to first order: the variances behind the bounds of tolerance.ts.
 *
 * @module
 */
import { ALIKE, movedVariance, scoreErrors, type Scores } from "./scores.ts";
import { storeError2 } from "./pooled.ts";
import type { BlockView, RowView } from "./view.ts";
import type { Arithmetic } from "../arithmetic.ts";
import { DEVIATIONS, productSum, SINGLE, Sum, sumVariance } from "./sum.ts";
import type { FloatData } from "../../tensor.ts";
import type { VisibleTokens } from "../../attention/visible.ts";

/** A gradient and the variance of each of its elements. */
export class GradientErrors {
  readonly gradient: Float64Array;
  readonly variance: Float64Array;

  constructor(readonly dim: number, tokens: number) {
    this.gradient = new Float64Array(tokens * dim);
    this.variance = new Float64Array(tokens * dim);
  }
}

/** A row of the gradients of scores and weights, with the variances of their errors. */
interface ScoreGradient {
  readonly ds: Float64Array;
  readonly dsVariance: Float64Array;
  readonly weights: Float64Array;
  readonly weightVariance: Float64Array;
  readonly runs: Pick<Scores, "runs" | "byWeight">;
}

/**
 * Sums over query rows for every pooled token of a query block: gradient = factor * sum of term * row. Errors of the
 * terms of neighbouring rows may be independent or the same; both variances are added, as for outputs.
 */
class TokenSums {
  private readonly total: Float64Array;
  private readonly squares: Float64Array;
  private readonly variance: Float64Array;
  private readonly alike: Float64Array;
  private readonly absolute: Float64Array;
  private readonly chunk: Float64Array;
  private readonly partials: Float64Array;
  private readonly halves: Float64Array;
  private readonly terms: Float64Array;
  private rows = 0;

  constructor(
    private readonly tokens: number,
    private readonly dim: number,
    private readonly factor: number,
  ) {
    const make = () => new Float64Array(tokens * dim);
    [this.total, this.squares, this.variance, this.alike] = [make(), make(), make(), make()];
    [this.absolute, this.chunk, this.partials, this.halves] = [make(), make(), make(), make()];
    this.terms = new Float64Array(tokens);
  }

  /** Adds a query row: `terms` may be shorter than the tokens, if the row does not see all. */
  add(terms: Float64Array, variances: Float64Array, row: ArrayLike<number>): void {
    for (let t = 0; t < terms.length; t++) {
      const spread = Math.sqrt(variances[t]);
      this.terms[t]++;
      for (let c = 0, at = t * this.dim; c < this.dim; c++, at++) {
        const term = terms[t] * row[c], error = spread * row[c];
        this.total[at] += term;
        this.squares[at] += term ** 2;
        this.absolute[at] += Math.abs(term);
        this.chunk[at] += term;
        this.partials[at] += this.chunk[at] ** 2;
        this.variance[at] += error ** 2;
        this.alike[at] += error;
      }
    }
    if (++this.rows % ALIKE === 0) this.flush();
  }

  /**
   * Ends a run of rows: what their errors add up to if they are the same, and the squares of their partial sums. To
   * these comes a share of the sum itself, which partial sums end in.
   */
  private flush(): void {
    const rows = this.rows % ALIKE || ALIKE;
    for (let at = 0; at < this.alike.length; at++) {
      this.variance[at] += this.alike[at] ** 2;
      this.halves[at] += this.partials[at] + rows / 3 * this.chunk[at] ** 2;
    }
    for (const each of [this.alike, this.chunk, this.partials]) each.fill(0);
  }

  /** Shares the sums equally among the tokens that a pooled token averages; copies of the last are the last. */
  unpool(
    into: GradientErrors,
    { first, counts }: VisibleTokens,
    { storage, sumUnit, sumSteps, ...factors }: Arithmetic,
  ): void {
    this.flush();
    const last = into.gradient.length / this.dim - 1;
    for (let t = 0; t < this.tokens; t++) {
      const terms = this.terms[t];
      for (let c = 0, at = t * this.dim; c < this.dim; c++, at++) {
        const total = this.factor * this.total[at], squares = this.factor ** 2 * this.squares[at];
        const sum = { total, squares, absolute: Math.abs(this.factor) * this.absolute[at], terms };
        const halves = sumSteps < Infinity
          ? sumUnit ** 2 / 3 * (squares + this.factor ** 2 * this.halves[at])
          : 0;
        const summed = halves + sumVariance(sum, SINGLE) + cutFactors(sum, factors);
        const variance = (this.factor ** 2 * this.variance[at] + summed) / counts[t] ** 2 +
          (counts[t] > 1 ? storeError2(storage, total / counts[t]) : 0);
        for (let i = 0; i < counts[t]; i++) {
          const to = Math.min(first[t] + i, last) * this.dim + c;
          into.gradient[to] += total / counts[t];
          into.variance[to] += variance + SINGLE ** 2 / 3 * into.gradient[to] ** 2;
        }
      }
    }
  }
}

/** Variance of a sum of products whose factors are cut off: each by its own, and all towards 0. */
function cutFactors(
  { squares, total }: { readonly squares: number; readonly total: number },
  { factorUnit }: Pick<Arithmetic, "factorUnit">,
): number {
  return factorUnit ** 2 * (2 / 3 * squares + total ** 2);
}

/** One query block of a head: what it sees, queries, and gradients of outputs. */
export interface GradientBlock extends BlockView {
  readonly q: FloatData;
  readonly dout: FloatData;
}

/** Adds what one query block contributes to the gradients of its head, and to their errors. */
export function addGradientErrors(
  { q, dout, ...seen }: GradientBlock,
  arithmetic: Arithmetic,
  { dq, dk, dv }: { dq: GradientErrors; dk: GradientErrors; dv: GradientErrors },
): void {
  const { block } = seen,
    { tokens, rows, scale } = block,
    dim = dq.dim,
    valueDim = dv.dim,
    count = tokens.counts.length;
  const keySums = new TokenSums(count, dim, scale), valueSums = new TokenSums(count, valueDim, 1);
  for (let row = rows.first; row < rows.end; row++) {
    const query = Float64Array.from(q.subarray(row * dim, (row + 1) * dim));
    const dOut = Float64Array.from(dout.subarray(row * valueDim, (row + 1) * valueDim));
    const view = { ...seen, query, visible: block.seen(row), valueDim };
    const scores = scoreGradient(view, dOut, arithmetic);
    queryGradient(view, scores, arithmetic, { dq, row });
    keySums.add(scores.ds, scores.dsVariance, query);
    valueSums.add(scores.weights, scores.weightVariance, dOut);
  }
  keySums.unpool(dk, tokens, arithmetic);
  valueSums.unpool(dv, tokens, arithmetic);
}

/** ds = p (dp - delta) of one row: weights, dp = dout . v, and delta = dout . out have errors, and ds is stored. */
function scoreGradient(view: RowView, dOut: Float64Array, arithmetic: Arithmetic): ScoreGradient {
  const { visible, valueDim, block: { tokens: { values } }, valueErrors } = view;
  const { storage, weights: kept } = arithmetic, products = new Sum(), scores = scoreErrors(view, arithmetic);
  const { weights, errors } = scores;
  const dp = new Float64Array(visible),
    dpVariance = new Float64Array(visible),
    out = new Float64Array(valueDim);
  let delta = 0, peak = 0;
  for (let t = 0; t < visible; t++) {
    products.clear();
    for (let c = 0, at = t * valueDim; c < valueDim; c++, at++) {
      products.add(dOut[c] * values[at]);
      out[c] += weights[t] * values[at];
      dpVariance[t] += dOut[c] ** 2 * valueErrors[at];
    }
    dp[t] = products.total;
    dpVariance[t] += productSum(products, arithmetic, DEVIATIONS) + cutFactors(products, arithmetic);
    delta += weights[t] * dp[t];
    peak = Math.max(peak, weights[t]);
  }
  const sum = new Sum();
  let deltaVariance = movedVariance(scores, (t) => Math.min(1, errors[t]) * (dp[t] - delta));
  out.forEach((x, c) => {
    sum.add(dOut[c] * x);
    deltaVariance += dOut[c] ** 2 * storeError2(storage, x);
  });
  deltaVariance += sum.variance(SINGLE);
  const ds = dp.map((x, t) => weights[t] * (x - delta));
  const moved = (t: number) => Math.min(1, errors[t]) ** 2;
  return {
    runs: scores,
    weights,
    weightVariance: weights.map((p, t) =>
      moved(t) + kept.unit ** 2 / 3 * p ** 2 + Math.min(p, kept.lost * peak) ** 2
    ),
    ds,
    dsVariance: ds.map((x, t) =>
      (dp[t] - delta) ** 2 * moved(t) + weights[t] ** 2 * (dpVariance[t] + deltaVariance) +
      Math.max(storeError2(kept, x), (SINGLE * x) ** 2)
    ),
  };
}

/** dq = scale * sum of ds k of one row, and its errors. */
function queryGradient(
  { visible, block: { tokens: { keys }, scale }, keyErrors }: RowView,
  { ds, dsVariance, runs }: ScoreGradient,
  arithmetic: Arithmetic,
  { dq, row }: { dq: GradientErrors; row: number },
): void {
  const { dim } = dq, spread = dsVariance.map(Math.sqrt);
  for (let c = 0; c < dim; c++) {
    const sum = new Sum();
    let pooled = 0;
    for (let t = 0, at = c; t < visible; t++, at += dim) {
      sum.add(ds[t] * keys[at]);
      pooled += ds[t] ** 2 * keyErrors[at];
    }
    const moved = movedVariance(runs, (t) => spread[t] * keys[t * dim + c]);
    dq.gradient[row * dim + c] = scale * sum.total;
    dq.variance[row * dim + c] = scale ** 2 *
      (moved + pooled + productSum(sum, arithmetic, DEVIATIONS) + cutFactors(sum, arithmetic));
  }
}
