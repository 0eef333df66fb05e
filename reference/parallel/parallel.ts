/**
 * Attention on all cores: the work of attention.ts, spread over Web Workers, with the same bits.
 *
 * @module
 */
import { type AttentionResult, emptyResult } from "../attention/attention.ts";
import { type PyramidCall, requireCall } from "../attention/call.ts";
import type { Qkv, Tensor } from "../tensor.ts";
import { headOf } from "../heads.ts";
import type { PyramidAttentionOptions } from "../attention/call.ts";
import { attendItem, type WorkItem, type WorkResult } from "./item.ts";
import { copiedHead, cores, mapOnCores, requireWorkers } from "./on_cores.ts";

/** Options of {@link pyramidAttentionParallel}. */
export interface ParallelOptions extends Partial<PyramidAttentionOptions> {
  /** How many workers to use; default one for every core; 0 computes in the calling thread. */
  readonly workers?: number;
  /** Called whenever a piece of work is finished, with the finished and all pieces. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** The position of a piece of work. */
interface Piece {
  readonly head: number;
  readonly firstBlock: number;
  readonly endBlock: number;
}

/** Pieces of work for every worker: enough that none waits long for the last one. */
const PIECES = 4;

/**
 * {@link pyramidAttention} or {@link denseAttention} on all cores, to the same bits. A piece of work is a head, or some
 * query blocks of a head if there are few heads. Workers are closed when the promise settles, even after an
 * error. Where no worker can be started (there are no Web Workers, a bundle has no worker file, or Deno may not read
 * this package), the work is done in the calling thread.
 *
 * @param qkv queries, keys and values
 * @param levels the levels of the call, or null for dense attention
 * @param options the options of attention (block sizes are needed if there are levels), workers, progress
 * @throws {InputError} if tensors disagree, `levels` has the wrong shape or entries, or `workers` is negative
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { pyramidAttentionParallel } from "./parallel.ts";
 * const x = tensor(new Float32Array(4 * 64 * 8).map((_, i) => Math.sin(i)), [1, 4, 64, 8]);
 * const { out } = await pyramidAttentionParallel({ q: x, k: x, v: x }, null, { workers: 2 });
 * console.log(out.shape); // [1, 4, 64, 8]
 * ```
 */
export async function pyramidAttentionParallel(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  { workers, onProgress, ...options }: ParallelOptions = {},
): Promise<AttentionResult> {
  requireWorkers(workers);
  return await attendParallel(qkv, requireCall(qkv, levels, options), { workers, onProgress });
}

/** All heads of a checked call on all cores. */
export async function attendParallel(
  qkv: Qkv,
  { levels, options, shape }: PyramidCall,
  { workers = cores(), onProgress }: Pick<ParallelOptions, "workers" | "onProgress">,
): Promise<AttentionResult> {
  const { batch, heads, seqQ, valueDim } = shape, { out, lse } = emptyResult(shape);
  const pieces = cut({ heads: batch * heads, blocks: levels.shape[2], workers });
  const items = pieces.map(({ head, ...range }) => (): WorkItem => ({
    head: copiedHead(headOf(qkv, levels, head)),
    options,
    ...range,
  }));
  await mapOnCores<WorkItem, WorkResult>(items, {
    ...{ workers, onProgress, here: attendItem },
    onResult: (result, index) => {
      const { head, firstBlock } = pieces[index], row = head * seqQ + firstBlock * options.blockM;
      out.data.set(result.out, row * valueDim);
      lse.data.set(result.lse, row);
    },
  });
  return { out, lse };
}

/** Cuts every head into so many ranges of query blocks that there are enough pieces for the workers. */
function cut({ heads, blocks, workers }: { heads: number; blocks: number; workers: number }): Piece[] {
  const ranges = Math.min(blocks, Math.max(1, Math.ceil(workers * PIECES / heads)));
  return Array.from({ length: heads * ranges }, (_, index) => {
    const range = index % ranges;
    return {
      head: Math.floor(index / ranges),
      firstBlock: Math.floor(range * blocks / ranges),
      endBlock: Math.floor((range + 1) * blocks / ranges),
    };
  });
}
