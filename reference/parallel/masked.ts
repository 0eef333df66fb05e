/**
 * Attention over masks on all cores: the work of masks/attention.ts, spread over Web Workers, with the same bits.
 *
 * @module
 */
import { type AttentionResult, emptyResult } from "../attention/attention.ts";
import { headOf } from "../heads.ts";
import { requireMask } from "../masks/attention.ts";
import type { Mask } from "../masks/mask.ts";
import type { Qkv } from "../tensor.ts";
import { type HeadsOptions, mapHeads, noLevels } from "./heads.ts";
import { copiedHead, cores } from "./on_cores.ts";
import type { HeadWork } from "./head_work.ts";

/** Pieces of work for every worker, and the least queries of a piece: each carries the keys of its head. */
const PIECES = 4, LEAST = 256;
/** The most bytes of a mask's rows that a piece holds. */
const MOST_BYTES = 2 ** 24;

/**
 * `maskedAttention` on all cores, to the same bits. The rows of the mask are made in the calling thread, those of a
 * piece of work when a worker is free for it.
 *
 * @param qkv queries, keys and values
 * @param mask what each query sees
 * @param options scale, workers, progress
 * @throws {InputError} if tensors disagree, or the mask is for another call
 *
 * @example
 * ```ts
 * import { buildMask } from "../masks/mask.ts";
 * import { tensor } from "../tensor.ts";
 * import { maskedAttentionParallel } from "./masked.ts";
 * const q = tensor(new Float64Array(2 * 8), [1, 1, 2, 8]), v = tensor(new Float64Array([1, 3]), [1, 1, 2, 1]);
 * const mask = buildMask([1, 1, 2, 2], { fill: (bits) => bits.set([0b11, 0b10]) });
 * console.log((await maskedAttentionParallel({ q, k: q, v }, mask, { workers: 0 })).out.data); // [2, 3]
 * ```
 */
export async function maskedAttentionParallel(
  qkv: Qkv,
  mask: Mask,
  { scale, workers = cores(), onProgress }: HeadsOptions & { readonly scale?: number } = {},
): Promise<AttentionResult> {
  const shape = requireMask(qkv, mask), { batch, heads, seqQ, valueDim, headDim } = shape;
  const none = noLevels(batch * heads);
  const forWorkers = Math.min(Math.ceil(workers * PIECES / (batch * heads)), Math.floor(seqQ / LEAST));
  const ranges = Math.max(1, forWorkers, Math.ceil(seqQ * mask.words * 4 / MOST_BYTES));
  const begins = Array.from({ length: ranges + 1 }, (_, i) => Math.floor(i * seqQ / ranges));
  const pieces = Array.from({ length: batch * heads * ranges }, (_, index) => {
    const head = Math.floor(index / ranges), range = index % ranges;
    return { head, first: begins[range], end: begins[range + 1] };
  });
  const works = pieces.map(({ head, first, end }) => (): HeadWork => {
    const { qkv: { q, k, v }, levels } = headOf(qkv, none, head);
    const rows = {
      data: q.data.subarray(first * headDim, end * headDim),
      shape: [1, 1, end - first, headDim],
    };
    const bits = mask.rows(head, first, end);
    return { kind: "mask", head: copiedHead({ qkv: { q: rows as Qkv["q"], k, v }, levels }), bits, scale };
  });
  const parts = await mapHeads<"mask">(works, { workers, onProgress });
  const { out, lse } = emptyResult(shape);
  parts.forEach((part, i) => {
    const row = pieces[i].head * seqQ + pieces[i].first;
    out.data.set(part.out, row * valueDim);
    lse.data.set(part.lse, row);
  });
  return { out, lse };
}
