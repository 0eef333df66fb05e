/**
 * How far a right kernel may be from the truth where a correction follows attention: the bound of attention, and the rounding
 * of the correction, element by element.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import type { AttentionResult } from "../attention/attention.ts";
import { type Head, headOf } from "../heads.ts";
import { blockMeans } from "../importance/scores.ts";
import type { Correction } from "../methods/method.ts";
import { type Qkv, type Tensor, toFloat64 } from "../tensor.ts";
import { FORMATS } from "./arithmetic.ts";
import type { Tolerance } from "./tolerance.ts";

/** A corrected call in float64. */
export interface CorrectedCall {
  /** The inputs as the kernel reads them. */
  readonly qkv: Qkv;
  /** The levels of attention. */
  readonly levels: Tensor<Int32Array>;
  /** Attention over the levels. */
  readonly attention: AttentionResult;
  /** The output after the correction. */
  readonly corrected: Tensor;
  /** The correction. */
  readonly correction: Correction;
}

/** Options of {@link correctedTolerance}. */
export interface CorrectedOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Factor on q . k; default 1 / sqrt(head dimension). */
  readonly scale?: number;
  /** The format of inputs and outputs; sums are in float32. */
  readonly dtype: "f32" | "f16";
  /** The bound of attention over the levels. */
  readonly bound: Tolerance;
}

/** Unit of float32. */
const UNIT = FORMATS.f32.unit;
/** Tokens that are added up at a time in the sum of leans (kernels/correction/leans.wgsl). */
const RUN = 16;

/** The relative error of so many roundings in a row. */
function gamma(roundings: number): number {
  return roundings * UNIT / (1 - roundings * UNIT);
}

/**
 * Bounds on the error of a right kernel that attends and corrects in float32: an element's error is at most that of attention
 * and what each sum, product and exponential of the correction may be off.
 *
 * @param call inputs, levels, what attention gave, and the correction
 * @param options block sizes, formats, the bound of attention
 *
 * @example
 * ```ts
 * import { pyramidAttention } from "../attention/attention.ts";
 * import { methodInputs } from "../methods/inputs.ts";
 * import { pisa } from "../methods/pyramid/pisa.ts";
 * import { tensor } from "../tensor.ts";
 * import { correctedTolerance } from "./correction_tolerance.ts";
 * import { attentionTolerance } from "./tolerance.ts";
 * const x = tensor(new Float32Array(64 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 64, 8]), qkv = { q: x, k: x, v: x };
 * const blocks = { blockM: 32, blockN: 16, dtype: "f32" } as const;
 * const { levels, correction, finish } = pisa.select(methodInputs(qkv, blocks), 0.5);
 * const attention = pyramidAttention(qkv, levels, blocks), corrected = finish!(attention.out);
 * const bound = attentionTolerance(qkv, levels, blocks);
 * const call = { qkv, levels, attention, corrected, correction: correction! };
 * console.log(correctedTolerance(call, { ...blocks, bound }).relL2 < 1e-4); // true
 * ```
 */
export function correctedTolerance(call: CorrectedCall, options: CorrectedOptions): Tolerance {
  const { qkv, levels, attention: { out }, corrected } = call, { bound, dtype } = options;
  const [batch, heads, seqQ, dim] = out.shape, storage = FORMATS[dtype].unit;
  let norm2 = 0, error2 = 0, attended2 = 0, most = 0;
  for (let index = 0; index < batch * heads; index++) {
    const head = headOf(qkv, levels, index), errors = errorsOf(call, { ...options, head, index });
    for (let at = 0, all = index * seqQ * dim; at < seqQ * dim; at++, all++) {
      const error = errors[at] + storage * Math.abs(corrected.data[all]);
      error2 += error ** 2;
      most = Math.max(most, error);
      norm2 += corrected.data[all] ** 2;
      attended2 += out.data[all] ** 2;
    }
  }
  const relL2 = (bound.relL2 * Math.sqrt(attended2) + Math.sqrt(error2)) / Math.sqrt(norm2);
  return { relL2: norm2 === 0 ? Infinity : relL2, maxAbs: bound.maxAbs + most, lse: bound.lse };
}

/** One head of a corrected call. */
interface OneHead extends CorrectedOptions {
  readonly head: Head;
  readonly index: number;
}

/** The rounding of the correction of a head, [query tokens][value dimension]. */
function errorsOf(call: CorrectedCall, one: OneHead): Float64Array {
  return call.correction.kind === "means"
    ? meansErrors(call, call.correction.weights, one)
    : firstOrderErrors(call, one);
}

/** The absolute value of every number. */
function magnitudes({ data, shape }: Tensor): Tensor<Float64Array> {
  return { data: Float64Array.from(data, Math.abs), shape };
}

