/**
 * Bounds on the errors of gradients and importance, whose elements all have a variance of their own.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import { type PyramidAttentionOptions, requirePyramidCall } from "../attention/call.ts";
import { requireInput } from "../errors.ts";
import { headOf, headSlice, kvHeadOf } from "../heads.ts";
import { type FloatData, type Qkv, type Tensor, toFloat64 } from "../tensor.ts";
import { type Arithmetic, arithmeticOf } from "./arithmetic.ts";
import { extreme, FAILURE, normBound } from "./concentration.ts";
import { type ElementErrors, elementParts } from "./element_parts.ts";
import type { PartJudge } from "./parts.ts";
import { blocksOf } from "./rounding/blocks.ts";
import { addGradientErrors, GradientErrors } from "./rounding/gradient.ts";
import { importanceErrors, type ImportanceKind } from "./rounding/importance.ts";
import { storeError2 } from "./rounding/pooled.ts";
import type { Tolerance, ToleranceOptions } from "./tolerance.ts";
export type { ImportanceKind } from "./rounding/importance.ts";

/** How many standard deviations the norm of errors stays below, for any correlation. */
const NORM_FACTOR = normBound([[1]], FAILURE);

/** Bounds on one gradient, or on importance. */
export type TensorTolerance = Pick<Tolerance, "relL2" | "maxAbs">;

/** The same with the bounds of its parts. */
export interface TensorBounds extends TensorTolerance {
  readonly parts: PartJudge;
}

/**
 * Bounds on the errors of the gradients that a right kernel computes on these inputs. All rows are computed, which
 * costs about as much as a few gradients.
 *
 * @param qkv the inputs as the kernel reads them
 * @param levels the levels of the call
 * @param dout gradient with respect to the outputs, as the kernel reads it
 * @param options the kernel's formats, and the options of the call
 * @throws {InputError} if the tensors disagree or an option is unknown
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { gradientTolerance } from "./element_tolerance.ts";
 * const x = tensor(new Float32Array(32 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 32, 8]);
 * const levels = tensor(new Int32Array([1, 2, 2, 1]), [1, 1, 2, 2]);
 * const options = { dtype: "f32", blockM: 16, blockN: 16 } as const;
 * console.log(gradientTolerance({ q: x, k: x, v: x }, levels, x, options).dq.relL2 < 1e-4); // true
 * ```
 */
export function gradientTolerance(
  qkv: Qkv,
  levels: Tensor<Int32Array>,
  dout: Tensor<FloatData>,
  options: ToleranceOptions & PyramidAttentionOptions,
): { readonly dq: TensorTolerance; readonly dk: TensorTolerance; readonly dv: TensorTolerance } {
  const { dq, dk, dv } = gradientBounds(qkv, levels, dout, options);
  return { dq: withoutParts(dq), dk: withoutParts(dk), dv: withoutParts(dv) };
}

/** The bounds of {@link gradientTolerance}, with those of heads, blocks, rows and elements, in the order of the blocks. */
export function gradientBounds(
  qkv: Qkv,
  levels: Tensor<Int32Array>,
  dout: Tensor<FloatData>,
  options: ToleranceOptions & PyramidAttentionOptions,
): Readonly<Record<"dq" | "dk" | "dv", TensorBounds>> {
  const arithmetic = arithmeticOf(options), { q, k } = qkv;
  const { batch, heads, seqQ, seqK, headDim, valueDim } = requirePyramidCall(qkv, levels, options);
  requireInput(
    String(dout.shape) === String([batch, heads, seqQ, valueDim]),
    () => `\`dout\` has shape [${dout.shape}]; it should be [${[batch, heads, seqQ, valueDim]}].`,
  );
  const kvHeads = batch * k.shape[1];
  const dqs = Array.from({ length: batch * heads }, () => new GradientErrors(headDim, seqQ));
  const dks = Array.from({ length: kvHeads }, () => new GradientErrors(headDim, seqK));
  const dvs = Array.from({ length: kvHeads }, () => new GradientErrors(valueDim, seqK));
  for (let index = 0; index < batch * heads; index++) {
    const head = headOf(qkv, levels, index), kvHead = kvHeadOf({ q, k }, index);
    const blockOf = blocksOf(head, options, arithmetic);
    for (let m = 0; m < levels.shape[2]; m++) {
      addGradientErrors(
        {
          ...blockOf(m),
          q: head.qkv.q.data,
          dout: headSlice(dout, index).data,
        },
        arithmetic,
        { dq: dqs[index], dk: dks[kvHead], dv: dvs[kvHead] },
      );
    }
  }
  const bound = (parts: readonly GradientErrors[], cut: Pick<ElementErrors, "block" | "tokens">) =>
    boundsOf(parts.map(({ gradient, variance }) => ({ values: gradient, variance })), arithmetic, {
      ...{ ...cut, width: parts[0].dim, rows: parts[0].gradient.length / parts[0].dim },
    });
  const keys = { block: options.blockN, tokens: "key" } as const;
  return { dq: bound(dqs, { block: options.blockM }), dk: bound(dks, keys), dv: bound(dvs, keys) };
}

