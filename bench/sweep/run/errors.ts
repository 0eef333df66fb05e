/**
 * How far outputs are from the truth, head by head, so that heads may be judged in groups; of all rows, or estimated
 * from sampled ones.
 *
 * @module
 */
import { InputError } from "../../../reference/errors.ts";
import type { Comparison } from "../../../reference/judge/metrics.ts";
import {
  type ErrorEstimate,
  estimateRelativeError,
  type SampledRows,
  type Strata,
} from "../../../reference/judge/sampled_rows.ts";
import { smoothL1 } from "../../../reference/masks/loss.ts";
import type { Tensor } from "../../../reference/tensor.ts";

/** Sums over the rows of one head. A sampled row counts as often as there are rows that it stands for. */
export interface HeadErrors {
  /** How many rows these are. */
  readonly count: number;
  /** Squared norm of the difference; Infinity if a value is not finite where that of the truth is. */
  readonly difference2: number;
  /** Squared norms of the truth and of the output, and their product. */
  readonly truth2: number;
  readonly out2: number;
  readonly product: number;
  /** SmoothL1 of the differences, summed, and the numbers that it is summed over. */
  readonly smooth: number;
  readonly numbers: number;
  /** The largest absolute difference. */
  readonly maxAbs: number;
  /** Values that are not finite. */
  readonly nonFinite: number;
  /** The largest relative error of one row. */
  readonly worstRow: number;
  /** Squared differences and norms of the sampled rows, as they are; empty if all rows are judged. */
  readonly rows: readonly { readonly difference2: number; readonly truth2: number }[];
  /** Rows of each stratum; empty if all rows are judged. */
  readonly strata: readonly { readonly size: number; readonly taken: number; readonly kind: number }[];
}

/** How an error spreads over rows and heads. */
export interface ErrorSpread {
  /** The largest relative L2 error of one row. */
  readonly worstRow: number;
  /** The largest of one head. */
  readonly worstHead: number;
  /** The mean over heads. */
  readonly headMean: number;
  /** The standard deviation over heads. */
  readonly headSpread: number;
}

/** The errors of a case. */
export interface CaseErrors {
  /** Over the whole output. */
  readonly error: Comparison;
  /** By rows and heads. */
  readonly spread: ErrorSpread;
  /** The mean SmoothL1 of all numbers. */
  readonly alignmentLoss: number;
  /** The interval of 95 % of `error.relL2`; null if all rows are judged. */
  readonly interval: ErrorEstimate | null;
}

/**
 * The errors of each head.
 *
 * @param out [batch, heads, rows, value dimension]
 * @param truth the same shape
 * @param rows which rows these are; null: all
 * @throws {InputError} if shapes differ
 *
 * @example
 * ```ts
 * import { tensor } from "../../../reference/tensor.ts";
 * import { errorsByHead } from "./errors.ts";
 * const truth = tensor(new Float64Array([3, 4]), [1, 1, 1, 2]);
 * console.log(errorsByHead(tensor(new Float64Array([3, 5]), [1, 1, 1, 2]), truth, null)[0].worstRow); // 0.2
 * ```
 */
export function errorsByHead(
  out: Tensor,
  truth: Tensor<Float64Array>,
  rows: SampledRows | null,
): HeadErrors[] {
  if (`${out.shape}` !== `${truth.shape}`) {
    throw new InputError(
      `An output has shape [${out.shape}]; it should have that of the truth, [${truth.shape}].`,
    );
  }
  const [batch, heads, length, dim] = truth.shape;
  const strata = rows === null ? [] : countStrata(rows.strata);
  return Array.from({ length: batch * heads }, (_, head) => {
    const own = rows === null ? [] : rows.strata.of.slice(head * length, (head + 1) * length);
    const weightOf = rows === null
      ? () => 1
      : (row: number) => strata[own[row]].size / strata[own[row]].taken;
    return {
      ...headErrors(out, truth, {
        begin: head * length * dim,
        length,
        dim,
        weightOf,
        isSample: rows !== null,
      }),
      strata: [...new Set(own)].map((stratum) => strata[stratum]),
    };
  });
}

/** How many rows every stratum has, and how many of them were taken. */
function countStrata({ of, sizes, classes }: Strata): { size: number; taken: number; kind: number }[] {
  const taken = sizes.map(() => 0);
  for (const stratum of of) taken[stratum]++;
  return sizes.map((size, stratum) => ({ size, taken: taken[stratum], kind: classes?.[stratum] ?? 0 }));
}

