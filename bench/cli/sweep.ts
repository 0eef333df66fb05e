/**
 * `deno task sweep`: correctness and speed of PSA across sparsity levels.
 *
 * Exit codes: 0; 1 if a kernel is out of its bound; 2 for bad input, which is told in one sentence.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { openGpu } from "../../kernels/device/open.ts";
import { METHODS } from "../../reference/methods/mod.ts";
import type { ReportChart } from "../report/sections.ts";
import { writeReport } from "../report/write.ts";
import { mapsOfInput } from "../sweep/run/case_maps.ts";
import type { SweepRow } from "../sweep/columns.ts";
import { describeEnvironment, type Environment } from "../sweep/environment.ts";
import { helpText } from "../sweep/options/option_list.ts";
import { parseOptions, type SweepOptions } from "../sweep/options/options.ts";
import { planSweep, shareOfWork, type SweepPlan } from "../sweep/plan.ts";
import { Progress } from "../text/progress.ts";
import { resumeRun } from "../sweep/resume.ts";
import { type RunContext, runInput } from "../sweep/run/run.ts";
import { formatTable } from "../text/table.ts";
import { requireFolder, writeRun } from "../sweep/write.ts";

const write = (text: string, to: "stdout" | "stderr" = "stdout") => {
  for (let bytes = new TextEncoder().encode(text); bytes.length > 0;) {
    bytes = bytes.subarray(Deno[to].writeSync(bytes));
  }
};

/** Does what the arguments ask for; the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const methods = METHODS.map(({ name }) => name), options = parseOptions(args, methods);
  if (options.help) {
    write(helpText(methods) + "\n");
    return 0;
  }
  using gpu = options.gpu && !options.list ? await openGpu() : null;
  const plan = await planSweep(options, { gpu });
  if (options.list) {
    listCases(plan);
    return 0;
  }
  const environment = await describeEnvironment(options, { gpu, cases: plan.total, args });
  const done = options.resume ? await resumeRun(options.out, environment) : [];
  await requireFolder(options.out);
  const rows = await runPlan(plan, { options, gpu, environment, done });
  if (!options.json) conclude(rows, options);
  return rows.some(({ status }) => status === "wrong") ? 1 : 0;
}

function listCases({ inputs, total }: SweepPlan): void {
  const names = inputs.flatMap(({ cases }) => cases.map(({ given }) => given.name));
  write(names.map((name) => name + "\n").join(""));
  write(names.length === total ? `${total} cases\n` : `${names.length} of ${total} cases\n`);
}

/** What the whole run needs beside the plan. */
interface PlanContext extends Pick<RunContext, "gpu"> {
  readonly options: SweepOptions;
  readonly environment: Environment;
  readonly done: readonly SweepRow[];
}

/** Runs input by input, and writes all rows there are after each. */
async function runPlan(
  plan: SweepPlan,
  { options, gpu, environment, done }: PlanContext,
): Promise<SweepRow[]> {
  const { stderr } = Deno;
  const progress = new Progress({ write: (text) => write(text, "stderr"), isTerminal: stderr.isTerminal() });
  const finished = new Set(done.map((row) => row.case)), rows = [...done], maps: ReportChart[] = [];
  const inputs = plan.inputs.map(({ cases, ...input }) => ({
    ...input,
    mapped: cases.map(({ given }) => given),
    cases: cases.filter(({ given }) => !finished.has(given.name)),
  }));
  const reached = shareOfWork(inputs);
  await writeRun(options.out, { rows, environment });
  if (options.json) emit(rows);
  for (const [i, { source, part, cases, mapped, options: own }] of inputs.entries()) {
    const input = (await source.load())[part];
    if (cases.length === 0) {
      maps.push(...await mapsOfInput(input, mapped, options));
      continue;
    }
    const onProgress = (share: number) => progress.show(reached(i, share), source.name);
    onProgress(0);
    const { rows: made, maps: drawn } = await runInput(input, cases, {
      options: own,
      gpu,
      onProgress,
      mapped,
    });
    rows.push(...made);
    maps.push(...drawn);
    rows.sort((a, b) => a.index - b.index);
    await writeRun(options.out, { rows, environment });
    progress.clear();
    if (options.json) emit(made);
    else write(formatTable(made, { colour: Deno.stdout.isTerminal() && !Deno.noColor }) + "\n");
  }
  await writeReport(options.out, { rows, environment, maps, plots: options.plots });
  progress.show(1, "done");
  progress.clear();
  return rows;
}

/** One object a line. */
function emit(rows: readonly SweepRow[]): void {
  write(rows.map((row) => JSON.stringify(row) + "\n").join(""));
}

/** What the run says, and where the rest is. */
function conclude(rows: readonly SweepRow[], { out }: SweepOptions): void {
  const judged = rows.filter(({ kernel_rel_l2 }) => kernel_rel_l2 !== null);
  const wrong = rows.filter(({ status }) => status === "wrong");
  if (judged.length === 0) write("No kernel ran: these rows are the reference's alone.\n");
  else if (wrong.length === 0) write(`All ${judged.length} kernel outputs are within their bounds.\n`);
  else write(`${wrong.length} of ${judged.length} kernel outputs are out of their bounds.\n`);
  write(`Every number is in ${out}/sweep.csv.\nCharts are in ${out}/report.html.\n`);
}

if (import.meta.main) await runCommand(() => main(Deno.args));
