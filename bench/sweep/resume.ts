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
 *
 * @example
 * ```ts
 * import { METHODS } from "../../reference/methods/mod.ts";
 * import { parseOptions } from "./options/options.ts";
 * import { describeEnvironment } from "./environment.ts";
 * import { resumeRun } from "./resume.ts";
 * import { writeRun } from "./write.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions(args, METHODS.map(({ name }) => name));
 * const environment = await describeEnvironment(options, { gpu: null, cases: 3, args: [] });
 * const folder = await Deno.makeTempDir();
 * await writeRun(folder, { rows: [], environment });
 * console.log(await resumeRun(folder, environment)); // []
 * await Deno.remove(folder, { recursive: true });
 * ```
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
