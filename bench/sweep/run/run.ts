/**
 * Runs the cases of one input: errors first, case by case, then times of all of them together.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { pyramidAttentionParallel } from "../../../reference/parallel/parallel.ts";
import type { ReportChart } from "../../report/sections.ts";
import { clockOf, openProbe } from "../../timing/clock.ts";
import { arrangeInput, arrangementOf } from "./arrange.ts";
import { mapsOfInput } from "./case_maps.ts";
import type { SweepCase } from "../cases.ts";
import type { SweepRow } from "../columns.ts";
import type { SweepInput } from "../inputs.ts";
import { RunDevice, statusOfFault } from "./device.ts";
import { type Arranged, type GpuCall, judgeCase, type Judged } from "./judge.ts";
import { openCall } from "./kernel.ts";
import { measureInterleaved } from "../../timing/interleaved.ts";
import { type CaseTimes, makeRow } from "./row.ts";
import { Stopped } from "../stop.ts";
import type { VariantOptions } from "../options/variants.ts";

/** A case and its place in the whole sweep. */
export interface PlacedCase {
  /** The case. */
  readonly given: SweepCase;
  /** Its place, from 1. */
  readonly index: number;
}

/** What a run needs beside an input and its cases. */
export interface RunContext {
  /** The options of the variant that the input is of. */
  readonly options: VariantOptions;
  /** The device; null if kernels are not asked for. */
  readonly gpu: Gpu | null;
  /** Called when a part of the work of this input is done, with the share that is done. */
  readonly onProgress: (done: number) => void;
  /** All cases of the input, from which those with maps are taken; left out: no maps. */
  readonly mapped?: readonly SweepCase[];
  /** Opens a device in the place of one that failed; default `openGpu`. */
  readonly open?: () => Promise<Gpu>;
  /** Called with every row that is finished before the others are: all where no kernel is timed. */
  readonly onRow?: (row: SweepRow) => void;
  /** Aborted when the run is asked to stop. */
  readonly stop?: AbortSignal;
}

/** A device, and a call on it. */
interface GpuContext {
  readonly gpu: Gpu;
  readonly call: GpuCall;
}

/** What an input's cases gave. */
export interface InputResult {
  /** A row a case. */
  readonly rows: SweepRow[];
  /** Maps of one case a layout. */
  readonly maps: ReportChart[];
}

/** The share of an input's work that goes into errors; the rest goes into times. */
const JUDGING = 0.6;

/**
 * Runs the cases of one input.
 *
 * @param input the input
 * @param cases those to run
 * @param context options, device, progress
 * @returns a row a case, in the order of `cases`, and maps of some
 * @throws {Stopped} if it is asked to stop between two cases
 *
 * @example
 * ```ts
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { planSweep } from "../plan.ts";
 * import { runInput } from "./run.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions(args, METHODS.map(({ name }) => name));
 * const { inputs: [{ source, part, cases, options: variant }] } = await planSweep(options, { gpu: null });
 * const input = (await source.load())[part];
 * const { rows } = await runInput(input, cases, { options: variant, gpu: null, onProgress: () => {} });
 * console.log(rows.map(({ method }) => method)); // ["dense", "psa", "block-topk"]
 * ```
 */
export async function runInput(
  input: SweepInput,
  cases: readonly PlacedCase[],
  { options, gpu, onProgress, mapped = [], open, onRow = () => {}, stop }: RunContext,
): Promise<InputResult> {
  const { out: truth } = await pyramidAttentionParallel(input.qkv, null, { causal: input.causal });
  const arranged = new Map<string, Arranged>();
  const forget = () => {
    for (const each of arranged.values()) {
      each.call?.psa[Symbol.dispose]();
      each.call = null;
      for (const { made } of each.attended) made.prepared = null;
    }
  };
  using device = gpu && new RunDevice(gpu, { onReplaced: forget, open });
  using _calls = { [Symbol.dispose]: forget };
  const judged: Judged[] = [];
  for (const { given, index } of cases) {
    if (stop?.aborted) throw new Stopped();
    const key = arrangementOf(given);
    if (!arranged.has(key)) {
      const tokens = arrangeInput(input, given, { seed: options.seed, truth });
      arranged.set(key, { ...tokens, truth: tokens.truth ?? truth, attended: [], call: null });
    }
    judged.push(
      await judgeOn(device, given, { arranged: arranged.get(key)!, options, causal: input.causal }),
    );
    if (device === null) onRow(makeRow(judged.at(-1)!, { input, index, times: null }));
    onProgress((gpu ? JUDGING : 1) * judged.length / cases.length);
  }
  const timed = await timeOn(device, judged, { arranged, options, causal: input.causal, onProgress });
  return {
    rows: timed.map(({ times, ...each }, i) => makeRow(each, { input, index: cases[i].index, times })),
    maps: await mapsOfInput(input, mapped, { seed: options.seed, arranged }),
  };
}