/**
 * Bounds on the error of importance (docs/definition.md#importance) in a kernel that stores scaled queries, pooled
 * blocks and results in a format. Sampled importance is `groupmax` of its samples.
 *
 * @param qk queries and keys, of which `groupmax` reads all
 * @param options the kind with its sizes, the kernel's formats, and `scale`
 * @throws {InputError} if an option is unknown
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { importanceTolerance } from "./element_tolerance.ts";
 * const x = tensor(new Float32Array(32 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 32, 8]);
 * const { relL2 } = importanceTolerance({ q: x, k: x }, { kind: "pooled", blockM: 8, blockN: 8, dtype: "f32" });
 * console.log(relL2 < 1e-5); // true
 * ```
 */
export function importanceTolerance(
  { q, k }: Pick<Qkv, "q" | "k">,
  options: ImportanceKind & Pick<ToleranceOptions, "dtype" | "accumulate" | "arithmetic" | "scale">,
): TensorTolerance {
  return withoutParts(importanceTensorBounds({ q, k }, options));
}

/** The bounds of {@link importanceTolerance}, with those of heads and of the query blocks. */
export function importanceTensorBounds(
  { q, k }: Pick<Qkv, "q" | "k">,
  options: ImportanceKind & Pick<ToleranceOptions, "dtype" | "accumulate" | "arithmetic" | "scale">,
): TensorBounds {
  const arithmetic = arithmeticOf(options), { scale = defaultScale(q.shape[3]) } = options;
  const parts = Array.from({ length: q.shape[0] * q.shape[1] }, (_, index) => {
    const queries = toFloat64(headSlice(q, index)), keys = toFloat64(headSlice(k, kvHeadOf({ q, k }, index)));
    return importanceErrors(queries, keys, { ...options, scale, arithmetic });
  });
  const rowsOf = "groupQ" in options ? options.groupQ : options.blockM;
  const rows = Math.ceil(q.shape[2] / rowsOf), width = parts[0].importance.length / rows;
  return boundsOf(parts.map(({ importance, variance }) => ({ values: importance, variance })), arithmetic, {
    ...{ rows, width, elements: false },
  });
}

/** Bounds from variances: relative L2, the largest absolute error, and those of parts. */
function boundsOf(
  heads: readonly { readonly values: Float64Array; readonly variance: Float64Array }[],
  { storage }: Arithmetic,
  cut: Omit<ElementErrors, "variance">,
): TensorBounds {
  const count = heads.reduce((sum, { values }) => sum + values.length, 0), all = new Float64Array(count);
  let variance = 0, norm2 = 0, largest = 0, at = 0;
  for (const head of heads) {
    head.values.forEach((value, i) => {
      const error2 = all[at++] = head.variance[i] + storeError2(storage, value);
      variance += error2;
      norm2 += value ** 2;
      largest = Math.max(largest, error2);
    });
  }
  return {
    relL2: norm2 === 0 ? Infinity : NORM_FACTOR * Math.sqrt(variance / norm2),
    maxAbs: extreme(count) * Math.sqrt(largest),
    parts: elementParts({ ...cut, variance: all }),
  };
}

/** The bounds of a whole tensor. */
function withoutParts({ relL2, maxAbs }: TensorBounds): TensorTolerance {
  return { relL2, maxAbs };
}
