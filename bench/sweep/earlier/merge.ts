/**
 * Joins the shards of a sweep. What is written equals the rows of a run that was not sharded.
 *
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { InputError, requireInput } from "../../../reference/errors.ts";
import type { ReportChart } from "../../report/sections/sections.ts";
import { writeReport } from "../../report/write.ts";
import { messageOf, say } from "../../text/output.ts";
import type { SweepRow } from "../rows/columns.ts";
import type { SweepOptions } from "../options/options.ts";
import { planSweep } from "../plan/plan.ts";
import { openFolder } from "../files/folder.ts";
import { whyNotOneRun } from "./identity.ts";
import { digestOf } from "../plan/plan_record.ts";
import { firstGroup, mapsOfInput } from "../run/case_maps.ts";
import { withoutTimes } from "../run/row.ts";
import { CSV_SCHEMA, ENVIRONMENT_SCHEMA, schemaOf } from "../files/schema.ts";
import { readRun, type StoredRun, writeRun } from "../files/write.ts";

/**
 * Joins shards.
 *
 * @param runs the shards, with the folders they come from
 * @param options whether shards of other adapters are joined too, all rows then without times; default false
 * @throws {InputError} if they are not shards of one sweep, or cases are there twice, not at all or not of the sweep
 *
 * @example
 * ```ts
 * import { mergeRuns } from "./merge.ts";
 * import { digestOf } from "../plan/plan_record.ts";
 * const about = { schema: 1, csv_schema: 3, cases: 0, cases_sha256: await digestOf([]) };
 * const environment = { ...about, options: { shard: { index: 1, count: 1 } } };
 * console.log((await mergeRuns([{ folder: "a", run: { rows: [], environment } }])).rows); // []
 * ```
 */
export async function mergeRuns(
  runs: readonly FoundRun[],
  { across = false }: Pick<MergeOptions, "across"> = {},
): Promise<StoredRun> {
  const [first, ...others] = runs;
  requireInput(first !== undefined, "No folder was given; deno task merge needs the folders of all shards.");
  runs.forEach(requireThisSchema);
  const about = first.run.environment, { adapter } = about;
  const isOther = others.some(({ run }) => !isDeepStrictEqual(run.environment.adapter, adapter));
  for (const { folder, run } of others) {
    const own = across ? { ...run.environment, adapter } : run.environment;
    const why = whyNotOneRun(about, own, ["shard"]),
      only = whyNotOneRun(about, { ...own, adapter }, ["shard"]);
    const hint = only === "" ? "; --across joins them without their times" : "";
    requireInput(
      why === "",
      () => `"${folder}" is not a shard of the sweep in "${first.folder}": ${why}${hint}.`,
    );
  }
  const found = await rowsOfAll(runs), rows = isOther ? found.map(withoutTimes) : found;
  const options = { ...Object(first.run.environment.options), shard: { index: 1, count: 1 } };
  const shards = runs.map(({ folder, run: { environment: { options: _, ...environment } } }) => ({
    folder,
    ...environment,
  }));
  return { rows, environment: { ...first.run.environment, options, shards } };
}

/** Throws unless a shard is of the version that is written. */
function requireThisSchema({ folder, run: { environment } }: FoundRun): void {
  for (const [which, known] of [["schema", ENVIRONMENT_SCHEMA], ["csv_schema", CSV_SCHEMA]] as const) {
    const version = schemaOf(environment, which);
    requireInput(
      version === known,
      () => `"${folder}" has the ${which} ${version}; it should be ${known}, that of this version.`,
    );
  }
}

/** The rows of all shards in the order of their places; every case of the sweep is there once. */
async function rowsOfAll(runs: readonly FoundRun[]): Promise<SweepRow[]> {
  const rows = new Map<string, SweepRow>(), { environment } = runs[0].run;
  for (const { folder, run } of runs) {
    for (const row of run.rows) {
      requireInput(
        !rows.has(row.case),
        () => `"${folder}" has the case "${row.case}", which another folder has too.`,
      );
      rows.set(row.case, row);
    }
  }
  const cases = Number(environment.cases);
  requireInput(
    rows.size === cases,
    () =>
      `The folders have ${rows.size} of ${
        cases >= 0 ? cases : "an unknown number of"
      } cases; give the folders of all shards.`,
  );
  const sorted = [...rows.values()].sort((a, b) => a.index - b.index);
  requireInput(
    await digestOf(sorted.map((row) => row.case)) === environment.cases_sha256,
    "The rows do not match the cases of the sweep; a row was changed, or belongs to another sweep.",
  );
  return sorted;
}

/** A run, and where it was found. */
export interface FoundRun {
  /** The folder. */
  readonly folder: string;
  /** The run. */
  readonly run: StoredRun;
}

/** Options of {@link mergeFolders}. */
export interface MergeOptions {
  /** The folder to write to. */
  readonly out: string;
  /** Whether charts are written one by one too. */
  readonly plots: boolean;
  /** Whether to replace the run that is there; default false. */
  readonly force?: boolean;
  /** Whether shards of other adapters are joined too, all rows then without times; default false. */
  readonly across?: boolean;
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
 *   console.log((error as Error).message); // No folder was given; deno task merge needs the folders of all shards.
 * }
 * ```
 */
export async function mergeFolders(
  folders: readonly string[],
  { out, plots, force = false, across }: MergeOptions,
): Promise<StoredRun> {
  const runs = await Promise.all(folders.map(async (folder) => ({ folder, run: await readRun(folder) })));
  const merged = await mergeRuns(runs, { across }), own = await realFolder(out);
  for (const { folder } of runs) {
    requireInput(
      own !== await realFolder(folder),
      () => `--out is the shard "${folder}"; it should be another.`,
    );
  }
  await using _lock = await openFolder({ out, resume: false, resumes: false, force });
  await writeRun(out, merged);
  await writeReport(out, { ...merged, maps: await mapsOfRun(merged), plots });
  return merged;
}

/** Where a folder is; null if it is not there. */
function realFolder(path: string): Promise<string | null> {
  return Deno.realPath(path).catch(() => null);
}

/** The maps of a run, made again from its inputs; none, with a message, if these cannot be read here. */
async function mapsOfRun({ environment }: StoredRun): Promise<ReportChart[]> {
  const options = environment.options as SweepOptions, maps: ReportChart[] = [];
  try {
    for (
      const { source, part, cases, options: variant } of (await planSweep(options, { gpu: null })).inputs
    ) {
      const input = (await source.load())[part];
      maps.push(
        ...await mapsOfInput(await firstGroup(input), cases.map(({ given }) => given), { options: variant }),
      );
    }
    return maps;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    say(`The report has no maps, which are made from the inputs: ${messageOf(error)}.`, "stderr");
    return [];
  }
}
