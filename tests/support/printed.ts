/**
 * Compares what the examples of the documentation print with the comment behind each `console.log`. `deno test --doc`
 * runs an example as a module whose name holds the lines it comes from, so that the comment is found in its source.
 * Loaded before the tests by `deno task test`.
 *
 * @module
 */

/** Where a call of `console.log` in an example stands: the file, the example's first line, and the line in the module. */
const PLACE = /(file:\/\/\S+?)[#$](\d+)-(\d+)\.\w+:(\d+):\d+/;

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

/** What is known of an example's module: its lines in the file that print, and how far the module's lines are from them. */
interface Example {
  readonly printing: readonly number[];
  readonly lines: readonly string[];
  shift?: number;
}

const examples = new Map<string, Example>();

/** Reads the lines of an example that print something. */
function readExample(file: string, first: number, last: number): Example {
  const lines = Deno.readTextFileSync(new URL(file)).split("\n");
  const printing = lines.flatMap((line, i) =>
    i >= first && i < last && line.includes("console.log(") ? [i + 1] : []
  );
  return { lines, printing };
}

/** The comment behind the `console.log` of an example, or undefined if there is none. */
function commentAt(file: string, first: number, last: number, line: number): string | undefined {
  const key = `${file}#${first}`, example = examples.get(key) ?? readExample(file, first, last);
  examples.set(key, example);
  // The module has lines of its own above: how many is known from its first call, which is the example's first.
  example.shift ??= example.printing[0] - line;
  if (!example.printing.includes(line + example.shift)) {
    throw new Error(`line ${line + example.shift} of ${file} prints, but has no console.log`);
  }
  const [own, next = ""] = example.lines.slice(line + example.shift - 1);
  // Behind the statement, or alone on the line below it.
  return /; *\/\/ ?(.*)$/.exec(own)?.[1] ?? /^(?: \*)? *\/\/ ?(.*)$/.exec(next)?.[1];
}

/** Calls of `console.log` that come from an example are compared; all are passed on. */
function compareExamples(): void {
  const log = console.log;
  console.log = (...values: unknown[]) => {
    const place = PLACE.exec(new Error().stack ?? "");
    if (place) {
      const [, file, first, last, line] = place;
      const comment = commentAt(file, Number(first), Number(last), Number(line));
      const printed = values.map((value) =>
        typeof value === "string"
          ? value
          : Deno.inspect(value, { depth: 9, iterableLimit: 1000, breakLength: 1e6 })
      ).join(" ");
      if (comment === undefined) {
        throw new Error(`an example prints ${printed}: say so in a comment behind it`);
      }
      if (!agrees(printed, comment)) {
        throw new Error(`an example prints ${printed}, its comment says ${comment}`);
      }
    }
    log(...values);
  };
}

compareExamples();
