/**
 * `deno task merge`: joins the shards of a sweep. What it writes equals the rows of a run that was not sharded.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { writeReport } from "../report/write.ts";
import type { ReportChart } from "../report/sections.ts";
import { parseArgs } from "../std/std.ts";
import { mapsOfInput } from "../sweep/run/case_maps.ts";
import type { SweepRow } from "../sweep/columns.ts";
import type { SweepOptions } from "../sweep/options/options.ts";
import { planSweep } from "../sweep/plan.ts";
import { differences } from "../sweep/resume.ts";
import { readRun, requireFolder, type StoredRun, writeRun } from "../sweep/write.ts";

const HELP = `deno task merge FOLDER … --out FOLDER [--plots]

Joins the runs of deno task sweep --shard I/N into one.`;

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

async function main(args: readonly string[]): Promise<void> {
  const { _: positional, out, help, plots } = parseArgs(args, {
    string: ["out"],
    boolean: ["help", "plots"],
    unknown: refuse,
  });
  if (help === true) return console.log(HELP);
  requireInput(typeof out === "string" && out !== "", "--out is missing; it names the folder to write to.");
  const folders = positional.map(String);
  const runs = await Promise.all(folders.map(async (folder) => ({ folder, run: await readRun(folder) })));
  const merged = mergeRuns(runs);
  await requireFolder(out);
  await writeRun(out, merged);
  await writeReport(out, { ...merged, maps: await mapsOfRun(merged), plots: plots === true });
  console.log(`${merged.rows.length} cases of ${runs.length} shards are in ${out}/sweep.csv.`);
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
    console.error(`The report has no maps, which are made from the inputs: ${error.message}`);
    return [];
  }
}

function refuse(arg: string): boolean {
  if (!arg.startsWith("-")) return true;
  throw new InputError(`${arg} is no option of merge; it has --out, --plots and --help.`);
}

if (import.meta.main) await runCommand(() => main(Deno.args));
