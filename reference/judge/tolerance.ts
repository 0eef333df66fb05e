/**
 * Bounds on the error of a right kernel against the float64 truth, for the sweep, the tests and all other
 * comparisons. docs/tolerance.md derives them; in short:
 *
 * - Every rounding of a value x is an independent error of variance (u x)^2 / 3, with u the unit roundoff.
 * - The error of a score has the roundings of its dot product, of the scaled query, of pooled keys, of the maximum
 *   that is subtracted, and of the exponential. An error e of score t moves the output by p_t e (v_t - out).
 *   Neighbours' errors may be independent or, where keys are alike, the same: both variances are added.
 * - To it come the roundings of the weights, of pooled values, of the weighted sum and of the output.
 * - Gradients pass errors of weights, of dout . v and of dout . out on; importance is a softmax or a maximum of scores.
 * - These variances are computed for a sample of rows; a factor makes them bounds that fail once in 1e6 tensors.
 *
 * @module
 */
import { extreme, FAILURE } from "./concentration.ts";
import { channelsOf, type HeadErrors, relativeBound, type RowPart, rowPrint } from "./output_errors.ts";
import { type Deviations, rowErrors } from "./rounding/attention.ts";
import { blocksOf } from "./rounding/blocks.ts";
import type { RowView } from "./rounding/view.ts";
import { type Arithmetic, arithmeticOf, type KernelDType } from "./arithmetic.ts";
import { type RowSample, sampleRows, seeingRows } from "./tolerance_rows.ts";
import type { Qkv, Tensor } from "../tensor.ts";
import { type Head, headOf } from "../heads.ts";
import { type PyramidAttentionOptions, requireCall } from "../attention/call.ts";

export type { KernelDType } from "./arithmetic.ts";

/** The arithmetic of a kernel, and the options of its call. */
export interface ToleranceOptions extends Partial<PyramidAttentionOptions> {
  /** The format of inputs, pooled tokens, weights and outputs. */
  readonly dtype: KernelDType;
  /**
   * The format in which dot products are added up: `f32`, the default, or `f16` for kernels that add up to 64 steps
   * in half precision before they go on in single precision. The float16 kernels of `createPsa` do so unless the device
   * has matrix units: the default is too strict for them, and `arithmetic: psa.arithmetic` fits.
   */
  readonly accumulate?: "f32" | "f16";
  /** The name of an arithmetic in `ladderOf(dtype)`, in place of `accumulate`. */
  readonly arithmetic?: string;
  /** For every (batch, head), the query tokens whose outputs are bounded; default all. Only attention has this. */
  readonly rowsOfHead?: readonly (readonly number[])[];
  /** Rows per head that are computed; default 24 that represent all rows, and the 8 with the longest queries. Only attention has this. */
  readonly sample?: RowSample;
}

/** Bounds on the distances of docs/definition.md#accuracy. A right kernel stays within all of them. */
export interface Tolerance {
  /** Bound on the relative L2 error of the outputs; Infinity if the true outputs are all 0, where `maxAbs` decides. */
  readonly relL2: number;
  /** Bound on the largest absolute error of an output. */
  readonly maxAbs: number;
  /** Bound on the largest absolute error of a log-sum-exp. */
  readonly lse: number;
}

/**
 * Bounds on the error of a right kernel on these inputs, from the roundings that it cannot avoid. Costs about as
 * much as a hundred rows of attention per head.
 *
 * @param qkv the inputs as the kernel reads them, that is, already rounded to its format
 * @param levels the levels of the call, or null for dense attention
 * @param options the kernel's formats, and the options of the call; with levels, `blockM` and `blockN` are needed
 * @throws {InputError} if the tensors disagree or an option is unknown
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { attentionTolerance } from "./tolerance.ts";
 * const x = tensor(new Float32Array(32 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 32, 8]);
 * const { relL2 } = attentionTolerance({ q: x, k: x, v: x }, null, { dtype: "f32" });
 * console.log(relL2 < 1e-4); // true
 * ```
 */
export function attentionTolerance(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  options: ToleranceOptions,
): Tolerance {
  const { parts, arithmetic } = attentionHeads(qkv, levels, options);
  return joinTolerances(parts, arithmetic);
}

/** A call, and the expected errors of each of its heads. */
export interface HeadsOfCall {
  readonly call: ReturnType<typeof requireCall>;
  readonly parts: readonly HeadTolerance[];
  readonly arithmetic: Arithmetic;
  readonly deviations: Deviations;
}

