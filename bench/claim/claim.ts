/**
 * The whole claim: from its plan to rows, page and plots.
 *
 * @module
 */
import { join } from "node:path";
import { inColours } from "../report/charts/theme.ts";
import type { SweepRow } from "../sweep/rows/columns.ts";
import { optionWords, quoted } from "../options/shell.ts";
import { describeEnvironment } from "../sweep/files/environment.ts";
import { openFolder } from "../sweep/files/folder.ts";
import { resumeRun } from "../sweep/earlier/resume.ts";
import type { RunContext } from "../sweep/run/run.ts";
import { mergeRuns } from "../sweep/earlier/merge.ts";
import { runPlan } from "../sweep/runner.ts";
import { holdsRun, readRun, requireFolder, type StoredRun, writeWhole } from "../sweep/files/write.ts";
import { formatted } from "../text/formatted.ts";
import { say } from "../text/output.ts";
import { drawClaim } from "./charts.ts";
import { claimPage } from "./page.ts";
import type { ClaimPlan, ClaimRequest } from "./plan.ts";

/** Device and options of a claim. */
export interface ClaimContext extends Pick<RunContext, "gpu"> {
  /** Where rows go; null: to `results/claim`, or the next of `results/claim/2`, … that holds none. */
  readonly out: string | null;
  /** The folder of the page and its pictures. */
  readonly page: string;
  /** Whether to take up a run that stopped. */
  readonly resume: boolean;
  /** Whether to replace a run that is there. */
  readonly force: boolean;
  /** Aborted when the claim is asked to stop; left out: it is not asked. */
  readonly stop?: AbortSignal;
}

/** The default folder of rows. */
const USUAL = join("results", "claim");

/** The command that asks for a claim. */
function commandOf(
  { quick, filter, truth = "auto", model = {}, shard = { index: 1, count: 1 } }: ClaimRequest,
  { gpu, out, resume, force }: ClaimContext,
): string {
  const of = Object.fromEntries(Object.entries(model).map(([name, value]) => [name, String(value)]));
  const given: Record<string, string | boolean> = {
    ...of,
    quick,
    filter,
    truth: truth === "auto" ? "" : truth,
    shard: shard.count === 1 ? "" : `${shard.index}/${shard.count}`,
    out: out ?? "",
    resume,
    force,
    "no-gpu": gpu === null,
  };
  const words = Object.entries(given).flatMap(([name, value]) =>
    value === "" ? [] : optionWords(name, value)
  );
  return quoted(["deno", "task", "claim", ...words]);
}

/**
 * Runs a claim head by head, and writes its page.
 *
 * @param plan what is run
 * @param context device, folders, what asks it to stop
 * @returns all rows; the page is not written if it was asked to stop
 * @throws {InputError} if files cannot be written there, or the run that is there is another one
 *
 * @example
 * ```ts
 * import { runClaim } from "./claim.ts";
 * import { planClaim } from "./plan.ts";
 * const folder = await Deno.makeTempDir();
 * const plan = await planClaim({ quick: true, filter: "workload=sinks method=psa" }, { gpu: null });
 * const rows = await runClaim(plan, { gpu: null, out: folder, page: folder, resume: false, force: false });
 * console.log(rows.length); // 12
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function runClaim(
  plan: ClaimPlan,
  context: ClaimContext,
): Promise<readonly SweepRow[]> {
  const { gpu, page, resume, stop } = context;
  const about = { gpu, record: plan.record, command: commandOf(plan.request, context) };
  const environment = await describeEnvironment(plan.options, about);
  await using lock = await openFolder({ ...context, usual: USUAL });
  const { folder } = lock, replaces = !resume && await holdsRun(folder);
  const left = resume
    ? await resumeRun(folder, { environment, inputs: plan.inputs })
    : { done: [], untimed: [], minutes: 0 };
  await requireFolder(page);
  const run = await runPlan(plan, { gpu, environment, ...left, folder, replaces, stop });
  if (!run.stopped && plan.options.shard.count === 1) return await publish(run, page);
  say(
    !run.stopped
      ? `${run.rows.length} of ${plan.total} cases are in ${folder}; --from all shards writes the page.`
      : `Stopped with ${run.rows.length} of ${plan.total} cases done, in ${folder}; --resume continues.`,
    "stderr",
  );
  return run.rows;
}

/**
 * Writes the page of a claim that was run.
 *
 * @param from the folder of its rows, or those of all its shards
 * @param page the folder of the page
 * @returns all rows
 * @throws {InputError} if the folder holds no run
 *
 * @example
 * ```ts
 * import { rewriteClaim } from "./claim.ts";
 * await rewriteClaim(["nowhere"], "page").catch((error) => console.log(error.name)); // InputError
 * ```
 */
export async function rewriteClaim(from: readonly string[], page: string): Promise<readonly SweepRow[]> {
  const runs = await Promise.all(from.map(async (folder) => ({ folder, run: await readRun(folder) })));
  return await publish(runs.length === 1 ? runs[0].run : joined(await mergeRuns(runs)), page);
}

/** Shards as one run, which took as long as the longest of them. */
function joined({ rows, environment }: StoredRun): StoredRun {
  const shards = environment.shards as readonly { readonly minutes?: number }[];
  return {
    rows,
    environment: { ...environment, minutes: Math.max(...shards.map(({ minutes = 0 }) => minutes)) },
  };
}

/** Writes the page and its plots, and prints the verdict. */
async function publish(run: StoredRun, page: string): Promise<readonly SweepRow[]> {
  const pictures = join(page, "pictures");
  await requireFolder(pictures);
  const charts = await drawClaim(run.rows);
  for (const { name, svg } of charts) await writeWhole(join(pictures, `${name}.svg`), inColours(svg));
  const { markdown, sentences } = claimPage(run, charts);
  await writeWhole(join(page, "claim.md"), await formatted(markdown));
  sentences.forEach((sentence) => say(sentence));
  say(`All cells are in ${join(page, "claim.md")}.`);
  return run.rows;
}
