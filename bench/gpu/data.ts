/**
 * Calls of the bench and their numbers.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import { seededRandom } from "../../reference/random.ts";
import type { AttentionShape, FloatData, Qkv } from "../../reference/tensor.ts";
import type { Numbers } from "./cases.ts";

/** A call whose stages are timed. */
export interface StageBench {
  /** The sizes of the call. */
  readonly shape: AttentionShape;
  /** The configuration. */
  readonly config: PsaConfig;
  /** Element type. */
  readonly dtype: "f16" | "f32";
  /** Its numbers; left out: normal ones. */
  readonly qkv?: Qkv;
  /** The name of the call, such as that of a model; left out: none. */
  readonly name?: string;
}

/** Numbers of an element type. */
export type Data = Float32Array<ArrayBuffer> | Float16Array<ArrayBuffer>;

/** Numbers that are drawn at most for each tensor, and the length of the runs that a longer one repeats from changing places. */
const DRAWN = 1 << 20, RUN = 1 << 19;

/**
 * Inputs of a call: its own, or normal numbers. Queries, keys and values are drawn apart, each at most a million times; longer
 * tensors repeat their own. If they repeated each other's, some queries would equal a key, whose score stands out as none does among
 * numbers that are drawn apart, so that kernels with a fixed maximum walk their blocks twice.
 */
export function makeData(
  { shape, dtype, qkv }: Pick<StageBench, "shape" | "dtype" | "qkv">,
  numbers: Numbers = "normal",
): { q: Data; k: Data; v: Data } {
  const Type = dtype === "f16" ? Float16Array : Float32Array;
  if (qkv !== undefined) {
    const typed = (data: FloatData) => data instanceof Type ? data as Data : new Type(data);
    return { q: typed(qkv.q.data), k: typed(qkv.k.data), v: typed(qkv.v.data) };
  }
  const random = seededRandom(5);
  const make = (length: number) => {
    const own = new Type(Math.min(length, DRAWN)).map(() => random.normal());
    if (length <= DRAWN) return own;
    const data = new Type(length);
    for (let at = 0; at < length; at += RUN) {
      const start = random.below(DRAWN - RUN);
      data.set(own.subarray(start, start + Math.min(RUN, length - at)), at);
    }
    return data;
  };
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  const data = {
    q: make(batch * heads * seqQ * headDim),
    k: make(batch * kvHeads * seqK * headDim),
    v: make(batch * kvHeads * seqK * valueDim),
  };
  if (numbers === "alike") data.q.forEach((x, i) => data.q[i] = x / 100);
  if (numbers === "growing") grow(data, { seqK, headDim });
  return data;
}

/** Adds 1 to queries, and to keys up to 4: the farther behind they lie, the more; scores then grow by 4 sqrt(headDim). */
function grow(
  { q, k }: { readonly q: Data; readonly k: Data },
  { seqK, headDim }: { readonly seqK: number; readonly headDim: number },
): void {
  q.forEach((x, i) => q[i] = x + 1);
  k.forEach((x, i) => k[i] = x + 4 * (Math.floor(i / headDim) % seqK) / seqK);
}

/**
 * The numbers of a call as tensors.
 *
 * @param shape the sizes of the call
 * @param data its numbers
 */
export function inputsOf(shape: AttentionShape, { q, k, v }: { q: Data; k: Data; v: Data }): Qkv {
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  return {
    q: { data: q, shape: [batch, heads, seqQ, headDim] },
    k: { data: k, shape: [batch, kvHeads, seqK, headDim] },
    v: { data: v, shape: [batch, kvHeads, seqK, valueDim] },
  };
}
