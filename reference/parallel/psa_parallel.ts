/**
 * The whole method with its attention on all cores.
 *
 * @module
 */
import type { PsaConfig } from "../config/config.ts";
import { finishPsa, preparePsa, type PsaResult } from "../psa.ts";
import type { Qkv } from "../tensor.ts";
import { requireWorkers } from "./on_cores.ts";
import { attendParallel, type ParallelOptions } from "./parallel.ts";

/**
 * {@link psa} on all cores, to the same bits: order, importance and levels in the calling thread, then the attention,
 * which takes nearly all of the time, as `pyramidAttentionParallel` does it.
 *
 * @param qkv the inputs
 * @param config how to do it
 * @param options workers and progress
 * @throws {InputError} if tensors disagree, the configuration is wrong or does not fit them, or `workers` is negative
 *
 * @example
 * ```ts
 * import { makeWorkload } from "../../fixtures/workloads.ts";
 * import { psaParallel } from "./psa_parallel.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 16, heads: 2 });
 * const config = {
 *   blockM: 32,
 *   blockN: 16,
 *   tile: 16,
 *   importance: { kind: "pooled" },
 *   assignment: { mode: "density", density: 0.25 },
 * } as const;
 * console.log((await psaParallel(qkv, config, { workers: 2 })).out.shape); // [1, 2, 256, 16]
 * ```
 */
export async function psaParallel(
  qkv: Qkv,
  config: PsaConfig,
  { workers, onProgress }: Pick<ParallelOptions, "workers" | "onProgress"> = {},
): Promise<PsaResult> {
  const prepared = preparePsa(qkv, config);
  requireWorkers(workers);
  return finishPsa(prepared, await attendParallel(prepared.qkv, prepared, { workers, onProgress }));
}
