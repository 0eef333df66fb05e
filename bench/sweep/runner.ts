/**
 * Runs a plan input by input, and keeps all rows there are after each. The sweep and the claim share it.
 *
 * @module
 */
import type { ReportChart } from "../report/sections.ts";
import { write } from "../text/output.ts";
import { Progress } from "../text/progress.ts";
import type { SweepRow } from "./columns.ts";
import { type PlannedInput, shareOfWork } from "./plan.ts";
import { mapsOfInput } from "./run/case_maps.ts";
import { type RunContext, runInput } from "./run/run.ts";
import { type StoredRun, writeRun } from "./write.ts";

/** What a plan needs to run. */
export interface RunnerContext extends Pick<RunContext, "gpu"> {
  /** What environment.json says. */
  readonly environment: StoredRun["environment"];
  /** The rows that are there already. */
  readonly done: readonly SweepRow[];
  /** Where rows go. */
  readonly folder: string;
  /** The seed of maps; left out: no maps are drawn. */
  readonly seed?: number;
  /** Called with the new rows of every input. */
  readonly onRows?: (rows: readonly SweepRow[]) => void;
}

/** What a plan gave. */
export interface FinishedRun extends StoredRun {
  /** Maps of its inputs. */
  readonly maps: readonly ReportChart[];
}

/**
 * Runs what is not done yet.
 *
 * @param plan the inputs and their cases
 * @param context device, folder, rows that are there
 * @returns all rows in the order of their places, and maps
 *
 * @example
 * ```ts
 * import { runPlan } from "./runner.ts";
 * const folder = await Deno.makeTempDir();
 * const { rows } = await runPlan({ inputs: [] }, { gpu: null, environment: {}, done: [], folder });
 * console.log(rows); // []
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function runPlan(
  { inputs }: { readonly inputs: readonly PlannedInput[] },
  { gpu, environment: about, done, folder, seed, onRows = () => {} }: RunnerContext,
): Promise<FinishedRun> {
  const begin = performance.now(), before = typeof about.minutes === "number" ? about.minutes : 0;
  const environment = () => ({ ...about, minutes: before + (performance.now() - begin) / 60000 });
  const progress = new Progress({
    write: (text) => write(text, "stderr"),
    isTerminal: Deno.stderr.isTerminal(),
  });
  const finished = new Set(done.map((row) => row.case)), rows = [...done], maps: ReportChart[] = [];
  const left = inputs.map(({ cases, ...input }) => ({
    ...input,
    mapped: seed === undefined ? [] : cases.map(({ given }) => given),
    cases: cases.filter(({ given }) => !finished.has(given.name)),
  }));
  const reached = shareOfWork(left);
  await writeRun(folder, { rows, environment: environment() });
  for (const [i, { source, part, cases, mapped, options }] of left.entries()) {
    if (cases.length === 0 && mapped.length === 0) continue;
    const input = (await source.load())[part];
    if (cases.length === 0) {
      maps.push(...await mapsOfInput(input, mapped, options));
      continue;
    }
    const onProgress = (share: number) => progress.show(reached(i, share), source.name);
    onProgress(0);
    const { rows: made, maps: drawn } = await runInput(input, cases, { options, gpu, onProgress, mapped });
    rows.push(...made);
    maps.push(...drawn);
    rows.sort((a, b) => a.index - b.index);
    await writeRun(folder, { rows, environment: environment() });
    progress.clear();
    onRows(made);
  }
  progress.show(1, "done");
  progress.clear();
  return { rows, environment: environment(), maps };
}
