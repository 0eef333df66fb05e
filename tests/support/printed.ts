/**
 * Whether what an example of the documentation prints is what the comment behind it says.
 *
 * @module
 */

/** A value as it is printed, without what only the printer decides: spaces, quotes, names and lengths of arrays. */
export function normalized(text: string): string {
  return text.replaceAll(/\b(Float|Int|Uint|BigInt|BigUint)\d+(Clamped)?Array(\(\d+\))?\s*/g, "")
    .replaceAll(/["'`]/g, "").replaceAll(/\s+/g, " ")
    .replaceAll(/ ?([[\]{}(),]) ?/g, "$1").replaceAll(/,([\]}])/g, "$1").trim();
}

/**
 * Whether a printed value is what the comment says: the value, alone or before a colon and an explanation; or
 * "between A and B"; or "about A", to as many digits as A has.
 *
 * @param printed what `console.log` printed
 * @param comment the text behind `//`
 *
 * @example
 * ```ts
 * import { agrees } from "./printed.ts";
 * console.log(agrees("[ 1, 2 ]", "[1, 2]: two numbers")); // true
 * ```
 */
export function agrees(printed: string, comment: string): boolean {
  const between = /^between (\S+) and ([^\s:,]+)/.exec(comment);
  if (between) return Number(between[1]) <= Number(printed) && Number(printed) <= Number(between[2]);
  const about = /^about ([^\s:,]+)/.exec(comment);
  if (about) {
    const digits = about[1].replace(/e.*/i, "").replace(/^-?[0.]*/, "").replaceAll(/\D/g, "").length;
    return Number(Number(printed).toPrecision(digits)) === Number(about[1]);
  }
  const value = normalized(printed), said = normalized(comment.replaceAll("\\n", " "));
  return said === value || said.startsWith(`${value}:`);
}
