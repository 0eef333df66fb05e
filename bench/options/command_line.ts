/**
 * The command line of every command: its options, their help, and the messages about wrong ones.
 *
 * @module
 */
import { InputError, requireInput } from "../../reference/errors.ts";
import { closestString, parseArgs } from "../std/std.ts";
import { plural } from "../text/number.ts";
import { fillLines } from "../text/table.ts";
import { OptionReader } from "./reader.ts";

/** One option: its name, what its value is, what it does. */
export interface OptionHelp {
  /** The name without `--`. */
  readonly name: string;
  /** A name for its value, such as `N`; empty for a flag. */
  readonly value: string;
  /** Its effect, in a few words. */
  readonly help: string;
  /** Whether it may be given several times; default false. */
  readonly many?: boolean;
}

/** The name, arguments and help of a command. */
export interface CommandHelp {
  /** Its name. */
  readonly name: string;
  /** The arguments after the name, such as `BEFORE AFTER [options]`. */
  readonly usage: string;
  /** Its purpose: lines of text. */
  readonly about: readonly string[];
  /** Command lines that work, the simplest first. */
  readonly examples?: readonly string[];
  /** Its options; `--help` is there without being named. */
  readonly options: readonly OptionHelp[];
  /** The least and the most number of words apart from options; default none. */
  readonly words?: readonly [least: number, most: number];
  /** A description of these words, for messages, such as `the two folders BEFORE and AFTER`. */
  readonly wordsAre?: string;
  /** The meaning of exit code 1, in words. */
  readonly exits?: string;
}

/** A command line, read. */
export interface CommandLine {
  /** The arguments as they came. */
  readonly args: readonly string[];
  /** The words that are not options. */
  readonly words: readonly string[];
  /** Values of options, by kind. */
  readonly read: OptionReader;
  /** The options that were given, by name. */
  readonly given: Readonly<Record<string, unknown>>;
  /** Whether help was requested. */
  readonly help: boolean;
}

const HELP: OptionHelp = { name: "help", value: "", help: "print this" };

/** All options of a command. */
function optionsOf({ options }: CommandHelp): readonly OptionHelp[] {
  return options.some(({ name }) => name === HELP.name) ? options : [...options, HELP];
}

/**
 * Reads the arguments of a command.
 *
 * @param args the arguments
 * @param command the options of the command
 * @throws {InputError} one sentence about an option that is unknown, or about too few or too many words
 *
 * @example
 * ```ts
 * import { readCommandLine } from "./command_line.ts";
 * const options = [{ name: "seed", value: "N", help: "the seed" }];
 * const { read } = readCommandLine(["--seed", "3"], { name: "draw", usage: "[options]", about: [], options });
 * console.log(read.whole("seed", 0)); // 3
 * ```
 */
export function readCommandLine(args: readonly string[], command: CommandHelp): CommandLine {
  const options = optionsOf(command);
  // the parser keeps words under this name, and falls over an option of it
  const end = args.indexOf("--"), own = end < 0 ? args : args.slice(0, end);
  const reserved = own.find((arg) => /^--?(no-)?_/.test(arg));
  if (reserved !== undefined) refuseOption(reserved, command);
  const valued = options.filter(({ value }) => value !== "").map(({ name }) => name);
  const { _: words, ...parsed } = parseArgs(withValues(args, valued), {
    string: ["_", ...valued],
    boolean: options.filter(({ value }) => value === "").map(({ name }) => name),
    collect: valued,
    unknown: (arg) => arg.startsWith("-") && arg !== "-" ? refuseOption(arg, command) : true,
  });
  const given = Object.fromEntries(
    Object.entries(parsed).filter(([, value]) =>
      value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
    ).map(([name, value]) => [name, only(name, value, options)]),
  );
  const read = new OptionReader(given), help = given.help === true;
  const line = { args, words: words.map(String), read, given, help };
  if (!line.help) requireWords(line.words, command);
  return line;
}

/** Arguments in which a negative number or nothing ("") behind an option is its value, and no option or word. */
function withValues(args: readonly string[], valued: readonly string[]): string[] {
  const all: string[] = [];
  for (const arg of args) {
    const before = all.at(-1) ?? "", isValue = /^(-\.?\d|$)/.test(arg) && !all.includes("--");
    if (isValue && before.startsWith("--") && valued.includes(before.slice(2))) {
      all[all.length - 1] += `=${arg}`;
    } else all.push(arg);
  }
  return all;
}