/** |error| of (1 - share) out + sum of weight * mean value. */
function meansErrors(
  { attention: { out } }: CorrectedCall,
  weights: Tensor<Float64Array>,
  { head: { qkv: { v } }, index, blockM, blockN }: OneHead,
): Float64Array {
  const [, , seqQ, dim] = out.shape, [, , rows, columns] = weights.shape;
  const sizes = blockMeans(magnitudes(v), blockN).data, errors = new Float64Array(seqQ * dim);
  const off = gamma(columns + blockN + 6);
  for (let m = 0; m < rows; m++) {
    const own = weights.data.subarray((index * rows + m) * columns, (index * rows + m + 1) * columns);
    const share = own.reduce((sum, weight) => sum + weight, 0), added = new Float64Array(dim);
    own.forEach((weight, j) => {
      for (let c = 0; c < dim; c++) added[c] += weight * sizes[j * dim + c];
    });
    for (let i = m * blockM; i < Math.min(seqQ, (m + 1) * blockM); i++) {
      for (let c = 0; c < dim; c++) {
        errors[i * dim + c] = off *
          (added[c] + (1 + share) * Math.abs(out.data[(index * seqQ + i) * dim + c]));
      }
    }
  }
  return errors;
}

/** |error| of share * scale / keys * q H, where the share comes from exponentials of scores less the log-sum-exp. */
function firstOrderErrors(
  { attention: { lse } }: CorrectedCall,
  { head, index, blockM, blockN, scale, bound }: OneHead,
): Float64Array {
  const { qkv: { q, k, v }, levels } = head,
    [, , seqQ, dim] = q.shape,
    seqK = k.shape[2],
    valueDim = v.shape[3];
  const factor = scale ?? defaultScale(dim), [, , , columns] = levels.shape;
  const means = blockMeans(toFloat64(k), blockN).data, sizes = blockMeans(magnitudes(k), blockN).data;
  const { leans, spread } = leansOf(head, { means, sizes, blockN });
  const offLeans = gamma(Math.ceil(seqK / RUN) + RUN + blockN + 3), offProduct = gamma(dim + blockN + 4);
  const errors = new Float64Array(seqQ * valueDim),
    product = new Float64Array(valueDim),
    wide = new Float64Array(valueDim);
  for (let i = 0; i < seqQ; i++) {
    let share = 0, offShare = 0;
    for (let j = 0; j < columns; j++) {
      if (levels.data[Math.floor(i / blockM) * columns + j] <= 1) continue;
      let score = 0, size = 0;
      for (let x = 0; x < dim; x++) {
        score += factor * q.data[i * dim + x] * means[j * dim + x];
        size += factor * Math.abs(q.data[i * dim + x]) * sizes[j * dim + x];
      }
      const exponent = score + Math.log(Math.min(blockN, seqK - j * blockN)) - lse.data[index * seqQ + i];
      const away = offProduct * size + bound.lse +
        gamma(4) * (Math.abs(score) + 8 + Math.abs(lse.data[index * seqQ + i]));
      const weight = Math.exp(exponent), off = Math.expm1(away) + (3 + 2 * Math.abs(exponent)) * 2 * UNIT;
      share += weight;
      offShare += weight * (off + gamma(columns + 2));
    }
    product.fill(0);
    wide.fill(0);
    for (let x = 0; x < dim; x++) {
      const query = q.data[i * dim + x];
      for (let c = 0, at = x * valueDim; c < valueDim; c++, at++) {
        product[c] += query * leans[at];
        wide[c] += Math.abs(query) * (offLeans * spread[at] + gamma(dim + 4) * Math.abs(leans[at]));
      }
    }
    for (let c = 0; c < valueDim; c++) {
      errors[i * valueDim + c] = factor / seqK *
        (offShare * Math.abs(product[c]) + (share + offShare) * wide[c]);
    }
  }
  return errors;
}

/** The sum over tokens of (key - mean key)^T value, and of the sizes of its terms. */
function leansOf(
  { qkv: { k, v } }: Head,
  { means, sizes, blockN }: {
    readonly means: Float64Array;
    readonly sizes: Float64Array;
    readonly blockN: number;
  },
): { readonly leans: Float64Array; readonly spread: Float64Array } {
  const dim = k.shape[3],
    valueDim = v.shape[3],
    leans = new Float64Array(dim * valueDim),
    spread = leans.slice();
  for (let t = 0; t < k.shape[2]; t++) {
    const block = Math.floor(t / blockN) * dim;
    for (let x = 0; x < dim; x++) {
      const key = k.data[t * dim + x], away = key - means[block + x], size = Math.abs(key) + sizes[block + x];
      for (let c = 0, at = x * valueDim; c < valueDim; c++, at++) {
        leans[at] += away * v.data[t * valueDim + c];
        spread[at] += size * Math.abs(v.data[t * valueDim + c]);
      }
    }
  }
  return { leans, spread };
}
