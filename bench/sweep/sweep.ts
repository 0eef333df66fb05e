/**
 * A whole sweep: from its plan to rows, report and messages.
 *
 * @module
 */
import { writeReport } from "../report/write.ts";
import { plural } from "../text/number.ts";
import { conclusion } from "./conclusion.ts";
import { jsonLine, say, write } from "../text/output.ts";
import type { SweepRow } from "./rows/columns.ts";
import { describeEnvironment } from "./files/environment.ts";
import { openFolder } from "./files/folder.ts";
import { commandOf } from "./options/command.ts";
import type { SweepOptions } from "./options/options.ts";
import { requireRoom } from "./files/room.ts";
import type { SweepPlan } from "./plan/plan.ts";
import { resumeRun } from "./earlier/resume.ts";
import { type FinishedRun, runPlan } from "./runner.ts";
import type { RunContext } from "./run/run.ts";
import { formatTable } from "./rows/table.ts";
import { holdsRun } from "./files/write.ts";

/** Device and options of a sweep. */
export interface SweepContext extends Pick<RunContext, "gpu"> {
  /** The options. */
  readonly options: SweepOptions;
  /** Aborted when the run is asked to stop; left out: it is not asked. */
  readonly stop?: AbortSignal;
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
 * @param context options, device, what asks it to stop
 * @returns all rows, those of a run that was taken up included
 * @throws {InputError} if results cannot be written there, or the run that is there is another one
 * @throws {OutputError} if the folder or the standard output cannot be written any more
 *
 * @example
 * ```ts
 * import { METHODS } from "../../reference/methods/mod.ts";
 * import { parseOptions } from "./options/options.ts";
 * import { planSweep } from "./plan/plan.ts";
 * import { runSweep } from "./sweep.ts";
 *
 * const out = await Deno.makeTempDir();
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions([...args, "--json", "--out", out], METHODS.map(({ name }) => name));
 * const rows = await runSweep(await planSweep(options, { gpu: null }), { options, gpu: null });
 * console.log(rows.length); // 3: after three lines of JSON
 * await Deno.remove(out, { recursive: true });
 * ```
 */
export async function runSweep(
  plan: SweepPlan,
  { options, gpu, stop }: SweepContext,
): Promise<readonly SweepRow[]> {
  const { json, plots, resume } = options, colour = Deno.stdout.isTerminal() && !Deno.noColor;
  const about = { gpu, record: plan.record, command: commandOf(options) };
  const environment = await describeEnvironment(options, about);
  await using lock = await openFolder(options);
  await requireRoom(lock.folder, plan.total);
  const { folder } = lock, replaces = !resume && await holdsRun(folder);
  const { done, untimed, minutes } = resume
    ? await resumeRun(folder, { environment, inputs: plan.inputs })
    : { done: [], untimed: [], minutes: 0 };
  const emit = (rows: readonly SweepRow[]) => write(rows.map((row) => jsonLine(row) + "\n").join(""));
  if (json) emit(done.filter((row) => !untimed.includes(row.case)));
  const run = await runPlan(plan, {
    ...{ gpu, environment, done, untimed, minutes, folder, replaces, seed: options.seed, stop },
    onRows: (made) => json ? emit(made) : write(formatTable(made, { colour }) + "\n"),
  });
  if (!(replaces && run.rows.length === 0)) await writeReport(folder, { ...run, plots });
  if (!json) say(conclusion(run, { folder, options }));
  if (run.stopped) say(stoppedLine(run, plan), "stderr");
  return run.rows;
}

/** The last line of a run that was asked to stop. */
function stoppedLine({ rows, untimed }: FinishedRun, { inputs }: Pick<SweepPlan, "inputs">): string {
  const cases = inputs.reduce((sum, each) => sum + each.cases.length, 0);
  const without = untimed.length > 0 ? `, ${untimed.length} of them without times` : "";
  return `Stopped with ${rows.length} of ${plural(cases, "case")} done${without}; --resume continues.`;
}
