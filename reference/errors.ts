/**
 * The typed error that every room throws on bad input.
 *
 * @module
 */

/**
 * Bad input from the caller: one sentence with the name of the argument, its value and the allowed values.
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
  /**
   * Makes the error of a sentence. The sentence may quote untrusted text: control characters become
   * question marks, and it is truncated at 4,000 characters.
   */
  constructor(sentence?: string, options?: ErrorOptions) {
    super(plain(sentence ?? ""), options);
  }

  /** Always `"InputError"`, so that it survives structured clones between workers. */
  override readonly name = "InputError";
}

/**
 * Throws an {@link InputError} with the given sentence unless the condition holds.
 *
 * @param condition what must be true of the input
 * @param sentence has the name of the argument, its value and the allowed values; a function is called only on failure
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

/** The most characters of a sentence. */
const MOST = 4000;

/** Text without control characters, and of bounded length. */
function plain(text: string): string {
  const cut = text.length <= MOST ? text : `${text.slice(0, MOST)}….`;
  // deno-lint-ignore no-control-regex
  return cut.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "?");
}
