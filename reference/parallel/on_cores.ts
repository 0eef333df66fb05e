/**
 * Work on all cores, or in the calling thread if there are no workers.
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import type { Head } from "../heads.ts";
import type { Tensor, TensorData } from "../tensor.ts";
import { mapInWorkers } from "./pool.ts";

/** How work is spread, and the receivers of its results. */
export interface OnCoresOptions<Item, Result> {
  /** How many workers to use; 0 computes in the calling thread. */
  readonly workers: number;
  /** Does a piece of work in the calling thread, to the same bits as a worker. */
  readonly here: (item: Item) => Result;
  /** Called with every result as it arrives, in any order. */
  readonly onResult: (result: Result, index: number) => void;
  /** Called whenever a piece of work is finished, with the finished and all pieces. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Does pieces of work in workers (worker.ts). Where no worker gives a result, the calling thread does the work, or meets
 * the error itself.
 *
 * @param items makes each piece when it is its turn
 * @param options workers, the work itself, receivers
 */
export async function mapOnCores<Item, Result>(
  items: readonly (() => Item)[],
  { workers, here, onResult, onProgress }: OnCoresOptions<Item, Result>,
): Promise<void> {
  requireWorkers(workers);
  let done = 0;
  const receive = (result: Result, index: number) => {
    onResult(result, index);
    onProgress?.(++done, items.length);
  };
  const inThisThread = () => items.forEach((item, index) => receive(here(item()), index));
  if (workers === 0) return inThisThread();
  try {
    await mapInWorkers(new URL("./worker.ts", import.meta.url), items, { workers, onResult: receive });
  } catch (error) {
    if (done > 0) throw error;
    inThisThread();
  }
}

/** Throws unless a number of workers is a whole number, or left to the number of cores. */
export function requireWorkers(workers = 0): void {
  requireInput(
    Number.isInteger(workers) && workers >= 0,
    () => `\`workers\` is ${workers}; it should be a whole number, 0 or more.`,
  );
}

/** One worker for every core, or none where there are no Web Workers. */
export function cores(): number {
  return typeof Worker === "undefined" ? 0 : navigator.hardwareConcurrency;
}

/** A head with data of its own: a message carries the whole buffer behind a view. Keys that are the values go once. */
export function copiedHead({ qkv: { q, k, v }, levels }: Head): Head {
  const copy = <Data extends TensorData>({ data, shape }: Tensor<Data>) => ({
    data: data.slice() as Data,
    shape,
  });
  const keys = copy(k),
    sameMemory = v.data.buffer === k.data.buffer && v.data.byteOffset === k.data.byteOffset;
  const isShared = sameMemory && String(v.shape) === String(k.shape);
  return { qkv: { q: copy(q), k: keys, v: isShared ? keys : copy(v) }, levels: copy(levels) };
}
