/**
 * Runs a plan input by input, and writes all rows after each. The sweep and the claim share it.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import type { ReportChart } from "../report/sections/sections.ts";
import { write } from "../text/output.ts";
import { Progress } from "../text/progress.ts";
import type { SweepRow } from "./rows/columns.ts";
import { dropReport, keepRun } from "./files/keep.ts";
import { type PlannedInput, shareOfWork } from "./plan/plan.ts";
import { firstGroup, mapsOfInput } from "./run/case_maps.ts";
import { type InputResult, type PlacedCase, type RunContext, runInput } from "./run/run.ts";
import { Stopped, unlessStopped } from "./stop.ts";
import type { StoredRun } from "./files/write.ts";

/** Device, folder and callbacks of a run. */
export interface RunnerContext extends Pick<RunContext, "gpu"> {
  /** The content of environment.json. */
  readonly environment: StoredRun["environment"];
  /** The rows that are there already. */
  readonly done: readonly SweepRow[];
  /** Those of them that run once more since they have no times, by their case; default none. */
  readonly untimed?: readonly string[];
  /** The minutes that they took; default none. */
  readonly minutes?: number;
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
  /** Cases whose errors are known, and whose times are not: it was asked to stop before. */
  readonly untimed: readonly string[];
}

/** An input with the cases that are left to run, and those that have maps. */
interface LeftInput extends Omit<PlannedInput, "cases"> {
  readonly cases: readonly PlacedCase[];
  readonly mapped: readonly PlacedCase["given"][];
}

/**
 * Runs the unfinished cases.
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
  const { environment: about, done, untimed = [], minutes = 0, folder, replaces = false, seed } = context;
  const { onRows = () => {} } = context, begin = performance.now();
  const without = new Set(untimed), known = new Map(done.map((row) => [row.case, row]));
  const made = () => ({
    rows: [...known.values()].sort((a, b) => a.index - b.index),
    environment: {
      ...{ ...about, minutes: minutes + (performance.now() - begin) / 60000 },
      ...(without.size > 0 ? { untimed: [...without] } : {}),
    },
  });
  const progress = new Progress({
    write: (text) => write(text, "stderr"),
    isTerminal: Deno.stderr.isTerminal(),
  });
  const isLeft = (name: string) => !known.has(name) || without.has(name), maps: ReportChart[] = [];
  const left = inputs.map(({ cases, ...input }): LeftInput => ({
    ...input,
    mapped: seed === undefined ? [] : cases.map(({ given }) => given),
    cases: cases.filter(({ given }) => isLeft(given.name)),
  }));
  const reached = shareOfWork(left);
  let stopped = false;
  if (!replaces) await keepRun(folder, made());
  for (const [i, input] of left.entries()) {
    const onProgress = (share: number, stage: string) =>
      progress.show(reached(i, share), `${input.source.name}: ${stage}`);
    const { rows, maps: drawn, ...run } = await runLeft(input, { ...context, onProgress });
    stopped = run.stopped;
    maps.push(...drawn);
    for (const row of rows) {
      known.set(row.case, row);
      without[run.stopped && isUntimed(row) ? "add" : "delete"](row.case);
    }
    if (rows.length > 0) {
      if (replaces) await dropReport(folder);
      await keepRun(folder, made());
      progress.clear();
      onRows(rows);
    }
    if (stopped) break;
  }
  if (!stopped) progress.show(1, "done");
  progress.clear();
  return { ...made(), maps, stopped, untimed: [...without] };
}

/** Whether a kernel ran and was not timed. */
function isUntimed({ kernel_rel_l2, gpu_samples }: SweepRow): boolean {
  return kernel_rel_l2 !== null && gpu_samples === 0;
}

/** Milliseconds that a run may take to end once it is asked to stop while it takes times. */
const LAST = 10_000;

/** Runs what is left of an input; if it is asked to stop meanwhile, the rows that are finished. */
async function runLeft(
  { source, part, sha256, cases, mapped, options }: LeftInput,
  { gpu, onProgress, stop }: RunnerContext & Pick<RunContext, "onProgress">,
): Promise<InputResult & { readonly stopped: boolean }> {
  const rows: SweepRow[] = [];
  const late: { run?: Promise<InputResult> } = {};
  try {
    if (stop?.aborted) throw new Stopped();
    if (cases.length === 0 && mapped.length === 0) return { rows, maps: [], stopped: false };
    const input = (await source.load())[part];
    requireInput(
      input.sha256 === sha256,
      () => `The file of ${input.name} was changed during the run; start again. The rows so far are kept.`,
    );
    if (cases.length === 0) {
      const drawn = mapsOfInput(await firstGroup(input), mapped, { options });
      return { rows, maps: await unlessStopped(drawn, stop), stopped: false };
    }
    onProgress(0, "inputs");
    const onRow = (row: SweepRow) => rows.push(row);
    const onTimes = () => void (late.run = run);
    const run = runInput(input, cases, { options, gpu, onProgress, mapped, onRow, onTimes, stop });
    return { ...await unlessStopped(run, stop), stopped: stop?.aborted ?? false };
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    const ended = late.run && await unlessStopped(late.run, AbortSignal.timeout(LAST)).catch(() => null);
    return { rows: ended ? ended.rows : rows, maps: [], stopped: true };
  }
}