/**
 * The value of an option: the last one, as everywhere, or all of them where it may be given several times. A list or a
 * path to read that is given twice is refused: both may be meant.
 */
function only(name: string, value: unknown, options: readonly OptionHelp[]): unknown {
  const { many = false, value: form = "" } = options.find((option) => option.name === name) ?? {};
  if (!Array.isArray(value) || many) return value;
  requireInput(
    new Set(value).size === 1 || !/,…$|^PATH$/.test(form),
    () =>
      `--${name} was given ${value.length} times; it takes one ${
        form === "PATH" ? "file or folder" : `list, such as --${name} ${value.join(",")}`
      }.`,
  );
  return value.at(-1);
}

function requireWords(
  words: readonly string[],
  { words: [least, most] = [0, 0], wordsAre }: CommandHelp,
): void {
  requireInput(
    most > 0 || words.length === 0,
    () => `"${words[0]}" is not an option; options begin with --, as in --help.`,
  );
  requireInput(
    words.length >= least && words.length <= most,
    () => `${plural(words.length, "argument")} given; ${wordsAre ?? `${least} are needed`}.`,
  );
}

/**
 * Throws that an option is none, and names the nearest.
 *
 * @param arg the option as it was written
 * @param command the options of the command
 * @param place the place of the option, such as ` in sweep.json`; default the command line, which is not named
 *
 * @example
 * ```ts
 * import { refuseOption } from "./command_line.ts";
 * try {
 *   refuseOption("--sed=3", { options: [{ name: "seed", value: "N", help: "the seed" }] });
 * } catch (error) {
 *   console.log((error as Error).message); // --sed is not an option; the nearest one is --seed.
 * }
 * ```
 */
export function refuseOption(
  arg: string,
  command: Pick<CommandHelp, "options">,
  place = "",
): never {
  const name = arg.replace(/^-+/, "").replace(/=.*$/s, "");
  const names = optionsOf(command as CommandHelp).map((option) => option.name);
  throw new InputError(
    `--${name}${place} is not an option; the nearest one is --${closestString(name, names)}.`,
  );
}

const HELP_COLUMN = 22, HELP_WIDTH = 80;

/**
 * The help of a command, for a terminal of 80 columns.
 *
 * @param command the options of the command
 *
 * @example
 * ```ts
 * import { helpOf } from "./command_line.ts";
 * console.log(helpOf({ name: "draw", usage: "", about: ["Draws."], options: [] }).split("\n")[0]); // deno task draw
 * ```
 */
export function helpOf(command: CommandHelp): string {
  const rows = optionsOf(command).flatMap(({ name, value, help }) => {
    const head = `  --${name} ${value}`.trimEnd(), [first, ...more] = wrap(help, HELP_WIDTH - HELP_COLUMN);
    const lines = more.map((line) => " ".repeat(HELP_COLUMN) + line);
    if (head.length < HELP_COLUMN) return [head.padEnd(HELP_COLUMN) + first, ...lines];
    return [head, " ".repeat(HELP_COLUMN) + first, ...lines];
  });
  const codes = `Exit codes: 0; ${
    command.exits ? `1 if ${command.exits}` : "1 if files cannot be written"
  }; 2 for bad input; 3 for a fault of the project; 129, 130 or 143 if a signal stopped it.`;
  return [
    `deno task ${command.name} ${command.usage}`.trimEnd(),
    "",
    ...command.about.flatMap((text) => text === "" ? [""] : wrap(text, HELP_WIDTH)),
    "",
    ...exampleLines(command.examples ?? []),
    ...rows,
    "",
    ...wrap(codes, HELP_WIDTH),
  ].join("\n");
}

/** Examples; long lines are broken with a backslash, so that they can be copied. */
function exampleLines(examples: readonly string[]): string[] {
  if (examples.length === 0) return [];
  const lines = examples.flatMap((example) => {
    const broken = fillLines(example.split(" "), { width: HELP_WIDTH - 8, indent: "    " });
    return broken.map((line, i) => `  ${line}${i + 1 < broken.length ? " \\" : ""}`);
  });
  return [examples.length === 1 ? "Example:" : "Examples:", ...lines, ""];
}

/** Cuts a text into lines between words; one that begins with a space stays as it is. */
function wrap(text: string, width: number): string[] {
  return text.startsWith(" ") ? [text] : fillLines(text.split(" "), { width });
}