/** The expected errors of all heads, from which the bounds of a call follow: see {@link attentionTolerance}. */
export function attentionHeads(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  options: ToleranceOptions,
): HeadsOfCall {
  const arithmetic = arithmeticOf(options);
  const call = requireCall(qkv, levels, options), { batch, heads, seqQ, valueDim } = call.shape;
  const { rowsOfHead, sample } = options;
  const rows = rowsOfHead?.reduce((sum, own) => sum + own.length, 0) ?? batch * heads * seqQ;
  const deviations = deviationsOf({ rows, valueDim });
  const parts = Array.from(
    { length: batch * heads },
    (_, head) =>
      toleranceOfHead(headOf(qkv, call.levels, head), call.options, {
        ...{ arithmetic, deviations, sample, rows: rowsOfHead?.[head] },
      }),
  );
  return { call, parts, arithmetic, deviations };
}

/** The share of one head in the bounds of a call. */
export interface HeadTolerance extends HeadErrors {
  readonly maxAbs: number;
  readonly lse: number;
}

/** The expected errors of one head, from some of its rows; `deviations` are those of the whole call. */
export function toleranceOfHead(
  head: Head,
  options: PyramidAttentionOptions,
  given: {
    readonly arithmetic: Arithmetic;
    readonly deviations: Deviations;
    readonly rows?: readonly number[];
    readonly sample?: RowSample;
    /** A piece of the computed rows, for workers; default all of them. */
    readonly piece?: readonly [index: number, of: number];
  },
): HeadTolerance {
  return toleranceOfViews(head, sampledViews(head, options, given), given);
}

/** A computed row: the tokens that it sees, and the number of rows that it represents. */
export interface SampledView {
  readonly row: number;
  readonly view: RowView;
  readonly standsFor: number;
}

/** The expected errors of one head from rows of it. */
export function toleranceOfViews(
  head: Head,
  views: Iterable<SampledView>,
  { arithmetic, deviations }: { readonly arithmetic: Arithmetic; readonly deviations: Deviations },
): HeadTolerance {
  const rows: RowPart[] = [];
  let maxAbs = 0, lse = 0;
  for (const { row, view, standsFor } of views) {
    const errors = rowErrors(view, arithmetic, deviations);
    rows.push({ ...errors, row, standsFor, print: rowPrint(head, row, view.block.scale) });
    maxAbs = Math.max(maxAbs, errors.largest);
    lse = Math.max(lse, errors.lse);
  }
  return { rows, channels: channelsOf(head, rows), maxAbs, lse };
}

/** The bounds of a call from the shares of its heads. */
export function joinTolerances(parts: readonly HeadTolerance[], arithmetic: Arithmetic): Tolerance {
  const most = (name: "maxAbs" | "lse") => parts.reduce((top, part) => Math.max(top, part[name]), 0);
  return { relL2: relativeBound(parts, arithmetic, FAILURE), maxAbs: most("maxAbs"), lse: most("lse") };
}

/** The deviations of the largest errors of so many rows. */
export function deviationsOf(
  { rows, valueDim }: { readonly rows: number; readonly valueDim: number },
): Deviations {
  return { out: extreme(rows * valueDim), lse: extreme(rows) };
}

/** A sample of a head's rows with the tokens that they see, and the number of rows that each represents. */
function* sampledViews(
  head: Head,
  options: PyramidAttentionOptions,
  { arithmetic, rows, sample, piece: [piece, pieces] = [0, 1] }: Parameters<typeof toleranceOfHead>[2],
): Generator<SampledView> {
  const { q, v } = head.qkv, blockOf = blocksOf(head, options, arithmetic), judged = rows && new Set(rows);
  const seeing = seeingRows(head, options).filter((row) => judged?.has(row) ?? true);
  let at = 0;
  for (const [m, all] of sampleRows(q, seeing, { ...sample, blockM: options.blockM })) {
    const own = all.filter(() => at++ % pieces === piece);
    if (own.length === 0) continue;
    const seen = blockOf(m);
    for (const { row, standsFor } of own) {
      const query = Float64Array.from(q.data.subarray(row * q.shape[3], (row + 1) * q.shape[3]));
      const view = { ...seen, query, visible: seen.block.seen(row), valueDim: v.shape[3] };
      yield { row, view, standsFor };
    }
  }
}
