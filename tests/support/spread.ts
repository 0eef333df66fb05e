/**
 * Long tasks on all cores: pieces of work that a worker of their own does.
 *
 * @module
 */
import { mapInWorkers } from "../../reference/parallel/pool.ts";

/**
 * Has workers do pieces of work.
 *
 * @param url the worker's module; it answers every piece with its result, see {@link answerWith}
 * @param items the pieces
 * @param onDone called with every result as it arrives, how many there are, and the place of its piece
 * @returns the results in the order of the pieces
 */
export async function spread<Item, Result>(
  url: URL,
  items: readonly Item[],
  onDone: (result: Result, done: number, place: number) => void = () => {},
): Promise<Result[]> {
  const results = new Array<Result>(items.length);
  let done = 0;
  await mapInWorkers<Item, Result>(url, items.map((item) => () => item), {
    workers: navigator.hardwareConcurrency,
    onResult: (result, index) => {
      results[index] = result;
      onDone(result, ++done, index);
    },
  });
  return results;
}

/** The part of a worker's global scope that is used here. */
interface WorkerScope<Item> {
  onmessage: (event: MessageEvent<Item>) => void;
  postMessage(message: unknown): void;
}

/**
 * Makes a module a worker of {@link spread}; what the work throws ends the task.
 *
 * @param work does a piece
 */
export function answerWith<Item, Result>(work: (item: Item) => Result | Promise<Result>): void {
  const scope = self as unknown as WorkerScope<Item>;
  scope.onmessage = async ({ data }) => {
    try {
      scope.postMessage(await work(data));
    } catch (error) {
      setTimeout(() => {
        throw error; // as an error of the worker, which ends the task
      });
    }
  };
}
