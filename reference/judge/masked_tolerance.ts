/**
 * Bounds on the error of a right kernel over a mask: those of tolerance.ts on the keys that each row sees.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import { type Head, headOf } from "../heads.ts";
import { requireMask } from "../masks/attention.ts";
import { countRow } from "../masks/bits.ts";
import type { Mask } from "../masks/mask.ts";
import { gatherRows, keysOf } from "../masks/rows.ts";
import { type Qkv, toFloat64 } from "../tensor.ts";
import { type Arithmetic, arithmeticOf } from "./arithmetic.ts";
import { inputErrors } from "./rounding/pooled.ts";
import { blockView } from "./rounding/view.ts";
import {
  deviationsOf,
  joinTolerances,
  type SampledView,
  type Tolerance,
  toleranceOfViews,
  type ToleranceOptions,
} from "./tolerance.ts";
import { type RowSample, sampleRows } from "./tolerance_rows.ts";

/** The arithmetic of a kernel, the scale, and the number of computed rows. */
export type MaskedToleranceOptions = Pick<
  ToleranceOptions,
  "dtype" | "accumulate" | "arithmetic" | "scale" | "sample"
>;

/** How many queries have their bits in memory at a time. */
const RUN = 64;

/**
 * Bounds on the error of a right kernel over a mask, as `attentionTolerance` gives them over levels.
 *
 * @param qkv the inputs as the kernel reads them
 * @param mask which keys every query sees
 * @param options the kernel's formats, scale, rows
 * @throws {InputError} if the tensors disagree, or the mask is for another call
 *
 * @example
 * ```ts
 * import { maskOfLevels } from "../masks/mask.ts";
 * import { tensor } from "../tensor.ts";
 * import { maskedTolerance } from "./masked_tolerance.ts";
 * const x = tensor(new Float32Array(32 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 32, 8]);
 * const levels = tensor(new Int32Array([0, 1]), [1, 1, 1, 2]);
 * const mask = maskOfLevels(levels, { blockM: 32, blockN: 16, seqQ: 32, seqK: 32 });
 * console.log(maskedTolerance({ q: x, k: x, v: x }, mask, { dtype: "f32" }).relL2 < 1e-4); // true
 * ```
 */
export function maskedTolerance(qkv: Qkv, mask: Mask, options: MaskedToleranceOptions): Tolerance {
  const { batch, heads, seqQ, headDim, valueDim } = requireMask(qkv, mask),
    arithmetic = arithmeticOf(options);
  const { scale = defaultScale(headDim), sample } = options;
  const none = { data: new Int32Array(batch * heads), shape: [batch, heads, 1, 1] };
  const deviations = deviationsOf({ rows: batch * heads * seqQ, valueDim });
  const parts = Array.from({ length: batch * heads }, (_, index) => {
    const head = headOf(qkv, none, index), views = viewsOf(head, { mask, index, scale, sample, arithmetic });
    return toleranceOfViews(head, views, { arithmetic, deviations });
  });
  return joinTolerances(parts, arithmetic);
}

/** A sample of a head's rows, each with the keys that it alone sees. */
function* viewsOf(
  head: Head,
  { mask, index, scale, sample, arithmetic: { storage } }: {
    readonly mask: Mask;
    readonly index: number;
    readonly scale: number;
    readonly sample?: RowSample;
    readonly arithmetic: Arithmetic;
  },
): Generator<SampledView> {
  const { q, k, v } = head.qkv, dim = q.shape[3], valueDim = v.shape[3];
  const keys = toFloat64(k).data, values = toFloat64(v).data;
  const sampled = sampleRows(q, seeingRows(mask, index), { ...sample, blockM: 1 });
  for (const { row, standsFor } of [...sampled.values()].flat()) {
    const seen = keysOf(mask.rows(index, row, row + 1));
    const tokens = {
      keys: gatherRows(keys, seen, dim),
      values: gatherRows(values, seen, valueDim),
      first: seen,
      counts: new Int32Array(seen.length).fill(1),
    };
    const block = { tokens, rows: { first: row, end: row + 1 }, scale, seen: () => seen.length };
    const query = Float64Array.from(q.data.subarray(row * dim, (row + 1) * dim));
    const errors = {
      keys: inputErrors(tokens.keys, storage),
      values: inputErrors(tokens.values, storage),
    };
    const view = { ...blockView(block, errors, { storage, dim }), query, valueDim };
    yield { row, view: { ...view, visible: seen.length }, standsFor };
  }
}

/** The rows of a head that see a key. */
function seeingRows({ rows, words, shape: [, , seqQ] }: Mask, index: number): number[] {
  const seeing: number[] = [];
  for (let first = 0; first < seqQ; first += RUN) {
    const end = Math.min(seqQ, first + RUN), bits = rows(index, first, end);
    for (let i = first; i < end; i++) {
      if (countRow(bits.subarray((i - first) * words, (i - first + 1) * words)) > 0) seeing.push(i);
    }
  }
  return seeing;
}
