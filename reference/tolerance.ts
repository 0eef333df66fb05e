/**
 * How far a right kernel may be from the float64 truth: one policy for the sweep, the tests and whoever else
 * compares. docs/tolerance.md derives it; in short:
 *
 * - Every rounding of a value x is an independent error of variance (u x)^2 / 3, with u the unit roundoff.
 * - The error of a score has the roundings of its dot product, of the scaled query, of pooled keys, of the maximum
 *   that is subtracted, and of the exponential. An error e of score t moves the output by p_t e (v_t - out).
 *   Neighbours' errors may be independent or, where keys are alike, the same: both variances are added.
 * - To it come the roundings of the weights, of pooled values, of the weighted sum and of the output.
 * - These variances are computed for a sample of rows, and their root is multiplied by a safety factor of 3.
 *
 * @module
 */
import { requireCall } from "./attention.ts";
import { requireInput } from "./errors.ts";
import { type Arithmetic, FORMATS, type RowErrors, rowErrors } from "./rounding.ts";
import { type FloatData, type Qkv, type Tensor, toFloat64 } from "./tensor.ts";
import { type Head, headOf, headPyramid, type PyramidAttentionOptions, visibleBlock } from "./visible.ts";

/** The number formats that a kernel may store its data in. */
export type KernelDType = "f32" | "f16" | "bf16";

/** What a kernel computes with, and the options of its call. */
export interface ToleranceOptions extends Partial<PyramidAttentionOptions> {
  /** The format of inputs, pooled tokens, weights and outputs. */
  readonly dtype: KernelDType;
  /**
   * The format in which dot products are added up: `f32`, the default, or `f16` for kernels that add up to 64 steps
   * in half precision before they go on in single precision.
   */
  readonly accumulate?: "f32" | "f16";
}

/** Bounds on the distances of SPEC section 12. A right kernel stays within all of them. */
export interface Tolerance {
  /** Bound on the relative L2 error of the outputs; Infinity if the true outputs are all 0, where `maxAbs` decides. */
  readonly relL2: number;
  /** Bound on the largest absolute error of an output. */
  readonly maxAbs: number;
  /** Bound on the largest absolute error of a log-sum-exp. */
  readonly lse: number;
}

const SAFETY = 3;
/** Steps that are added up in half precision at most. */
const HALF_STEPS = 64;
/** Rows a head that stand for all rows, and rows with the longest queries that stand for themselves. */
const SPREAD_ROWS = 24, LONGEST_ROWS = 8;

/**
 * Bounds on the error of a right kernel on these inputs, from the roundings that it cannot avoid. Costs about as
 * much as a hundred rows of attention a head.
 *
 * @param qkv the inputs as the kernel reads them, that is, already rounded to its format
 * @param levels the levels of the call, or null for dense attention
 * @param options the kernel's formats, and the options of the call; with levels, `blockM` and `blockN` are needed
 * @throws {InputError} if the tensors disagree or an option is unknown
 *
 * @example
 * ```ts
 * import { tensor } from "./tensor.ts";
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
  const arithmetic = arithmeticOf(options);
  const call = requireCall(qkv, levels, options), { batch, heads, seqQ, valueDim } = call.shape;
  let variance = 0, norm2 = 0, largest = 0, lse = 0;
  for (let head = 0; head < batch * heads; head++) {
    for (
      const { errors, standsFor } of sampleErrors(headOf(qkv, call.levels, head), call.options, arithmetic)
    ) {
      variance += standsFor * errors.variance;
      norm2 += standsFor * errors.norm2;
      largest = Math.max(largest, errors.largest);
      lse = Math.max(lse, errors.lse);
    }
  }
  const rows = batch * heads * seqQ;
  return {
    relL2: norm2 === 0 ? Infinity : SAFETY * Math.sqrt(variance / norm2),
    maxAbs: SAFETY * extreme(rows * valueDim) * largest,
    lse: SAFETY * extreme(rows) * lse,
  };
}

/** How many standard deviations the largest of so many normal errors is away from 0, about. */
function extreme(count: number): number {
  return Math.sqrt(2 * Math.log(2 * count));
}

