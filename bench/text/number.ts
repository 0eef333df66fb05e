/**
 * Numbers for people: one way to write them in tables, reports and sentences.
 *
 * @module
 */

/** How a number is written. */
export interface NumberStyle {
  /** Digits that count; default 3. */
  readonly digits?: number;
  /** Sizes below this one are written with an exponent; default .001. */
  readonly small?: number;
  /** Sizes from this one on are written with an exponent; default a million. */
  readonly large?: number;
}

/**
 * A number with a few digits: plain in between, with an exponent where it is small or large.
 *
 * @param value the number
 * @param style digits, and where exponents begin
 *
 * @example
 * ```ts
 * import { showNumber } from "./number.ts";
 * console.log(showNumber(0.12345), showNumber(1.2345e-7), showNumber(Infinity)); // 0.123 1.23e-7 Infinity
 * ```
 */
export function showNumber(
  value: number,
  { digits = 3, small = 1e-3, large = 1e6 }: NumberStyle = {},
): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size > 0 && (size < small || size >= large)) return value.toExponential(digits - 1);
  return String(Number(value.toPrecision(digits)));
}

/**
 * A number with as many decimals in every row of a column, however small or large it is.
 *
 * @example
 * ```ts
 * import { showFixed } from "./number.ts";
 * console.log(showFixed(1.005, 2), showFixed(NaN, 2)); // 1.00 NaN
 * ```
 */
export function showFixed(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : String(value);
}

/**
 * Milliseconds: three decimals below 10, two below 100, else none.
 *
 * @example
 * ```ts
 * import { showMilliseconds } from "./number.ts";
 * console.log(showMilliseconds(1.5), showMilliseconds(250)); // 1.500 250
 * ```
 */
export function showMilliseconds(ms: number): string {
  return showFixed(ms, ms < 10 ? 3 : ms < 100 ? 2 : 0);
}

/**
 * A count with its noun.
 *
 * @example
 * ```ts
 * import { plural } from "./number.ts";
 * console.log(plural(1, "case"), plural(2, "case")); // 1 case 2 cases
 * ```
 */
export function plural(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/**
 * Words in a row, as a sentence has them.
 *
 * @example
 * ```ts
 * import { listed } from "./number.ts";
 * console.log(listed(["a", "b", "c"])); // a, b and c
 * ```
 */
export function listed(words: readonly string[]): string {
  return words.length < 2
    ? words.join("")
    : `${words.slice(0, -1).join(", ")} and ${words[words.length - 1]}`;
}
