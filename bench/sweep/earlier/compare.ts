/**
 * Compares two runs: differences between their machines and programs, and changes in their rows.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { type Changes, changesOf, isOfTime, type Limit } from "./changes.ts";
import { machineDifferences } from "./identity.ts";
import type { StoredRun } from "../files/write.ts";
import type { SweepRow } from "../rows/columns.ts";

/** Options of a comparison. */
export interface Comparison {
  /** The limits of growth by column. */
  readonly limits: readonly Limit[];
  /** Whether times are compared although adapters, versions or schemas differ; default false. */
  readonly across?: boolean;
}

/** The result of a comparison. */
export interface Compared {
  /** The changes in the rows. */
  readonly changes: Changes;
  /** The differences between the runs, a sentence each. */
  readonly differences: readonly string[];
}

/**
 * Compares two runs.
 *
 * @param before the first run
 * @param after the second run
 * @param asked limits, and whether times are compared across machines
 * @throws {InputError} if they have no case in common, or a limit is about times of different adapters, versions or
 * schemas and that was not asked for
 *
 * @example
 * ```ts
 * import { compareRuns } from "./compare.ts";
 * try {
 *   compareRuns({ rows: [], environment: {} }, { rows: [], environment: {} }, { limits: [] });
 * } catch (error) {
 *   console.log((error as Error).message); // The runs have no case in common.
 * }
 * ```
 */
export function compareRuns(before: StoredRun, after: StoredRun, asked: Comparison): Compared {
  const differences = machineDifferences(before.environment, after.environment);
  const changes = changesOf(before.rows, after.rows, asked.limits);
  const decisive = differences.find(({ what }) => what !== "commit"), timed = asked.limits.find(isOfTime);
  requireInput(
    decisive === undefined || timed === undefined || asked.across === true,
    () =>
      `--fail-on has a limit of ${timed?.column}, and ${decisive?.text}: such times cannot be compared. ` +
      "--across compares them nevertheless.",
  );
  const sentences = differences.map(({ text }) => `${text[0].toUpperCase()}${text.slice(1)}.`);
  return { changes, differences: [...sentences, ...emptyLimits(before.rows, after.rows, asked.limits)] };
}

/** Sentences about limits on numbers that no case has in both runs: nothing can exceed them. */
function emptyLimits(
  before: readonly SweepRow[],
  after: readonly SweepRow[],
  limits: readonly Limit[],
): string[] {
  return limits.flatMap(({ column }) => {
    const has = (rows: readonly SweepRow[]) =>
      new Set(rows.filter((row) => row[column] !== null).map((row) => row.case));
    return has(before).isDisjointFrom(has(after))
      ? [`No case has ${column} in both runs: the limit on it decides nothing.`]
      : [];
  });
}
