/**
 * Taking up a run that stopped.
 *
 * @module
 */
import { InputError } from "../../reference/errors.ts";
import type { SweepRow } from "./columns.ts";
import type { Environment } from "./environment.ts";
import { readRun } from "./write.ts";

/** Options that may differ between a run and the one that takes it up. */
const FREE = ["out", "json", "plots", "resume", "list", "help"];

/**
 * The rows of a run that stopped.
 *
 * @param folder where it lies
 * @param environment what is run now
 * @throws {InputError} if there is no run, or its options were others: the difference is named
 */
export async function resumeRun(folder: string, environment: Environment): Promise<SweepRow[]> {
  const { rows, environment: before } = await readRun(folder);
  const changed = differences(before.options, environment.options, FREE);
  if (before.adapter !== environment.adapter) {
    changed.push(`the adapter was ${before.adapter} and is ${environment.adapter}`);
  }
  if (changed.length > 0) {
    throw new InputError(`--resume cannot go on with the run in "${folder}": ${changed.join("; ")}.`);
  }
  return rows;
}

/**
 * What differs between the options of two runs, in words.
 *
 * @param before the options of the one
 * @param after the options of the other
 * @param free names of options that may differ
 *
 * @example
 * ```ts
 * import { differences } from "./resume.ts";
 * console.log(differences({ seed: 1 }, { seed: 2 }, [])); // ["seed was 1 and is 2"]
 * ```
 */
export function differences(before: unknown, after: unknown, free: readonly string[]): string[] {
  const [then, now] = [before, after].map((options) => Object(options) as Record<string, unknown>);
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])].filter((name) =>
    !free.includes(name)
  );
  return names.map((name) => [name, JSON.stringify(then[name]), JSON.stringify(now[name])]).filter((
    [, was, is],
  ) => was !== is).map(([name, was, is]) => `${name} was ${was} and is ${is}`);
}
