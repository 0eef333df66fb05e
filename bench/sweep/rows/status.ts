/**
 * The meaning of the status of a row.
 *
 * @module
 */
import type { SweepRow } from "./columns.ts";

/** The kernel was wrong, or could not be seen to be right since the device failed. */
const FAULTS: readonly string[] = ["wrong", "lost", "failed", "skipped"];
/** Nothing is known against the case: its kernel is right, or none was to run. */
const SOUND: readonly string[] = ["ok", "no-gpu", "reference", "unreachable"];

/**
 * Whether a row says that its kernel was wrong, or could not be seen to be right since the device failed.
 *
 * @example
 * ```ts
 * import { isFault } from "./status.ts";
 * console.log(isFault({ status: "wrong" }), isFault({ status: "no-gpu" })); // true false
 * ```
 */
export function isFault({ status }: Pick<SweepRow, "status">): boolean {
  return FAULTS.includes(status);
}

/**
 * Whether a status got worse: a kernel that was right and is not seen to be so any more, or one that is wrong now.
 *
 * @param before the status before
 * @param after the status after
 *
 * @example
 * ```ts
 * import { isWorse } from "./status.ts";
 * console.log(isWorse("ok", "no-gpu"), isWorse("no-gpu", "ok"), isWorse("skipped", "wrong")); // true false true
 * ```
 */
export function isWorse(before: string, after: string): boolean {
  if (before === after) return false;
  return before === "ok" || after === "wrong" || SOUND.includes(before) && !SOUND.includes(after);
}
