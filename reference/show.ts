/**
 * Values as sentences show them: short, and whatever they are.
 *
 * @module
 */

/** The most characters of a value in a sentence. */
const MOST = 80;

/**
 * A value as a sentence shows it.
 *
 * @example
 * ```ts
 * import { show } from "./show.ts";
 * console.log(show("f8"), show([1, 2]), show(undefined)); // "f8" [1,2] missing
 * ```
 */
export function show(value: unknown): string {
  if (value === undefined) return "missing";
  if (typeof value !== "object" && typeof value !== "string") return String(value).slice(0, MOST);
  let text: string;
  try {
    text = JSON.stringify(typeof value === "string" ? value.slice(0, MOST) : value) ?? "missing";
  } catch {
    return "something that cannot be shown"; // it holds itself, or is deeper than the stack
  }
  return text.length <= MOST + 2 ? text : `${text.slice(0, MOST)}…`;
}
