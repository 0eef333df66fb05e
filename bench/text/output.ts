/**
 * Printing for commands: everything is written, control characters from outside are escaped, and a closed pipe is no
 * error.
 *
 * @module
 */

/**
 * The files or the standard output cannot be written: one sentence, and exit code 1.
 *
 * @example
 * ```ts
 * import { OutputError } from "./output.ts";
 * console.log(new OutputError("The disk is full.").name); // OutputError
 * ```
 */
export class OutputError extends Error {
  /** Always `"OutputError"`. */
  override readonly name = "OutputError";
}

/** Streams whose reader has gone. */
const closed = new Set<"stdout" | "stderr">();

/**
 * Writes a text to a stream, all of it. Where the reader has closed a stream, as `head` does, what is written is
 * dropped from then on.
 *
 * @param text the text as it is
 * @param to the stream; default stdout
 * @throws {OutputError} if the stream cannot be written for another reason, such as a full disk
 *
 * @example
 * ```ts
 * import { write } from "./output.ts";
 * write("done\n"); // done
 * ```
 */
export function write(text: string, to: "stdout" | "stderr" = "stdout"): void {
  try {
    for (let bytes = new TextEncoder().encode(text); bytes.length > 0 && !closed.has(to);) {
      bytes = bytes.subarray(Deno[to].writeSync(bytes));
    }
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe || to === "stderr") closed.add(to);
    else throw new OutputError(`Standard output cannot be written: ${messageOf(error)}.`);
  }
}

/**
 * Writes a line in which control characters are visible.
 *
 * @param text the line, or several
 * @param to the stream; default stdout
 *
 * @example
 * ```ts
 * import { say } from "./output.ts";
 * say("a\x1b[31m"); // a\x1b[31m, with the backslash
 * ```
 */
export function say(text: string, to: "stdout" | "stderr" = "stdout"): void {
  write(visible(text) + "\n", to);
}

/**
 * A text whose control characters, but for line ends and tabs, are written as escapes: no terminal obeys them.
 *
 * @example
 * ```ts
 * import { visible } from "./output.ts";
 * console.log(visible("\x1b[2J")); // \x1b[2J: seven characters
 * ```
 */
export function visible(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (char) => {
    const code = char.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code}`;
  });
}

/**
 * A value as one line of JSON. Numbers that are not finite become the texts "NaN", "Infinity" and "-Infinity";
 * characters that a terminal obeys become escapes.
 *
 * @example
 * ```ts
 * import { jsonLine } from "./output.ts";
 * console.log(jsonLine({ ms: NaN })); // {"ms":"NaN"}
 * ```
 */
export function jsonLine(value: unknown): string {
  return toJson(value).replaceAll(
    /[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * A value as JSON in which numbers that are not finite are texts.
 *
 * @param value the value
 * @param indent how far nested lines are moved in; default all is one line
 *
 * @example
 * ```ts
 * import { toJson } from "./output.ts";
 * console.log(toJson([1, Infinity])); // [1,"Infinity"]
 * ```
 */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, each) => typeof each === "number" && !Number.isFinite(each) ? String(each) : each,
    indent,
  );
}

/**
 * The message of an error, in one line and without a full stop.
 *
 * @example
 * ```ts
 * import { messageOf } from "./output.ts";
 * console.log(messageOf(new Error("It broke."))); // It broke
 * ```
 */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0].replace(/\.$/, "");
}
