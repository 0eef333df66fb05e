/**
 * The brute-force twin of reference/attention/attention.ts: docs/definition.md#attention as plain loops over tokens, sharing no code with
 * the reference. Means are formed where they are needed, one row at a time.
 *
 * @module
 */
import type { AttentionResult, PyramidAttentionOptions } from "../attention/attention.ts";
import type { Qkv, Tensor } from "../tensor.ts";

/** Attention over the pyramid, slowly. */
export function twinAttention(
  { q, k, v }: Qkv,
  levels: Tensor<Int32Array>,
  { blockM, blockN, scale, causal = false, tail = "exact" }: PyramidAttentionOptions,
): AttentionResult {
  const [batch, heads, seqQ, dim] = q.shape, [, kvHeads, seqK] = k.shape, valueDim = v.shape[3];
  const [, , M, N] = levels.shape;
  const out = new Float64Array(batch * heads * seqQ * valueDim), lse = new Float64Array(batch * heads * seqQ);
  const factor = scale ?? 1 / Math.sqrt(dim);

  const score = (b: number, h: number, i: number, t: number, count: number) => {
    const kvHead = b * kvHeads + Math.floor(h * kvHeads / heads);
    let sum = 0;
    for (let position = t; position < t + count; position++) {
      const token = position < seqK ? position : seqK - 1;
      for (let c = 0; c < dim; c++) {
        sum += q.data[((b * heads + h) * seqQ + i) * dim + c] * k.data[(kvHead * seqK + token) * dim + c];
      }
    }
    return factor * sum / count + Math.log(count);
  };
  const value = (b: number, h: number, t: number, count: number, c: number) => {
    const kvHead = b * kvHeads + Math.floor(h * kvHeads / heads);
    let sum = 0;
    for (let position = t; position < t + count; position++) {
      const token = position < seqK ? position : seqK - 1;
      sum += v.data[(kvHead * seqK + token) * valueDim + c];
    }
    return sum / count;
  };

  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < seqQ; i++) {
        const seen: { t: number; count: number; score: number }[] = [];
        for (let j = 0; j < N; j++) {
          const level = levels.data[((b * heads + h) * M + Math.floor(i / blockM)) * N + j];
          if (level === 0) continue;
          for (let t = j * blockN; t < (j + 1) * blockN; t += level) {
            const padded = tail === "replicate" && level > 1;
            const count = padded ? level : Math.min(level, seqK - t);
            if (count <= 0) continue;
            if (causal && t + count - 1 > i + seqK - seqQ) continue;
            seen.push({ t, count, score: score(b, h, i, t, count) });
          }
        }
        const row = (b * heads + h) * seqQ + i;
        const max = seen.reduce((most, { score }) => Math.max(most, score), -Infinity);
        const total = seen.reduce((sum, { score }) => sum + Math.exp(score - max), 0);
        lse[row] = seen.length === 0 ? -Infinity : max + Math.log(total);
        for (const { t, count, score } of seen) {
          const weight = Math.exp(score - max) / total;
          for (let c = 0; c < valueDim; c++) out[row * valueDim + c] += weight * value(b, h, t, count, c);
        }
      }
    }
  }
  return {
    out: { data: out, shape: [batch, heads, seqQ, valueDim] },
    lse: { data: lse, shape: [batch, heads, seqQ] },
  };
}
