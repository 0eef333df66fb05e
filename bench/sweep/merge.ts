/**
 * Joins the shards of a sweep. What is written equals the rows of a run that was not sharded.
 *
 * @module
 */
import { InputError, requireInput } from "../../reference/errors.ts";
import type { ReportChart } from "../report/sections.ts";
import { writeReport } from "../report/write.ts";
import { messageOf, say } from "../text/output.ts";
import type { SweepRow } from "./columns.ts";
import type { SweepOptions } from "./options/options.ts";
import { planSweep } from "./plan.ts";
import { differences } from "./resume.ts";
import { mapsOfInput } from "./run/case_maps.ts";
import { readRun, requireFolder, type StoredRun, writeRun } from "./write.ts";

/**
 * Joins shards.
 *
 * @param runs the shards, with the folders they come from
 * @throws {InputError} if they are not shards of one sweep, or cases are there twice or not at all
 *
 * @example
 * ```ts
 * import { mergeRuns } from "./merge.ts";
 * const environment = { options: { shard: { index: 1, count: 1 } }, cases: 0 };
 * console.log(mergeRuns([{ folder: "a", run: { rows: [], environment } }]).rows); // []
 * ```
 */
export function mergeRuns(runs: readonly { readonly folder: string; readonly run: StoredRun }[]): StoredRun {
  const [first, ...others] = runs;
  requireInput(first !== undefined, "No folder was given; deno task merge needs those of all shards.");
  for (const { folder, run } of others) {
    const changed = differences(first.run.environment.options, run.environment.options, ["shard", "out"]);
    requireInput(
      changed.length === 0,
      () => `"${folder}" is no shard of the sweep in "${first.folder}": ${changed.join("; ")}.`,
    );
  }
  const rows = new Map<string, SweepRow>();
  for (const { folder, run } of runs) {
    for (const row of run.rows) {
      requireInput(!rows.has(row.case), () => `"${folder}" has the case "${row.case}", which came before.`);
      rows.set(row.case, row);
    }
  }
  const cases = Number(first.run.environment.cases);
  requireInput(
    rows.size === cases,
    () => `The folders hold ${rows.size} of ${cases} cases; give those of all shards.`,
  );
  const options = { ...Object(first.run.environment.options), shard: { index: 1, count: 1 } };
  const shards = runs.map(({ folder, run: { environment: { options: _, ...environment } } }) => ({
    folder,
    ...environment,
  }));
  return {
    rows: [...rows.values()].sort((a, b) => a.index - b.index),
    environment: { ...first.run.environment, options, shards },
  };
}

/** What {@link mergeFolders} needs beside the folders. */
export interface MergeOptions {
  /** The folder to write to. */
  readonly out: string;
  /** Whether charts are written one by one too. */
  readonly plots: boolean;
}

/**
 * Joins the runs of folders into one, with its report.
 *
 * @param folders the folders of all shards
 * @param options where to write
 * @returns the run
 * @throws {InputError} if they are not the shards of one sweep
 *
 * @example
 * ```ts
 * import { mergeFolders } from "./merge.ts";
 * try {
 *   await mergeFolders([], { out: "merged", plots: false });
 * } catch (error) {
 *   console.log((error as Error).message); // No folder was given; deno task merge needs those of all shards.
 * }
 * ```
 */
export async function mergeFolders(
  folders: readonly string[],
  { out, plots }: MergeOptions,
): Promise<StoredRun> {
  const runs = await Promise.all(folders.map(async (folder) => ({ folder, run: await readRun(folder) })));
  const merged = mergeRuns(runs);
  await requireFolder(out);
  await writeRun(out, merged);
  await writeReport(out, { ...merged, maps: await mapsOfRun(merged), plots });
  return merged;
}

/** The maps of a run, made again from its inputs; none where these cannot be had here, which is said. */
async function mapsOfRun({ environment }: StoredRun): Promise<ReportChart[]> {
  const options = environment.options as SweepOptions, maps: ReportChart[] = [];
  try {
    for (const { source, part, cases } of (await planSweep(options, { gpu: null })).inputs) {
      const input = (await source.load())[part];
      maps.push(...await mapsOfInput(input, cases.map(({ given }) => given), options));
    }
    return maps;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    say(`The report has no maps, which are made from the inputs: ${messageOf(error)}.`, "stderr");
    return [];
  }
}
