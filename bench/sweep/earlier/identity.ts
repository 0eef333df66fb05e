/**
 * Whether two runs can be joined: the differences between their options, versions, adapters and inputs, in words.
 *
 * @module
 */
import type { StoredRun } from "../files/write.ts";

/** The content of environment.json. */
type Stored = StoredRun["environment"];

/** Something that differs. */
export interface Difference {
  /** Which part of environment.json. */
  readonly what: string;
  /** It in words, as in `seed was 1 and is 2`. */
  readonly text: string;
}

/** Parts of environment.json that are one value, with their names in messages. */
const PARTS: readonly (readonly [what: string, name: string, of: (stored: Stored) => unknown])[] = [
  ["schema", "the schema of environment.json", ({ schema }) => schema],
  ["csv_schema", "the schema of sweep.csv", ({ csv_schema }) => csv_schema],
  ["version", "the version", ({ version }) => version],
  ["commit", "the commit", ({ commit }) => commit],
  ["adapter", "the adapter", ({ adapter }) => adapter],
  ["timing", "the source of times", ({ timing }) => timing],
  ["deno", "the version of Deno", ({ versions }) => Object(versions).deno],
];
/** Parts that have to be the same for rows to be of one run. */
const OF_ONE_RUN = ["schema", "csv_schema", "version", "commit", "adapter"];
/** Options that may differ between calls of one run. */
const OF_A_CALL = ["out", "json", "plots", "resume", "force", "list", "help"];
/** The most differences that a sentence names, and characters of a value. */
const NAMED = 5, SHOWN = 60;

/** A value as a sentence shows it. */
function show(value: unknown): string {
  if (value === null) return "none";
  const text = value === undefined ? "unknown" : typeof value === "string" ? value : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/**
 * The differences between the options of two runs, in words.
 *
 * @param before the options of the one
 * @param after the options of the other
 * @param free names of options that may differ, in addition to those of a call
 *
 * @example
 * ```ts
 * import { optionDifferences } from "./identity.ts";
 * console.log(optionDifferences({ seed: 1 }, { seed: 2 })); // ["seed was 1 and is 2"]
 * ```
 */
export function optionDifferences(before: unknown, after: unknown, free: readonly string[] = []): string[] {
  const [then, now] = [before, after].map((options) => Object(options) as Record<string, unknown>);
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])];
  const shown = (value: unknown) => value === undefined ? "unknown" : hashOf(value) ?? JSON.stringify(value);
  return names.filter((name) => !free.includes(name) && !OF_A_CALL.includes(name))
    .map((name) => [name, shown(then[name]), shown(now[name])])
    .filter(([, was, is]) => was !== is).map(([name, was, is]) => `${name} was ${was} and is ${is}`);
}

/** A file among the options, by its content; null for any other value. */
function hashOf(value: unknown): string | null {
  const { hash } = Object(value) as { readonly hash?: unknown };
  return typeof hash === "string" ? `a file with SHA-256 ${hash}…` : null;
}

/**
 * The differences between program and machine of two runs.
 *
 * @param before environment.json of one run
 * @param after environment.json of the other run
 *
 * @example
 * ```ts
 * import { machineDifferences } from "./identity.ts";
 * const [{ text }] = machineDifferences({ adapter: "a" }, { adapter: "b" });
 * console.log(text); // the adapter was a and is b
 * ```
 */
export function machineDifferences(before: Stored, after: Stored): Difference[] {
  return PARTS.map(([what, name, of]) => ({ what, name, was: of(before), is: of(after) }))
    .filter(({ was, is }) => JSON.stringify(was) !== JSON.stringify(is))
    .map(({ what, name, was, is }) => ({ what, text: `${name} was ${show(was)} and is ${show(is)}` }));
}

/** The differences between the files of two runs. */
function inputDifferences(before: Stored, after: Stored): string[] {
  const files = ({ inputs }: Stored) =>
    new Map((Array.isArray(inputs) ? inputs : []).map(({ name, sha256 }) => [String(name), String(sha256)]));
  const [then, now] = [files(before), files(after)];
  return [...now].filter(([name, sum]) => then.has(name) && then.get(name) !== sum).map(([name]) =>
    `the file of the input "${name}" was another one`
  );
}

/**
 * Why the rows of two runs cannot be joined, in words; empty if they can.
 *
 * @param before environment.json of one run
 * @param after environment.json of the other run
 * @param free names of options that may differ, in addition to those of a call
 *
 * @example
 * ```ts
 * import { whyNotOneRun } from "./identity.ts";
 * console.log(whyNotOneRun({ options: { seed: 1 } }, { options: { seed: 2 } })); // seed was 1 and is 2
 * ```
 */
export function whyNotOneRun(before: Stored, after: Stored, free: readonly string[] = []): string {
  const found = [
    ...optionDifferences(before.options, after.options, free),
    ...machineDifferences(before, after).filter(({ what }) => OF_ONE_RUN.includes(what)).map(({ text }) =>
      text
    ),
    ...inputDifferences(before, after),
  ];
  if (found.length === 0 && before.cases_sha256 !== after.cases_sha256) return "the cases are different";
  const more = found.length - NAMED;
  return [...found.slice(0, NAMED), ...(more > 0 ? [`${more} more`] : [])].join("; ");
}
