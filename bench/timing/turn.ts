/**
 * Turns of several runs on one machine: while one takes times on a device, the others do not.
 *
 * @module
 */
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The file whose lock is the turn. */
const FILE = "psa-harness-times.lock";

/**
 * Waits until no other run on this machine takes times.
 *
 * @returns gives the turn on when it is disposed of; at once and without a turn where there can be no such file
 *
 * @example
 * ```ts
 * import { takeTurn } from "./turn.ts";
 * using _turn = await takeTurn();
 * console.log("nobody else measures"); // nobody else measures
 * ```
 */
export async function takeTurn(): Promise<Disposable> {
  try {
    const file = await Deno.open(join(tmpdir(), FILE), { write: true, create: true });
    await file.lock(true);
    return { [Symbol.dispose]: () => file.close() };
  } catch {
    return { [Symbol.dispose]: () => {} }; // no permission, or a file system without locks
  }
}
