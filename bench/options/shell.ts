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
