/**
 * Heads of a seeded workload, made on all cores where they are large: the same numbers as in one thread.
 *
 * @module
 */
import { makeWorkload, type WorkloadName, type WorkloadOptions } from "../../../fixtures/workloads.ts";
import { mapInWorkers } from "../../../reference/parallel/pool.ts";
import type { FloatData, Qkv, Tensor } from "../../../reference/tensor.ts";

/** Elements of a head up to which starting workers takes longer than the work. */
const SMALL = 2 ** 19;

/** The order for a worker: the workload, and the key heads that are wanted. */
export interface WantedHeads {
  /** The name of the workload. */
  readonly name: WorkloadName;
  /** Its options, of which `keyHeads` says what is made. */
  readonly options: WorkloadOptions & Required<Pick<WorkloadOptions, "keyHeads">>;
  /** How many workers there may be. */
  readonly workers: number;
}

/**
 * Makes key heads of a workload with the query heads that read them.
 *
 * @param wanted which
 *
 * @example
 * ```ts
 * import { makeHeads } from "./workload_heads.ts";
 * const options = { seqQ: 64, headDim: 8, heads: 4, keyHeads: [1, 3] } as const;
 * console.log((await makeHeads({ name: "video", options, workers: 2 })).q.shape); // [1, 2, 64, 8]
 * ```
 */
export async function makeHeads({ name, options, workers }: WantedHeads): Promise<Qkv> {
  const { seqQ, headDim, keyHeads: [first, end] } = options;
  if (seqQ * headDim <= SMALL || workers <= 1 || end - first === 1) return makeWorkload(name, options).qkv;
  const parts = new Array<Qkv>(end - first);
  const works = Array.from({ length: end - first }, (_, i) => () => ({
    name,
    options: { ...options, keyHeads: [first + i, first + i + 1] },
  }));
  const onResult = (qkv: Qkv, index: number) => {
    parts[index] = qkv;
  };
  try {
    await mapInWorkers(new URL("./workload_worker.ts", import.meta.url), works, {
      workers: Math.min(workers, navigator.hardwareConcurrency),
      onResult,
    });
  } catch (error) {
    if (parts.some((part) => part !== undefined)) throw error;
    return makeWorkload(name, options).qkv; // there are no workers, or the calling thread meets the error itself
  }
  const join = (of: keyof Qkv) => joined(parts.map((part) => part[of]));
  return { q: join("q"), k: join("k"), v: join("v") };
}

/** Heads one after the other. */
function joined(parts: readonly Tensor<FloatData>[]): Tensor<FloatData> {
  const [{ data: first, shape: [, heads, tokens, dim] }] = parts, size = first.length;
  const Type = first.constructor as new (length: number) => FloatData, data = new Type(size * parts.length);
  parts.forEach((part, i) => data.set(part.data, i * size));
  return { data, shape: [1, heads * parts.length, tokens, dim] };
}
