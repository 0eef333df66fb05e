/**
 * How Dawn's package waits for the device. While something is awaited it looks again and again, without a pause, by
 * `setImmediate`, and makes a function each time. Deno takes a time for freeing these that grows with the square of their number:
 * after a second of waiting in all, a program could stand still for half a minute.
 *
 * @module
 */

/** Milliseconds after which Dawn looks again, and how often it may do so at once within a period, so that short waits stay short. */
const PAUSE = 1, AT_ONCE = 20, PERIOD = 20;

/** The `setImmediate` of a runtime. */
type SetImmediate = (callback: (...args: unknown[]) => void, ...args: unknown[]) => unknown;
/** What a runtime has of timers. */
interface Timers {
  setImmediate?: SetImmediate;
  setTimeout(callback: () => void, milliseconds: number): unknown;
}

/** Timers that are calm already. */
const CALM = new WeakSet<object>();

/**
 * Lets Dawn look for the end of its work about twice a millisecond at most. Other callbacks of `setImmediate` are called as before: Dawn's
 * are native functions without a name.
 *
 * @param timers where `setImmediate` is replaced; default those of the program
 *
 * @example
 * ```ts
 * import { calmWaits } from "./dawn_wait.ts";
 * const timers = { setImmediate: (_call: () => void) => "at once", setTimeout: () => "later" };
 * calmWaits(timers);
 * console.log(timers.setImmediate(() => {})); // at once
 * ```
 */
export function calmWaits(timers: Timers = globalThis as unknown as Timers): void {
  const { setImmediate } = timers;
  if (setImmediate === undefined || CALM.has(setImmediate)) return;
  let begin = -Infinity, count = 0;
  const calm: SetImmediate = (callback, ...args) => {
    if (!isDawns(callback)) return setImmediate(callback, ...args);
    const now = performance.now();
    if (now - begin >= PERIOD) [begin, count] = [now, 0];
    return count++ < AT_ONCE ? setImmediate(callback) : timers.setTimeout(callback, PAUSE);
  };
  timers.setImmediate = Object.assign(calm, setImmediate);
  CALM.add(calm);
}

/** Whether a callback is a native function without a name; those of `bind` have one. */
function isDawns(callback: unknown): callback is () => void {
  return typeof callback === "function" && callback.name === "" &&
    /\{\s*\[native code\]\s*\}\s*$/.test(Function.prototype.toString.call(callback));
}
