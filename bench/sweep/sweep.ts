/**
 * A whole sweep: from its plan to rows, report and what is said of it.
 *
 * @module
 */
import { writeReport } from "../report/write.ts";
import { jsonLine, say, write } from "../text/output.ts";
import type { SweepRow } from "./columns.ts";
import { describeEnvironment } from "./environment.ts";
import type { SweepOptions } from "./options/options.ts";
import type { SweepPlan } from "./plan.ts";
import { resumeRun } from "./resume.ts";
import { runPlan } from "./runner.ts";
import type { RunContext } from "./run/run.ts";
import { formatTable } from "./table.ts";
import { requireFolder } from "./write.ts";

/** What a sweep needs beside its plan. */
export interface SweepContext extends Pick<RunContext, "gpu"> {
  /** The options. */
  readonly options: SweepOptions;
  /** The arguments that asked for it, for the record. */
  readonly args: readonly string[];
}

/**
 * Names the cases of a plan and their number.
 *
 * @param plan the plan
 *
 * @example
 * ```ts
 * import { listCases } from "./sweep.ts";
 * listCases({ inputs: [], total: 0 }); // 0 cases
 * ```
 */
export function listCases({ inputs, total }: Pick<SweepPlan, "inputs" | "total">): void {
  const names = inputs.flatMap(({ cases }) => cases.map(({ given }) => given.name));
  names.forEach((name) => say(name));
  say(names.length === total ? `${total} cases` : `${names.length} of ${total} cases`);
}

/**
 * Runs a sweep: rows, environment and report go to its folder, a table or JSON to stdout.
 *
 * @param plan what is run
 * @param context options, device, arguments
 * @returns all rows, those of a run that was taken up included
 * @throws {InputError} if results cannot be written there, or the run that is there is another one
 *
 * @example
 * ```ts
 * import { METHODS } from "../../reference/methods/mod.ts";
 * import { parseOptions } from "./options/options.ts";
 * import { planSweep } from "./plan.ts";
 * import { runSweep } from "./sweep.ts";
 *
 * const out = await Deno.makeTempDir();
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions([...args, "--json", "--out", out], METHODS.map(({ name }) => name));
 * const rows = await runSweep(await planSweep(options, { gpu: null }), { options, gpu: null, args });
 * console.log(rows.length); // 3, after three lines of JSON
 * await Deno.remove(out, { recursive: true });
 * ```
 */
export async function runSweep(
  plan: SweepPlan,
  { options, gpu, args }: SweepContext,
): Promise<readonly SweepRow[]> {
  const { out, json, plots } = options, colour = Deno.stdout.isTerminal() && !Deno.noColor;
  const environment = await describeEnvironment(options, { gpu, cases: plan.total, args });
  const done = options.resume ? await resumeRun(out, environment) : [];
  await requireFolder(out);
  const emit = (rows: readonly SweepRow[]) => write(rows.map((row) => jsonLine(row) + "\n").join(""));
  if (json) emit(done);
  const run = await runPlan(plan, {
    ...{ gpu, environment, done, folder: out, seed: options.seed },
    onRows: (made) => json ? emit(made) : write(formatTable(made, { colour }) + "\n"),
  });
  await writeReport(out, { ...run, plots });
  if (!json) conclude(run.rows, out);
  return run.rows;
}

/** What the run says, and where the rest is. */
function conclude(rows: readonly SweepRow[], out: string): void {
  const judged = rows.filter(({ kernel_rel_l2 }) => kernel_rel_l2 !== null);
  const wrong = rows.filter(({ status }) => status === "wrong");
  const faults = rows.filter(({ status }) => ["lost", "failed", "skipped"].includes(status));
  if (faults.length > 0) {
    say(`The device failed for ${faults.length} rows, twice; --resume does not run them again.`);
  }
  if (judged.length === 0) say("No kernel ran: these rows are the reference's alone.");
  else if (wrong.length === 0) say(`All ${judged.length} kernel outputs are within their bounds.`);
  else say(`${wrong.length} of ${judged.length} kernel outputs are out of their bounds.`);
  say(`Every number is in ${out}/sweep.csv.\nCharts are in ${out}/report.html.`);
}
