/**
 * The gradient of attention as plain loops that read like docs/definition.md#gradients: with p the weights of a row,
 * the score of pooled token t has the gradient ds_t = p_t (dout . v_t - sum over u of p_u dout . v_u + dlse).
 *
 * @module
 */
import type { AttentionGradient, GradientOptions } from "../attention/gradient.ts";
import type { FloatData, Qkv, Tensor } from "../tensor.ts";

/** A pooled token: the tokens [first, first + count) of a head, those past the last being copies of it. */
interface PooledToken {
  readonly first: number;
  readonly count: number;
}

/**
 * The same as `pyramidAttentionGradient`, in plain loops.
 *
 * @param qkv queries [B, H, Lq, D], keys [B, Hk, Lk, D] and values [B, Hk, Lk, Dv]
 * @param levels [B, H, M, N], held fixed
 * @param dout the gradient with respect to out, [B, H, Lq, Dv]
 * @param options block sizes, scale, causal, tail, and the gradient with respect to lse
 * @returns gradients of the shapes of q, k and v
 *
 * @example
 * ```ts
 * import { naiveGradient } from "./gradient.ts";
 * const x = { data: new Float64Array([1, 3]), shape: [1, 1, 2, 1] };
 * const levels = { data: new Int32Array([2]), shape: [1, 1, 1, 1] };
 * console.log(naiveGradient({ q: x, k: x, v: x }, levels, x, { blockM: 2, blockN: 2 }).dv.data); // [2, 2]
 * ```
 */
export function naiveGradient(
  { q, k, v }: Qkv,
  levels: Tensor<Int32Array>,
  dout: Tensor<FloatData>,
  options: GradientOptions,
): AttentionGradient {
  const [B, H, Lq, D] = q.shape, [, Hk, Lk] = k.shape, [, , M, N] = levels.shape;
  const { scale = 1 / Math.sqrt(D), blockM, dlse } = options;
  const zeros = ({ data, shape }: Tensor) => ({ data: new Float64Array(data.length), shape });
  const dq = zeros(q), dk = zeros(k), dv = zeros(v);
  for (let bh = 0; bh < B * H; bh++) {
    const kvHead = Math.floor(bh / H) * Hk + Math.floor((bh % H) / (H / Hk));
    for (let i = 0; i < Lq; i++) {
      const row = { first: i, count: 1 }, block = (bh * M + Math.floor(i / blockM)) * N;
      const S = visibleTokens(levels.data.subarray(block, block + N), {
        ...options,
        Lk,
        position: i + Lk - Lq,
      });
      const query = mean(q, bh, row), dOut = mean(dout, bh, row), dLse = dlse?.data[bh * Lq + i] ?? 0;
      const p = softmax(S.map((t) => scale * dot(query, mean(k, kvHead, t)) + Math.log(t.count)));
      const dp = S.map((t) => dot(dOut, mean(v, kvHead, t)));
      const ds = p.map((p_t, t) => p_t * (dp[t] - dot(p, dp) + dLse));
      S.forEach((token, t) => {
        share(dq, bh, row, mean(k, kvHead, token).map((key) => scale * ds[t] * key));
        share(dk, kvHead, token, query.map((x) => scale * ds[t] * x));
        share(dv, kvHead, token, dOut.map((x) => p[t] * x));
      });
    }
  }
  return { dq, dk, dv };
}

/** Adds the gradient of a pooled token to those of the tokens that it averages, an equal share to each. */
function share(
  { data, shape: [, , length, dim] }: Tensor<Float64Array>,
  head: number,
  { first, count }: PooledToken,
  gradient: readonly number[],
): void {
  for (let t = first; t < first + count; t++) {
    for (let c = 0; c < dim; c++) {
      data[(head * length + Math.min(t, length - 1)) * dim + c] += gradient[c] / count;
    }
  }
}

/** The pooled tokens that a query at this position sees, given the levels of its block. */
function visibleTokens(
  levels: Int32Array,
  { blockN, Lk, position, causal = false, tail = "exact" }:
    & Pick<GradientOptions, "blockN" | "causal" | "tail">
    & { readonly Lk: number; readonly position: number },
): PooledToken[] {
  const visible: PooledToken[] = [];
  levels.forEach((r, j) => {
    if (r === 0) return;
    for (let first = j * blockN; first < (j + 1) * blockN; first += r) {
      const count = tail === "replicate" && r > 1 ? r : Math.min(r, Lk - first);
      if (count <= 0) continue;
      if (causal && first + count - 1 > position) continue;
      visible.push({ first, count });
    }
  });
  return visible;
}

/** The mean of a head's tokens that a pooled token covers. */
function mean(
  { data, shape: [, , length, dim] }: Tensor,
  head: number,
  { first, count }: PooledToken,
): number[] {
  return Array.from({ length: dim }, (_, c) => {
    let sum = 0;
    for (let t = first; t < first + count; t++) {
      sum += data[(head * length + Math.min(t, length - 1)) * dim + c];
    }
    return sum / count;
  });
}

/** exp(s_t) over their sum. */
function softmax(s: readonly number[]): number[] {
  const max = Math.max(...s), weights = s.map((s_t) => Math.exp(s_t - max));
  return weights.map((weight) => weight / weights.reduce((sum, each) => sum + each, 0));
}

/** a . b */
function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, c) => sum + x * b[c], 0);
}
