/**
 * Runs a plan input by input, and keeps all rows there are after each. The sweep and the claim share it.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import type { ReportChart } from "../report/sections.ts";
import { write } from "../text/output.ts";
import { Progress } from "../text/progress.ts";
import type { SweepRow } from "./columns.ts";
import { dropReport, keepRun } from "./keep.ts";
import { type PlannedInput, shareOfWork } from "./plan.ts";
import { firstGroup, mapsOfInput } from "./run/case_maps.ts";
import { type InputResult, type PlacedCase, type RunContext, runInput } from "./run/run.ts";
import { Stopped, unlessStopped } from "./stop.ts";
import type { StoredRun } from "./write.ts";

/** Device, folder and callbacks of a run. */
export interface RunnerContext extends Pick<RunContext, "gpu"> {
  /** The content of environment.json. */
  readonly environment: StoredRun["environment"];
  /** The rows that are there already. */
  readonly done: readonly SweepRow[];
  /** Where rows go. */
  readonly folder: string;
  /** Whether another run is in the folder, which stays until there are rows to replace it; default false. */
  readonly replaces?: boolean;
  /** The seed of maps; left out: no maps are drawn. */
  readonly seed?: number;
  /** Called with the new rows of every input. */
  readonly onRows?: (rows: readonly SweepRow[]) => void;
  /** Aborted when the run is asked to stop. */
  readonly stop?: AbortSignal;
}

/** The result of a plan. */
export interface FinishedRun extends StoredRun {
  /** Maps of its inputs. */
  readonly maps: readonly ReportChart[];
  /** Whether it was asked to stop before all cases were done. */
  readonly stopped: boolean;
}

/** An input with the cases that are left to run, and those that have maps. */
interface LeftInput extends Omit<PlannedInput, "cases"> {
  readonly cases: readonly PlacedCase[];
  readonly mapped: readonly PlacedCase["given"][];
}

/**
 * Runs what is not done yet.
 *
 * @param plan the inputs and their cases
 * @param context device, folder, rows that are there
 * @returns all rows in the order of their places, and maps
 * @throws {OutputError} if rows cannot be written to the folder; it says where they are
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
  context: RunnerContext,
): Promise<FinishedRun> {
  const { environment: about, done, folder, replaces = false, seed, onRows = () => {} } = context;
  const begin = performance.now(), before = typeof about.minutes === "number" ? about.minutes : 0;
  const environment = () => ({ ...about, minutes: before + (performance.now() - begin) / 60000 });
  const progress = new Progress({
    write: (text) => write(text, "stderr"),
    isTerminal: Deno.stderr.isTerminal(),
  });
  const finished = new Set(done.map((row) => row.case)), rows = [...done], maps: ReportChart[] = [];
  const left = inputs.map(({ cases, ...input }): LeftInput => ({
    ...input,
    mapped: seed === undefined ? [] : cases.map(({ given }) => given),
    cases: cases.filter(({ given }) => !finished.has(given.name)),
  }));
  const reached = shareOfWork(left);
  let stopped = false;
  if (!replaces) await keepRun(folder, { rows, environment: environment() });
  for (const [i, input] of left.entries()) {
    const onProgress = (share: number, stage: string) =>
      progress.show(reached(i, share), `${input.source.name}: ${stage}`);
    const made = await runLeft(input, { ...context, onProgress });
    stopped = made.stopped;
    maps.push(...made.maps);
    if (made.rows.length > 0) {
      rows.push(...made.rows);
      rows.sort((a, b) => a.index - b.index);
      if (replaces) await dropReport(folder);
      await keepRun(folder, { rows, environment: environment() });
      progress.clear();
      onRows(made.rows);
    }
    if (stopped) break;
  }
  if (!stopped) progress.show(1, "done");
  progress.clear();
  return { rows, environment: environment(), maps, stopped };
}

/** Runs what is left of an input; if it is asked to stop meanwhile, the rows that are finished. */
async function runLeft(
  { source, part, sha256, cases, mapped, options }: LeftInput,
  { gpu, onProgress, stop }: RunnerContext & Pick<RunContext, "onProgress">,
): Promise<InputResult & { readonly stopped: boolean }> {
  const rows: SweepRow[] = [];
  try {
    if (stop?.aborted) throw new Stopped();
    if (cases.length === 0 && mapped.length === 0) return { rows, maps: [], stopped: false };
    const input = (await source.load())[part];
    requireInput(
      input.sha256 === sha256,
      () =>
        `The file of ${input.name} was changed while the run went on; start again, the rows so far are kept.`,
    );
    if (cases.length === 0) {
      const drawn = mapsOfInput(await firstGroup(input), mapped, { options });
      return { rows, maps: await unlessStopped(drawn, stop), stopped: false };
    }
    onProgress(0, "inputs");
    const onRow = (row: SweepRow) => rows.push(row);
    const run = runInput(input, cases, { options, gpu, onProgress, mapped, onRow, stop });
    return { ...await unlessStopped(run, stop), stopped: false };
  } catch (error) {
    if (error instanceof Stopped) return { rows, maps: [], stopped: true };
    throw error;
  }
}