function headErrors(
  { data: out }: Tensor,
  { data: truth }: Tensor<Float64Array>,
  { begin, length, dim, weightOf, isSample }: {
    readonly begin: number;
    readonly length: number;
    readonly dim: number;
    readonly weightOf: (row: number) => number;
    readonly isSample: boolean;
  },
): Omit<HeadErrors, "strata"> {
  const rows: { difference2: number; truth2: number }[] = [];
  let difference2 = 0, truth2 = 0, out2 = 0, product = 0, maxAbs = 0, nonFinite = 0, worstRow = 0;
  let smooth = 0, numbers = 0;
  for (let row = 0, at = begin; row < length; row++) {
    let rowDifference = 0, rowTruth = 0, rowOut = 0, rowProduct = 0, rowSmooth = 0;
    for (const end = at + dim; at < end; at++) {
      const x = out[at], y = truth[at], distance = Math.abs(x - y);
      if (!(distance < Infinity)) { // NaN or infinite: somewhere a value is not finite
        if (x === y) continue;
        if (!Number.isFinite(x)) nonFinite++;
        rowDifference = rowSmooth = maxAbs = Infinity;
        continue;
      }
      if (distance > maxAbs) maxAbs = distance;
      rowDifference += distance * distance;
      rowSmooth += smoothL1(distance);
      rowTruth += y * y;
      rowOut += x * x;
      rowProduct += x * y;
    }
    const weight = weightOf(row);
    difference2 += weight * rowDifference;
    truth2 += weight * rowTruth;
    out2 += weight * rowOut;
    product += weight * rowProduct;
    smooth += weight * rowSmooth;
    numbers += weight * dim;
    worstRow = Math.max(worstRow, relative(rowDifference, rowTruth));
    if (isSample) rows.push({ difference2: rowDifference, truth2: rowTruth });
  }
  const sums = { difference2, truth2, out2, product, smooth, numbers };
  return { ...sums, maxAbs, nonFinite, worstRow, rows, count: length };
}

/** 0 if both are 0, Infinity if only the truth is. */
function relative(difference2: number, truth2: number): number {
  return difference2 === 0 ? 0 : Math.sqrt(difference2 / truth2);
}

/**
 * The errors of a case from those of its heads.
 *
 * @param heads all heads
 *
 * @example
 * ```ts
 * import { tensor } from "../../../reference/tensor.ts";
 * import { errorsByHead, joinErrors } from "./errors.ts";
 * const truth = tensor(new Float64Array([3, 4]), [1, 1, 1, 2]);
 * const heads = errorsByHead(tensor(new Float64Array([3, 5]), [1, 1, 1, 2]), truth, null);
 * console.log(joinErrors(heads).error.relL2); // 0.2
 * ```
 */
export function joinErrors(heads: readonly HeadErrors[]): CaseErrors {
  const sum = (name: "difference2" | "truth2" | "out2" | "product" | "nonFinite" | "smooth" | "numbers") =>
    heads.reduce((total, head) => total + head[name], 0);
  const most = (name: "maxAbs" | "worstRow") => heads.reduce((top, head) => Math.max(top, head[name]), 0);
  const truth2 = sum("truth2"), out2 = sum("out2");
  const error: Comparison = {
    relL2: relative(sum("difference2"), truth2),
    maxAbs: most("maxAbs"),
    cosine: truth2 === 0 && out2 === 0 ? 1 : sum("product") / Math.sqrt(truth2 * out2) || 0,
    nonFinite: sum("nonFinite"),
  };
  const byHead = heads.map((head) => relative(head.difference2, head.truth2));
  const headMean = byHead.reduce((total, each) => total + each, 0) / byHead.length;
  const variance = byHead.reduce((total, each) => total + (each - headMean) ** 2, 0) / byHead.length;
  const spread = {
    worstRow: most("worstRow"),
    worstHead: Math.max(...byHead),
    headMean,
    headSpread: Math.sqrt(variance),
  };
  const alignmentLoss = sum("smooth") / sum("numbers");
  return { error, spread, alignmentLoss, interval: intervalOf(heads, error) };
}

/** The interval of the relative error; a sample with an infinite error has none. */
function intervalOf(heads: readonly HeadErrors[], { relL2 }: Comparison): ErrorEstimate | null {
  const rows = heads.flatMap((head) => head.rows);
  if (rows.length === 0) return null;
  if (relL2 === Infinity) return { relL2, low: Infinity, high: Infinity };
  const strata = heads.flatMap((head) => head.strata);
  return estimateRelativeError(rows.map((row) => row.difference2), rows.map((row) => row.truth2), {
    of: strata.flatMap(({ taken }, stratum) => Array.from({ length: taken }, () => stratum)),
    sizes: strata.map(({ size }) => size),
    classes: strata.map(({ kind }) => kind),
  });
}
