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
const FREE = ["out", "json", "resume", "list", "help"];

/**
 * The rows of a run that stopped.
 *
 * @param folder where it lies
 * @param environment what is run now
 * @throws {InputError} if there is no run, or its options were others: the difference is named
 */
export async function resumeRun(folder: string, environment: Environment): Promise<SweepRow[]> {
  const { rows, environment: before } = await readRun(folder);
  const [then, now] = [before.options, environment.options].map((options) =>
    JSON.parse(JSON.stringify(options ?? {}))
  );
  const changed = [...new Set([...Object.keys(then), ...Object.keys(now)])].filter((name) =>
    !FREE.includes(name) && JSON.stringify(then[name]) !== JSON.stringify(now[name])
  ).map((name) => `${name} was ${JSON.stringify(then[name])} and is ${JSON.stringify(now[name])}`);
  if (before.adapter !== environment.adapter) {
    changed.push(`the adapter was ${before.adapter} and is ${environment.adapter}`);
  }
  if (changed.length > 0) {
    throw new InputError(`--resume cannot go on with the run in "${folder}": ${changed.join("; ")}.`);
  }
  return rows;
}
