/**
 * Command lines as one types them.
 *
 * @module
 */

/**
 * Words as a shell reads them.
 *
 * @param words the words
 *
 * @example
 * ```ts
 * import { quoted } from "./shell.ts";
 * console.log(quoted(["deno", "task", "sweep", "--input", "my file"])); // deno task sweep --input 'my file'
 * ```
 */
export function quoted(words: readonly string[]): string {
  return words.map((word) => /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)
    .join(" ");
}

/**
 * The words of a line that {@link quoted} made.
 *
 * @param line the line
 *
 * @example
 * ```ts
 * import { quoted, wordsOf } from "./shell.ts";
 * console.log(wordsOf(quoted(["--out", "it's here"]))); // [ "--out", "it's here" ]
 * ```
 */
export function wordsOf(line: string): string[] {
  const words = line.match(/(?:'[^']*'|\\'|[^\s'\\])+/g) ?? [];
  return words.map((word) => word.replaceAll(/'([^']*)'|\\(')/g, (_, inside, quote) => quote ?? inside));
}

/**
 * A line that {@link quoted} made, without some of its options.
 *
 * @param line the line
 * @param options names without `--`: options with a value, which goes with them, and flags
 *
 * @example
 * ```ts
 * import { withoutOptions } from "./shell.ts";
 * const line = "deno task claim --out 'my runs' --heads 12 --force";
 * console.log(withoutOptions(line, { valued: ["out"], flags: ["force"] })); // deno task claim --heads 12
 * ```
 */
export function withoutOptions(
  line: string,
  { valued, flags }: { readonly valued: readonly string[]; readonly flags: readonly string[] },
): string {
  const words = wordsOf(line),
    isOne = (word: string | undefined) => valued.some((name) => word === `--${name}`);
  const kept = words.filter((word, place) =>
    !isOne(word) && !isOne(words[place - 1]) && !valued.some((name) => word.startsWith(`--${name}=`)) &&
    !flags.some((name) => word === `--${name}`)
  );
  return quoted(kept);
}

/**
 * The words of an option with its value; a value that looks like an option follows `=`.
 *
 * @param name the name without `--`
 * @param value the value; true: a flag, false: a flag that is not given
 *
 * @example
 * ```ts
 * import { optionWords } from "./shell.ts";
 * console.log(optionWords("seed", "3"), optionWords("json", true)); // ["--seed", "3"] ["--json"]
 * ```
 */
export function optionWords(name: string, value: string | boolean): string[] {
  if (typeof value === "boolean") return value ? [`--${name}`] : [];
  return value.startsWith("-") ? [`--${name}=${value}`] : [`--${name}`, value];
}
