/**
 * Compares what the examples of the documentation print with the comment behind each `console.log`. `deno test --doc`
 * runs an example as a module whose name holds the lines it comes from, so that the comment is found in its source.
 * Loaded before the tests by `deno task test`.
 *
 * @module
 */

/** Where a call of `console.log` in an example stands: the file, the example's lines, and the place in its module. */
const PLACE = /(file:\/\/\S+?)[#$](\d+)-(\d+)\.\w+:(\d+:\d+)/;

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

/** An example: its file, the lines in it that print, and the places in its module that have printed, in their order. */
interface Example {
  readonly lines: readonly string[];
  readonly printing: readonly number[];
  readonly places: string[];
}

const examples = new Map<string, Example>();

/** Reads the lines of an example that print something. */
function readExample(file: string, first: number, last: number): Example {
  const lines = Deno.readTextFileSync(new URL(file)).split("\n");
  const printing = lines.flatMap((line, i) =>
    i >= first && i < last && line.includes("console.log(") ? [i] : []
  );
  return { lines, printing, places: [] };
}

/** The comment behind the `console.log` of an example, or undefined if there is none. */
function commentAt(file: string, { first, last, place }: { first: number; last: number; place: string }) {
  const key = `${file}#${first}`, example = examples.get(key) ?? readExample(file, first, last);
  examples.set(key, example);
  // Lines of the module are not those of the file, but calls come in the order of the text.
  const { lines, printing, places } = example;
  if (!places.includes(place)) places.push(place);
  const at = printing[places.indexOf(place)];
  if (at === undefined) throw new Error(`an example in ${file} prints out of the order of its lines`);
  // Behind the statement, or alone on the line below it.
  return /; *\/\/ ?(.*)$/.exec(lines[at])?.[1] ?? /^(?: \*)? *\/\/ ?(.*)$/.exec(lines[at + 1] ?? "")?.[1];
}

/** Calls of `console.log` that come from an example are compared; all are passed on. */
function compareExamples(): void {
  const log = console.log;
  console.log = (...values: unknown[]) => {
    const place = PLACE.exec(new Error().stack ?? "");
    if (place) {
      const [, file, first, last, at] = place;
      const comment = commentAt(file, { first: Number(first), last: Number(last), place: at });
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
