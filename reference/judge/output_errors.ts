/**
 * The errors of sampled rows of attention as a bound on the relative L2 error of all outputs.
 *
 * @module
 */
import type { Head } from "../heads.ts";
import type { FloatData, Tensor } from "../tensor.ts";
import type { Arithmetic } from "./arithmetic.ts";
import { type Alike, groupAlike, normBound } from "./concentration.ts";
import type { RowErrors } from "./rounding/attention.ts";
import { SINGLE } from "./rounding/sum.ts";

/** Tokens by which rows and channels are compared. */
const PRINTED = 16;
/** Numbers that are nearer than this many units of a format may be rounded alike. */
const NEAR = 8;
/** How many standard deviations of a sample's mean are added to it. */
const SAMPLE_DEVIATIONS = 4;

/**
 * The expected errors of a computed row, the number of rows that it represents, and numbers for comparing it with other rows.
 */
export interface RowPart extends RowErrors {
  /** The query token. */
  readonly row: number;
  readonly standsFor: number;
  readonly print: Float64Array;
}

/** The expected errors of a head's rows, and of the channels of its pooled values. */
export interface HeadErrors {
  readonly rows: readonly RowPart[];
  readonly channels: readonly Alike[];
}

/** The share of each channel of a head's pooled values. */
export function channelsOf({ qkv: { v } }: Head, rows: readonly RowPart[]): Alike[] {
  const pooled = rows.some(({ values }) => values.some((variance) => variance > 0));
  return Array.from({ length: pooled ? v.shape[3] : 0 }, (_, c) => ({
    weight: rows.reduce((sum, { values, standsFor }) => sum + standsFor * values[c], 0),
    print: printOf(v, (t, width) => v.data[t * width + c]),
  }));
}

/**
 * The bound on the norm of the errors of all heads, relative to that of the outputs; Infinity if these are all 0. The
 * rows that a row represents are assumed to have equal errors, as are similar rows and similar channels of pooled values.
 */
export function relativeBound(parts: readonly HeadErrors[], arithmetic: Arithmetic, failure: number): number {
  const { bound, norm } = errorBound(parts, arithmetic, failure);
  return norm === 0 ? Infinity : Number((bound / norm).toPrecision(12));
}

/**
 * The bound on the norm of errors, and the norm of the outputs.
 *
 * @param parts the errors of rows, by head
 * @param arithmetic the arithmetic of the kernel
 * @param failure the probability that a right kernel is beyond the bound
 * @param options whether the rows are all that there are; default false: they are a sample
 */
export function errorBound(
  parts: readonly HeadErrors[],
  arithmetic: Arithmetic,
  failure: number,
  { all = false }: { readonly all?: boolean } = {},
): { readonly bound: number; readonly norm: number } {
  // The rows of a head may come in pieces: their order, and the last digits, say nothing.
  const rows = parts.flatMap((part) => part.rows).sort((a, b) => a.own - b.own || a.norm2 - b.norm2);
  const sum = (of: (row: RowPart) => number) =>
    rows.reduce((total, row) => total + row.standsFor * of(row), 0);
  const channels = groupAlike(parts.flatMap((part) => part.channels), nearValues(arithmetic));
  const shared = sum((row) => row.shared), near = nearRows(arithmetic);
  const norm = (of: (row: RowPart) => number) => {
    const own = rows.map((row) => ({ print: row.print, weight: row.standsFor * of(row) }));
    return normBound([groupAlike(own, near), channels, [shared]], failure);
  };
  const whole = norm(({ own }) => own) + Math.sqrt(sum(({ sums2 }) => sums2));
  const random = norm(({ own, sums }) => own + sums);
  const sampled = all ? 1 : Math.sqrt(1 + SAMPLE_DEVIATIONS * sampleError(rows));
  const bound = sampled * Math.min(whole, random) + Math.sqrt(sum(({ bias2 }) => bias2));
  return { bound, norm: Math.sqrt(sum((row) => row.norm2)) };
}

/** The standard deviation of the ratio of variances to outputs, as a share of it: rows are a sample. */
function sampleError(rows: readonly RowPart[]): number {
  const totals = rows.map(({ standsFor, own, sums, shared, values, norm2 }) => ({
    variance: standsFor * (own + sums + shared + values.reduce((sum, x) => sum + x, 0)),
    norm2: standsFor * norm2,
  }));
  const variance = totals.reduce((sum, one) => sum + one.variance, 0);
  const norm2 = totals.reduce((sum, one) => sum + one.norm2, 0), ratio = norm2 === 0 ? 0 : variance / norm2;
  const spread2 = totals.reduce((sum, one) => sum + (one.variance - ratio * one.norm2) ** 2, 0);
  return variance === 0 ? 0 : Math.sqrt(spread2) / variance;
}

/** Whether most values of two channels are rounded alike, but for their sign. */
function nearValues({ storage }: Arithmetic): (a: Float64Array, b: Float64Array) => boolean {
  return (a, b) => {
    const near = (x: number, i: number) =>
      Math.abs(Math.abs(x) - Math.abs(b[i])) <= NEAR * storage.unit * Math.abs(x);
    return 2 * a.filter(near).length >= a.length;
  };
}

/** Whether the weights of two rows, or their queries but for signs, are rounded alike. */
function nearRows(
  { weights, queries, softmaxUnit, scoreUnit, factorUnit }: Arithmetic,
): (a: Float64Array, b: Float64Array) => boolean {
  return (a, b) => {
    let score2 = 0, largest = 0, query2 = 0, norm2 = 0;
    for (let i = 0; i < PRINTED; i++) {
      score2 += (a[i] - b[i]) ** 2 / PRINTED;
      largest = Math.max(largest, Math.abs(a[i]));
    }
    for (let i = PRINTED; i < a.length; i++) {
      query2 += (Math.abs(a[i]) - Math.abs(b[i])) ** 2;
      norm2 += a[i] ** 2;
    }
    const unit = Math.max(SINGLE, weights.unit, softmaxUnit, factorUnit, scoreUnit * largest);
    const query = NEAR * Math.max(queries.unit, factorUnit);
    return score2 <= (NEAR * unit) ** 2 || query2 <= query ** 2 * norm2;
  };
}

/** A number for each of a few tokens of keys or values, evenly spread. */
function printOf({ shape }: Tensor<FloatData>, of: (t: number, width: number) => number): Float64Array {
  return Float64Array.from(
    { length: PRINTED },
    (_, i) => of(Math.floor((i + 0.5) * shape[2] / PRINTED), shape[3]),
  );
}

/** A row's scores with a few keys, less their mean, and its query. */
export function rowPrint({ qkv: { q, k } }: Head, row: number, scale: number): Float64Array {
  const dim = q.shape[3], query = q.data.subarray(row * dim, (row + 1) * dim);
  const scores = printOf(k, (t, width) => {
    let sum = 0;
    for (let c = 0; c < dim; c++) sum += query[c] * k.data[t * width + c];
    return scale * sum;
  });
  const mean = scores.reduce((sum, x) => sum + x, 0) / PRINTED;
  return Float64Array.of(...scores.map((x) => x - mean), ...query);
}
