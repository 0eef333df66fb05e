/**
 * Masks by brute force, for tests: everything pair by pair.
 *
 * @module
 */
import type { Mask, MethodInputs, Qkv, Tensor } from "../../mod.ts";

/** The result of {@link bruteMask}. */
export interface BruteMask {
  readonly out: Tensor<Float64Array>;
  readonly lse: Tensor<Float64Array>;
  /** The mass of the dense softmax that every query loses. */
  readonly dropped: Float64Array;
}

/** Attention over a mask, pair by pair. */
export function bruteMask(
  { qkv, causal }: Pick<MethodInputs, "qkv" | "causal">,
  mask: Mask,
): BruteMask {
  const { q, k, v } = qkv, [, heads, seqQ, dim] = q.shape, seqK = k.shape[2], valueDim = v.shape[3];
  const out = new Float64Array(heads * seqQ * valueDim), lse = new Float64Array(heads * seqQ);
  const dropped = new Float64Array(heads * seqQ), group = heads / k.shape[1];
  for (let row = 0; row < heads * seqQ; row++) {
    const head = Math.floor(row / seqQ), i = row % seqQ, kv = Math.floor(head / group);
    const weights = Array.from({ length: causal ? Math.max(0, i + seqK - seqQ + 1) : seqK }, (_, j) => {
      return Math.exp(dot(q, head * seqQ + i, k, kv * seqK + j) / Math.sqrt(dim));
    });
    const seen = weights.map((weight, j) => mask.visible(head, i, j) ? weight : 0);
    const all = weights.reduce((a, b) => a + b, 0), kept = seen.reduce((a, b) => a + b, 0);
    lse[row] = Math.log(kept);
    dropped[row] = all === 0 ? 0 : 1 - kept / all;
    for (let c = 0; c < valueDim && kept > 0; c++) {
      seen.forEach((weight, j) =>
        out[row * valueDim + c] += weight / kept * v.data[(kv * seqK + j) * valueDim + c]
      );
    }
  }
  return {
    out: { data: out, shape: [1, heads, seqQ, valueDim] },
    lse: { data: lse, shape: [1, heads, seqQ] },
    dropped,
  };
}

/** The product of two rows. */
function dot(a: Qkv["q"], i: number, b: Qkv["k"], j: number): number {
  const dim = a.shape[3];
  let sum = 0;
  for (let c = 0; c < dim; c++) sum += a.data[i * dim + c] * b.data[j * dim + c];
  return sum;
}

/** Rows of a tensor [1, heads, tokens, dimension] in another order: row n is row `order[n]`. */
export function reordered(
  { data, shape }: Tensor<Float64Array>,
  order: ArrayLike<number>,
): Tensor<Float64Array> {
  const [, heads, tokens, dim] = shape, moved = new Float64Array(data.length);
  for (let row = 0; row < heads * tokens; row++) {
    const from = (row - row % tokens + order[row % tokens]) * dim;
    moved.set(data.subarray(from, from + dim), row * dim);
  }
  return { data: moved, shape };
}