/** What opens the call of an input. */
interface CallContext {
  readonly options: VariantOptions;
  readonly causal: boolean;
}

/** The call of an arrangement on a device: it is opened when it is first asked for, or when another device is. */
async function callOn(
  gpu: Gpu,
  arranged: Arranged,
  { given: { layout: { blockM, blockN } }, options: { dtype }, causal }: CallContext & {
    readonly given: SweepCase;
  },
): Promise<GpuCall> {
  arranged.call ??= { gpu, psa: await openCall(gpu, arranged.qkv, { causal, blockM, blockN, dtype }) };
  return arranged.call;
}

/** Judges a case on the device; if that fails twice the row has what the reference gives, and says so. */
async function judgeOn(
  device: RunDevice | null,
  given: SweepCase,
  { arranged, ...context }: CallContext & { readonly arranged: Arranged },
): Promise<Judged> {
  if (device === null) return await judgeCase(given, arranged);
  const attempt = await device.attempt(async (gpu) => {
    await callOn(gpu, arranged, { ...context, given });
    return await judgeCase(given, arranged);
  });
  if ("result" in attempt) return attempt.result;
  const alone = await judgeCase(given, { ...arranged, call: null, attended: [] });
  return { ...alone, status: statusOfFault(attempt.fault) };
}

/** Times all cases that a kernel ran; if that fails twice they have no times, and say so. */
async function timeOn(
  device: RunDevice | null,
  judged: readonly Judged[],
  { arranged, onProgress, ...context }: CallContext & {
    readonly arranged: ReadonlyMap<string, Arranged>;
    readonly onProgress: RunContext["onProgress"];
  },
): Promise<(Judged & { readonly times: CaseTimes | null })[]> {
  const untimed = judged.map((each) => ({ ...each, times: null }));
  if (device === null || judged.every(({ kernel }) => kernel === null)) return untimed;
  const attempt = await device.attempt(async (gpu) => {
    for (const { given, kernel, ran } of judged) {
      if (kernel === null || ran === null || ran.prepared !== null) continue;
      const of = arranged.get(arrangementOf(given))!, { psa } = await callOn(gpu, of, { ...context, given });
      const { levels } = of.attended.find(({ made }) => made === ran)!;
      ran.prepared = await psa.prepare(levels ?? "dense");
    }
    const call = [...arranged.values()].find((each) => each.call !== null)!.call!;
    return await timeCases(judged, { gpu, options: context.options, call, onProgress });
  });
  if ("result" in attempt) return judged.map((each, i) => ({ ...each, times: attempt.result[i] }));
  const status = statusOfFault(attempt.fault);
  return untimed.map((each) => each.kernel === null || each.status === "wrong" ? each : { ...each, status });
}

/** Times all cases that a kernel runs, and dense attention, interleaved. */
async function timeCases(
  judged: readonly Judged[],
  { gpu, options, call, onProgress }: Pick<RunContext, "options" | "onProgress"> & GpuContext,
): Promise<(CaseTimes | null)[]> {
  const preparedOf = ({ kernel, ran }: Judged) => kernel === null ? null : ran?.prepared ?? null;
  const measuredDense = judged.find(({ given }) => given.method.name === "dense");
  const dense = (measuredDense && preparedOf(measuredDense)) ?? await call.psa.prepare("dense");
  const pieces = [...new Set([dense, ...judged.flatMap((each) => preparedOf(each) ?? [])])];
  const clocks = pieces.map((piece) => clockOf((timing) => piece.time(timing)));
  using probe = await openProbe(gpu);
  let count = 0;
  const measured = await measureInterleaved(clocks.map(({ measure }) => measure), {
    ...options,
    probe: probe.measure,
    onMeasured: () => onProgress(JUDGING + (1 - JUDGING) * Math.min(1, ++count / (2 * pieces.length))),
  });
  const denseMedian = measured[0].estimate?.median ?? NaN;
  pieces.forEach((piece) => piece.free());
  return judged.map((each) => {
    const prepared = preparedOf(each);
    if (prepared === null) return null;
    const at = pieces.indexOf(prepared), { source } = clocks[at];
    return { ...measured[at], source: source(), denseMedian };
  });
}
