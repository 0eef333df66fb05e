/**
 * Attention over the pyramid as plain loops that read like docs/definition.md#pyramid and #attention: slow,
 * with means computed wherever they are needed, and sharing nothing with the reference that is compared with it.
 *
 * @module
 */
import type { AttentionResult, PyramidAttentionOptions } from "../attention/attention.ts";
import type { Qkv, Tensor } from "../tensor.ts";

/** A pooled token: the mean of the tokens [first, first + count) of a head. */
interface PooledToken {
  readonly first: number;
  readonly count: number;
}

/**
 * The same as `pyramidAttention`, in plain loops.
 *
 * @param qkv queries [B, H, Lq, D], keys [B, Hk, Lk, D] and values [B, Hk, Lk, Dv]
 * @param levels [B, H, M, N]
 * @param options block sizes, scale, causal, tail
 * @returns out [B, H, Lq, Dv] and lse [B, H, Lq]
 *
 * @example
 * ```ts
 * import { naiveAttention } from "./attention.ts";
 * const x = { data: new Float64Array([1, 3]), shape: [1, 1, 2, 1] };
 * const levels = { data: new Int32Array([2]), shape: [1, 1, 1, 1] };
 * console.log(naiveAttention({ q: x, k: x, v: x }, levels, { blockM: 2, blockN: 2 }).out.data); // [2, 2]
 * ```
 */
export function naiveAttention(
  { q, k, v }: Qkv,
  levels: Tensor<Int32Array>,
  options: PyramidAttentionOptions,
): AttentionResult {
  const [B, H, Lq, D] = q.shape, [, Hk, Lk] = k.shape, Dv = v.shape[3], [, , M, N] = levels.shape;
  const { scale = 1 / Math.sqrt(D), blockM } = options;
  const out = new Float64Array(B * H * Lq * Dv), lse = new Float64Array(B * H * Lq);
  for (let bh = 0; bh < B * H; bh++) {
    const kvHead = Math.floor(bh / H) * Hk + Math.floor((bh % H) / (H / Hk));
    for (let i = 0; i < Lq; i++) {
      const row = bh * Lq + i, query = Array.from({ length: D }, (_, c) => q.data[row * D + c]);
      const block = (bh * M + Math.floor(i / blockM)) * N;
      const S = visibleTokens(levels.data.subarray(block, block + N), {
        ...options,
        Lk,
        position: i + Lk - Lq,
      });
      const s = S.map((t) => scale * dot(query, mean(k, kvHead, t)) + Math.log(t.count));
      const max = Math.max(...s), sum = s.reduce((total, s_t) => total + Math.exp(s_t - max), 0);
      lse[row] = S.length === 0 ? -Infinity : max + Math.log(sum);
      S.forEach((token, t) => {
        const weight = Math.exp(s[t] - max) / sum;
        mean(v, kvHead, token).forEach((value, c) => out[row * Dv + c] += weight * value);
      });
    }
  }
  return { out: { data: out, shape: [B, H, Lq, Dv] }, lse: { data: lse, shape: [B, H, Lq] } };
}

/** The pooled tokens that a query at this position sees, given the levels of its block. */
function visibleTokens(
  levels: Int32Array,
  { blockN, Lk, position, causal = false, tail = "exact" }:
    & Pick<PyramidAttentionOptions, "blockN" | "causal" | "tail">
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

/** The mean of a head's tokens that a pooled token covers; beyond the last token there are copies of it. */
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

/** a . b */
function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, c) => sum + x * b[c], 0);
}
