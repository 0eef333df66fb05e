/**
 * Captures whose author knows the call, for tests of readings: right ones, and the same with other metadata or tensors.
 *
 * @module
 */
import { arranged, restored } from "../../fixtures/conformance/call.ts";
import { type CaptureFile, captureOf } from "../../fixtures/conformance/captures/capture.ts";
import { isRight, judgeCapture } from "../../fixtures/conformance/captures/judge.ts";
import { readingNames, rereadings } from "../../fixtures/conformance/captures/reread.ts";
import {
  type FloatData,
  makeWorkload,
  pyramidAttention,
  seededRandom,
  type Tensor,
  tensor,
} from "../../mod.ts";
import { assert } from "./assert.ts";

/** A call, as its author knows it. */
export interface Known {
  readonly seed: number;
  readonly seqQ: number;
  readonly seqK: number;
  readonly heads: number;
  readonly causal: boolean;
  readonly tail: "exact" | "replicate";
  readonly scale?: number;
  readonly order?: Tensor<Int32Array>;
  readonly blockM: number;
  readonly allowed: readonly number[];
}

/** The usual call. */
export const USUAL: Known = {
  ...{ seed: 7, seqQ: 76, seqK: 76, heads: 2, causal: false, tail: "exact", blockM: 16 },
  allowed: [0, 1, 2, 4, 8],
};

/** A right capture. */
export function captured(known: Known): CaptureFile & { readonly metadata: Record<string, string> } {
  const { seed, seqQ, seqK, heads, causal, tail, scale, order, blockM, allowed } = known;
  const random = seededRandom(seed);
  const stored = ({ data, shape }: Tensor<FloatData>) => ({ data: Float32Array.from(data), shape });
  const made = makeWorkload("gaussian", { seqQ, seqK, heads, kvHeads: 2, headDim: 16, seed }).qkv;
  const qkv = { q: stored(made.q), k: stored(made.k), v: stored(made.v) };
  const shape = [1, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / 16)];
  const data = Int32Array.from(
    { length: shape.reduce((a, b) => a * b) },
    () => allowed[random.below(allowed.length)],
  );
  const levels = tensor(data, shape), options = { blockM, blockN: 16, causal, tail, scale };
  const { out, lse } = restored(pyramidAttention(arranged({ qkv, order }), levels, options), { order });
  return {
    tensors: {
      ...qkv,
      levels,
      out: stored(out),
      lse: { data: Float32Array.from(lse.data), shape: lse.shape },
    },
    metadata: {
      ...{ block_m: String(blockM), block_n: "16", causal: String(causal), tail },
      ...(scale === undefined ? {} : { scale: String(scale) }),
      ...(order === undefined ? {} : { order: JSON.stringify([...order.data]) }),
    },
  };
}

/** The names of the readings under which a capture is right; it has to be wrong as it is. */
export function named(file: CaptureFile): string[] {
  const capture = captureOf(file), right = (other: typeof capture) => isRight(judgeCapture(other));
  assert(!right(capture), "the capture is wrong as it is");
  return readingNames(rereadings(capture, right)).map(({ name }) => name);
}

/** The same capture with other metadata; undefined takes a fact away. */
export function saying(known: Known, facts: Record<string, string | undefined>): CaptureFile {
  const { tensors, metadata } = captured(known);
  const all = Object.entries({ ...metadata, ...facts }).filter(([, fact]) => fact !== undefined);
  return { tensors, metadata: Object.fromEntries(all) };
}

/** The same capture with another tensor. */
export function holding(
  known: Known,
  change: (tensors: CaptureFile["tensors"]) => Record<string, Tensor>,
): CaptureFile {
  const { tensors, metadata } = captured(known);
  return { tensors: { ...tensors, ...change(tensors) }, metadata };
}

/** Tensors [B, H, L, …] whose memory is [B, L, H, …]. */
export function viewed({ data, shape }: Tensor): Tensor {
  const [, heads, tokens, dim = 1] = shape, other = data.slice();
  for (let at = 0; at < data.length; at++) {
    const c = at % dim, token = Math.floor(at / dim) % tokens, head = Math.floor(at / dim / tokens);
    other[(token * heads + head) * dim + c] = data[at];
  }
  return { data: other, shape };
}
