/**
 * The typed error that every room throws on bad input.
 *
 * @module
 */

/**
 * Bad input from the caller: one sentence that names the argument, what it was and what it should be.
 * Command-line tools turn it into that sentence on stderr and exit code 2.
 *
 * @example
 * ```ts
 * import { InputError } from "./errors.ts";
 * const error = new InputError("`blockN` is 48; it should be one of 16, 32, 64, 128.");
 * console.log(error.name); // "InputError"
 * ```
 */
export class InputError extends Error {
  /** Always `"InputError"`, so that it survives structured clones between workers. */
  override readonly name = "InputError";
}

/**
 * Throws an {@link InputError} with the given sentence unless the condition holds.
 *
 * @param condition what must be true of the input
 * @param sentence names the argument, what it was and what it should be; a function is called only on failure
 * @throws {InputError} if the condition is false
 *
 * @example
 * ```ts
 * import { requireInput } from "./errors.ts";
 * requireInput(8 % 2 === 0, "`level` should divide `blockN`.");
 * ```
 */
export function requireInput(condition: boolean, sentence: string | (() => string)): asserts condition {
  if (!condition) throw new InputError(typeof sentence === "string" ? sentence : sentence());
}
