/**
 * The similarity cap as plain loops that read like docs/definition.md#cap.
 *
 * @module
 */
import type { SimilarityOptions } from "../levels/similarity.ts";
import type { Tensor } from "../tensor.ts";

/**
 * The same as `similarityCap`, in plain loops.
 *
 * @param k [B, Hk, Lk, D]
 * @param options key block size, and the similarity that each level needs
 * @returns [B, Hk, N]
 *
 * @example
 * ```ts
 * import { naiveCap } from "./cap.ts";
 * const k = { data: new Float64Array(8).fill(1), shape: [1, 1, 8, 1] };
 * console.log(naiveCap(k, { blockN: 8, thresholds: { 2: 0.7, 4: 0.7 } }).data); // [4]
 * ```
 */
export function naiveCap(
  { data, shape: [B, Hk, Lk, D] }: Tensor,
  { blockN, thresholds }: SimilarityOptions,
): Tensor<Int32Array> {
  const N = Math.ceil(Lk / blockN), caps = new Int32Array(B * Hk * N).fill(1);
  const dot = (head: number, s: number, t: number) => {
    const a = (head * Lk + Math.min(s, Lk - 1)) * D, b = (head * Lk + Math.min(t, Lk - 1)) * D;
    let product = 0;
    for (let c = 0; c < D; c++) product += data[a + c] * data[b + c];
    return product;
  };
  const cosine = (head: number, s: number, t: number) =>
    dot(head, s, t) / Math.sqrt(dot(head, s, s) * dot(head, t, t)) || 0;
  for (let at = 0; at < caps.length; at++) {
    const head = Math.floor(at / N), first = at % N * blockN;
    for (const r of Object.keys(thresholds).map(Number).sort((a, b) => a - b)) {
      let similarity = 0;
      for (let t = first; t < first + blockN; t += r) similarity += cosine(head, t, t + r - 1) / (blockN / r);
      if (similarity > thresholds[r]) caps[at] = r;
    }
  }
  return { data: caps, shape: [B, Hk, N] };
}
