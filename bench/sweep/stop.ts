/**
 * Stopping a run: unfinished work is abandoned, finished work is kept.
 *
 * @module
 */

/**
 * Thrown where work is left because the run was asked to stop.
 *
 * @example
 * ```ts
 * import { Stopped } from "./stop.ts";
 * console.log(new Stopped().name); // Stopped
 * ```
 */
export class Stopped extends Error {
  /** Always `"Stopped"`. */
  override readonly name = "Stopped";
}

/**
 * Waits for work, but no longer than until the run is asked to stop; the work itself may go on unheard.
 *
 * @param work what is waited for
 * @param stop aborted when the run is asked to stop; left out: it is not asked
 * @throws {Stopped} if it is asked before the work is done
 *
 * @example
 * ```ts
 * import { unlessStopped } from "./stop.ts";
 * console.log(await unlessStopped(Promise.resolve(1), new AbortController().signal)); // 1
 * ```
 */
export async function unlessStopped<Result>(work: Promise<Result>, stop?: AbortSignal): Promise<Result> {
  if (stop === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>(), onStop = () => reject(new Stopped());
  if (stop.aborted) onStop();
  stop.addEventListener("abort", onStop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    stop.removeEventListener("abort", onStop);
  }
}
