/**
 * Items of work spread over Web Workers.
 *
 * @module
 */

/** Options of {@link mapInWorkers}. */
export interface PoolOptions<Result> {
  /** How many workers to start. */
  readonly workers: number;
  /** Called with every result as it arrives, in any order. */
  readonly onResult: (result: Result, index: number) => void;
}

/**
 * Sends every item to the next free worker. All workers are closed when the promise settles.
 *
 * @param url the worker's module; it answers every message with exactly one
 * @param items makes item `index`; called only when a worker is free for it, so that few items exist at a time
 * @throws the first error of a worker or of `onResult`
 */
export async function mapInWorkers<Item, Result>(
  url: URL,
  items: readonly (() => Item)[],
  { workers, onResult }: PoolOptions<Result>,
): Promise<void> {
  const pool = Array.from(
    { length: Math.min(workers, items.length) },
    () => new Worker(url, { type: "module" }),
  );
  let next = 0;
  try {
    await Promise.all(pool.map(async (worker) => {
      while (next < items.length) {
        const index = next++;
        onResult(await ask<Item, Result>(worker, items[index]()), index);
      }
    }));
  } finally {
    for (const worker of pool) worker.terminate();
  }
}

/** Sends one message and waits for its answer. */
function ask<Item, Result>(worker: Worker, item: Item): Promise<Result> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onmessageerror = () => reject(new Error("A worker's answer could not be read."));
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`A worker failed: ${event.message}`));
    };
    worker.postMessage(item);
  });
}
