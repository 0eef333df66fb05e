/**
 * Attention over masks in float64: output, log-sum-exp, and the mass of blocks. Memory grows with the rows that are
 * processed at a time, never with queries times keys.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import { type AttentionResult, emptyResult } from "../attention/attention.ts";
import { evenUp, multiplyRows, ROWS } from "../attention/rows.ts";
import { requireInput } from "../errors.ts";
import { headSlice, kvHeadOf } from "../heads.ts";
import {
  type AttentionShape,
  attentionShape,
  type FloatData,
  type Qkv,
  type Tensor,
  toFloat64,
} from "../tensor.ts";
import type { Mask } from "./mask.ts";
import { forEachMaskedRows, type MaskedHead } from "./rows.ts";

/** Options of {@link maskedAttention}. */
export interface MaskedOptions {
  /** Factor on q . k; default 1 / sqrt(head dimension). */
  readonly scale?: number;
}

/** How many queries have their bits in memory at a time. */
export const RUN = 64;

/**
 * Attention of every query to the keys that a mask shows it.
 *
 * @param qkv queries, keys and values
 * @param mask what each query sees
 * @param options the scale
 * @throws {InputError} if tensors disagree, or the mask does not fit the call
 *
 * @example
 * ```ts
 * import { buildMask, maskedAttention } from "../../mod.ts";
 * import { tensor } from "../tensor.ts";
 * const q = tensor(new Float64Array(2 * 8), [1, 1, 2, 8]), v = tensor(new Float64Array([1, 3]), [1, 1, 2, 1]);
 * const mask = buildMask([1, 1, 2, 2], { fill: (bits) => bits.set([0b11, 0b10]) });
 * console.log(maskedAttention({ q, k: q, v }, mask).out.data); // [2, 3]
 * ```
 */
export function maskedAttention(qkv: Qkv, mask: Mask, { scale }: MaskedOptions = {}): AttentionResult {
  const shape = requireMask(qkv, mask), { batch, heads, seqQ, valueDim } = shape;
  const { out, lse } = emptyResult(shape);
  for (let index = 0; index < batch * heads; index++) {
    const head = maskedHead(qkv, index, scale), values = toFloat64(head.v).data;
    for (let first = 0; first < seqQ; first += RUN) {
      const end = Math.min(seqQ, first + RUN), row = index * seqQ + first;
      const made = attendRows(
        { ...head, ...queriesOf(head, first, end), ...bitsOf(mask, index, first, end) },
        values,
      );
      out.data.set(made.out, row * valueDim);
      lse.data.set(made.lse, row);
    }
  }
  return { out, lse };
}

/** Throws unless a mask fits a call; returns the sizes of the call. */
export function requireMask(qkv: Qkv, mask: Mask): AttentionShape {
  const shape = attentionShape(qkv), want = [shape.batch, shape.heads, shape.seqQ, shape.seqK];
  requireInput(
    `${mask.shape}` === `${want}`,
    () => `\`mask\` has shape [${mask.shape}]; this call needs [${want}].`,
  );
  return shape;
}

/** One head as masks read it, in float64; its queries as they are. */
function maskedHead({ q, k, v }: Qkv, index: number, scale?: number) {
  const kvHead = kvHeadOf({ q, k }, index), dim = q.shape[3];
  return {
    queries: headSlice(q, index).data as FloatData,
    k: toFloat64(headSlice(k, kvHead)).data,
    v: headSlice(v, kvHead),
    dim,
    scale: scale ?? defaultScale(dim),
  };
}

function queriesOf({ queries, dim }: { queries: FloatData; dim: number }, first: number, end: number) {
  return { q: queries.subarray(first * dim, end * dim) as FloatData };
}

function bitsOf(mask: Mask, index: number, first: number, end: number) {
  return { bits: mask.rows(index, first, end), words: mask.words };
}

/** Some rows of one head. */
export function attendRows(
  head: MaskedHead,
  values: Float64Array,
): { out: Float64Array<ArrayBuffer>; lse: Float64Array<ArrayBuffer> } {
  const rows = head.bits.length / head.words, valueDim = values.length / (head.k.length / head.dim);
  const out = new Float64Array(rows * valueDim), lse = new Float64Array(rows);
  const four = new Float64Array(ROWS * evenUp(valueDim));
  let gathered: Int32Array | null = null, channels = new Float64Array(0);
  forEachMaskedRows(head, ({ first, count, keys, weights, lse: own }) => {
    if (keys !== gathered) channels = gatherChannels(values, keys, valueDim);
    gathered = keys;
    multiplyRows(weights, channels, { inner: keys.length, stride: keys.length, count: valueDim, out: four });
    for (let r = 0; r < count; r++) {
      lse[first + r] = own[r];
      for (let c = 0; c < valueDim; c++) out[(first + r) * valueDim + c] = four[c * ROWS + r];
    }
  });
  return { out, lse };
}

/** The values of some keys, channel by channel: [dim rounded up to even][keys]. */
function gatherChannels(values: Float64Array, keys: Int32Array, dim: number): Float64Array<ArrayBuffer> {
  const count = keys.length, channels = new Float64Array(evenUp(dim) * count);
  for (let t = 0; t < count; t++) {
    for (let c = 0, from = keys[t] * dim; c < dim; c++) channels[c * count + t] = values[from + c];
  }
  return channels;
}

/** Options of {@link maskedBlockMass}. */
export interface MaskedMassOptions extends MaskedOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
}

/**
 * The softmax mass of every pair of blocks under a mask: the sum over the keys of the key block, as a mean over the
 * queries of the query block. Under the mask that shows everything it is the true mass of the blocks.
 *
 * @param qkv queries, keys and values
 * @param mask what each query sees
 * @param options block sizes and scale
 * @returns [batch, heads, query blocks, key blocks]
 * @throws {InputError} if tensors disagree, or the mask does not fit the call
 *
 * @example
 * ```ts
 * import { buildMask, maskedBlockMass } from "../../mod.ts";
 * import { tensor } from "../tensor.ts";
 * const q = tensor(new Float64Array(2 * 8), [1, 1, 2, 8]);
 * const mask = buildMask([1, 1, 2, 2], { fill: (bits) => bits.set([0b11, 0b10]) });
 * console.log(maskedBlockMass({ q, k: q, v: q }, mask, { blockM: 2, blockN: 1 }).data); // [0.25, 0.75]
 * ```
 */
export function maskedBlockMass(
  qkv: Qkv,
  mask: Mask,
  { blockM, blockN, scale }: MaskedMassOptions,
): Tensor<Float64Array> {
  const { batch, heads, seqQ, seqK } = requireMask(qkv, mask);
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)],
    [, , rows, columns] = shape;
  const mass = new Float64Array(batch * heads * rows * columns);
  for (let index = 0; index < batch * heads; index++) {
    const head = maskedHead(qkv, index, scale);
    for (let begin = 0; begin < seqQ; begin += RUN) {
      const end = Math.min(seqQ, begin + RUN);
      const some = { ...head, ...queriesOf(head, begin, end), ...bitsOf(mask, index, begin, end) };
      forEachMaskedRows(some, ({ first, count, keys, weights }) => {
        for (let r = 0; r < count; r++) {
          const m = Math.floor((begin + first + r) / blockM), size = Math.min(blockM, seqQ - m * blockM);
          const at = (index * rows + m) * columns;
          keys.forEach((key, t) => mass[at + Math.floor(key / blockN)] += weights[t * ROWS + r] / size);
        }
      });
    }
  }
  return { data: mass, shape };
}