/** The arithmetic that the options name. */
function arithmeticOf({ dtype, accumulate = "f32" }: ToleranceOptions): Arithmetic {
  requireInput(dtype in FORMATS, () => `\`dtype\` is "${dtype}"; it should be "f32", "f16" or "bf16".`);
  requireInput(
    accumulate === "f32" || accumulate === "f16",
    () => `\`accumulate\` is "${accumulate}"; it should be "f32" or "f16".`,
  );
  return {
    storage: FORMATS[dtype],
    sumUnit: FORMATS[accumulate].unit,
    sumSteps: accumulate === "f16" ? HALF_STEPS : Infinity,
  };
}

/** The expected errors of a sample of a head's rows, and how many rows each stands for. */
function* sampleErrors(
  head: Head,
  options: PyramidAttentionOptions,
  arithmetic: Arithmetic,
): Generator<{ errors: RowErrors; standsFor: number }> {
  const { q, k, v } = head.qkv;
  const absolute = { ...head, qkv: { q, k: magnitude(k), v: magnitude(v) } };
  const pyramid = headPyramid(head, options), absolutePyramid = headPyramid(absolute, options);
  for (const [m, rows] of sampleRows(q, seeingRows(head, options), options.blockM)) {
    const block = visibleBlock(head, pyramid, { ...options, m });
    const magnitudes = visibleBlock(absolute, absolutePyramid, { ...options, m }).tokens;
    for (const { row, standsFor } of rows) {
      const query = Float64Array.from(q.data.subarray(row * q.shape[3], (row + 1) * q.shape[3]));
      const view = { block, magnitudes, query, visible: block.seen(row), valueDim: v.shape[3] };
      yield { errors: rowErrors(view, arithmetic), standsFor };
    }
  }
}

/** The elements' absolute values. */
function magnitude(source: Tensor<FloatData>): Tensor<Float64Array> {
  return { data: toFloat64(source).data.map(Math.abs), shape: source.shape };
}

/** The rows of a head that see at least one token. */
function seeingRows(
  { qkv: { q, k }, levels }: Head,
  { blockM, blockN, causal }: PyramidAttentionOptions,
): number[] {
  const seqQ = q.shape[2], seqK = k.shape[2], columns = levels.shape[3];
  const needed = Array.from({ length: levels.shape[2] }, (_, m) => {
    let first = Infinity; // the position of the last key that the block's first token covers
    for (let j = 0; j < columns; j++) {
      const level = levels.data[m * columns + j];
      if (level > 0) first = Math.min(first, Math.min(j * blockN + level, seqK) - 1);
    }
    return causal || first === Infinity ? first : -Infinity;
  });
  return Array.from({ length: seqQ }, (_, row) => row)
    .filter((row) => row + seqK - seqQ >= needed[Math.floor(row / blockM)]);
}

/** Some of these rows by query block: some evenly spread, each standing for its share, and the longest queries. */
function sampleRows(
  q: Tensor<FloatData>,
  seeing: readonly number[],
  blockM: number,
): Map<number, { row: number; standsFor: number }[]> {
  const dim = q.shape[3], spread = Math.min(seeing.length, SPREAD_ROWS);
  const norms = new Map(seeing.map((row) => {
    let norm2 = 0;
    for (let c = 0; c < dim; c++) norm2 += q.data[row * dim + c] ** 2;
    return [row, norm2];
  }));
  const longest = [...seeing].sort((a, b) => norms.get(b)! - norms.get(a)!).slice(0, LONGEST_ROWS);
  const rows = [
    ...Array.from({ length: spread }, (_, i) => ({
      row: seeing[Math.floor((i + 0.5) * seeing.length / spread)],
      standsFor: seeing.length / spread,
    })),
    ...longest.map((row) => ({ row, standsFor: 1 })),
  ];
  return Map.groupBy(rows, ({ row }) => Math.floor(row / blockM));
}
