/**
 * Runs the cases of some heads of an input: the truth, errors case by case, then times of all of them together.
 *
 * @module
 */
import { openGpu } from "../../../kernels/device/open/open.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import type { AttentionResult } from "../../../reference/attention/attention.ts";
import type { ReportChart } from "../../report/sections/sections.ts";
import type { SweepCase } from "../plan/cases.ts";
import { Stopped } from "../stop.ts";
import type { VariantOptions } from "../options/variants.ts";
import type { TruthKind } from "../truth/kinds.ts";
import { cpuTruth, gpuTruth, type TruthMaker } from "../truth/maker.ts";
import { type ArrangeContext, arrangeGroup, arrangementOf, type LoadedGroup } from "./arrange.ts";
import { mapsOfInput } from "./case_maps.ts";
import { RunDevice, statusOfFault } from "./device.ts";
import type { Arranged } from "./arranged.ts";
import { judgeCase, type Judged } from "./judge.ts";
import { callOn } from "./kernel.ts";
import { type Timed, timeOn } from "./times.ts";

/** Options, device and callbacks of a group. */
export interface GroupContext {
  /** The options of the variant that the input is of. */
  readonly options: VariantOptions;
  /** The device; null without kernels. */
  readonly gpu: Gpu | null;
  /** Opens a device in the place of one that failed. */
  readonly open?: () => Promise<Gpu>;
  /** Where the truth comes from. */
  readonly kind: TruthKind;
  /** How many workers memory allows. */
  readonly workers: number;
  /** Cases from which those with maps are taken. */
  readonly mapped: readonly SweepCase[];
  /** Called with every case whose errors are known, and its place. */
  readonly onJudged: (judged: Judged, index: number) => void;
  /** Aborted when the run is asked to stop. */
  readonly stop?: AbortSignal;
  /** Called when all errors are known, and times are taken. */
  readonly onTimes?: () => void;
  /** Called with the share that is done, and what is done next. */
  readonly onProgress: (done: number, stage: string) => void;
}

/** The result of a group. */
export interface GroupResult {
  /** The cases, in their order. */
  readonly timed: Timed[];
  /** Maps of one case a layout. */
  readonly maps: ReportChart[];
}

/** The share of the work that goes into errors, of which a part is the truth; the rest goes into times. */
const JUDGING = 0.6, DENSE = 0.2;
/** Elements of outputs up to which they are kept for cases with the same levels. */
const KEPT = 2 ** 22;

/**
 * Runs the cases of a group.
 *
 * @param group heads with their numbers
 * @param cases the cases
 * @param context options, device, truth, progress
 */
export async function runGroup(
  group: LoadedGroup,
  cases: readonly SweepCase[],
  { options, gpu, open, kind, workers, mapped, onProgress, onJudged, onTimes, stop }: GroupContext,
): Promise<GroupResult> {
  const { causal } = group.input, arranged = new Map<string, Arranged>();
  const forget = () => {
    for (const each of arranged.values()) {
      each.call?.psa[Symbol.dispose]();
      each.call = null;
      for (const { made } of each.attended) made.prepared = null;
    }
  };
  const again = () =>
    openGpu({ backend: gpu?.info.implementation === "dawn" ? "dawn" : "builtin", robust: options.robust });
  using device = gpu && new RunDevice(gpu, { onReplaced: forget, open: open ?? again });
  using _calls = { [Symbol.dispose]: forget };
  const limit = workers < navigator.hardwareConcurrency ? { workers } : {};
  const maker = kind === "gpu" ? gpuTruth(device!, limit) : cpuTruth(kind, limit);
  using _truth = { [Symbol.dispose]: () => maker.close() };
  onProgress(0, "dense attention");
  const dense = await denseOf(group, maker, (share) => onProgress(DENSE * share, "dense attention"));
  const judged: Judged[] = [], errors = gpu ? JUDGING : 1;
  for (const given of cases) {
    if (stop?.aborted) throw new Stopped();
    const key = arrangementOf(given);
    if (!arranged.has(key)) {
      onProgress(DENSE + (errors - DENSE) * judged.length / cases.length, "importance and mass");
      const own = cases.filter((each) => arrangementOf(each) === key);
      const usesImportance = own.some(({ method }) => method.usesImportance);
      arranged.set(key, await arrange(group, given, { options, maker, dense, usesImportance }));
    }
    if (device !== null && judged.length === 0) {
      onProgress(DENSE, "errors (the first one waits for the compiler)");
    }
    judged.push(await judgeOn(device, given, { arranged: arranged.get(key)!, options, causal }));
    onJudged(judged.at(-1)!, judged.length - 1);
    onProgress(DENSE + (errors - DENSE) * judged.length / cases.length, "errors");
  }
  onTimes?.();
  if (device !== null) onProgress(JUDGING, "times (first the compiler)");
  const timed = await timeOn(device, judged, {
    ...{ arranged, options, causal, stop },
    onProgress: (share) => onProgress(JUDGING + (1 - JUDGING) * share, "times"),
  });
  const known = kind === "rows" ? {} : { arranged }; // maps show the mass of all rows
  return { timed, maps: await mapsOfInput(group, mapped, { options, ...known }) };
}

/** Dense attention of all rows, once for all orders; none where each order has sampled rows of its own. */
async function denseOf(
  { qkv, input: { causal }, firstHead }: LoadedGroup,
  maker: TruthMaker,
  onProgress: (share: number) => void,
): Promise<AttentionResult | null> {
  if (maker.kind === "rows") return null;
  const call = { qkv, options: { blockM: 1, blockN: 1, causal }, firstHead };
  const { out, lse } = await maker.dense(call, null, (done, total) => onProgress(done / total));
  return lse && { out, lse };
}

async function arrange(group: LoadedGroup, given: SweepCase, context: ArrangeContext): Promise<Arranged> {
  const tokens = await arrangeGroup(group, given, context);
  return { ...tokens, attended: [], call: null, keeps: tokens.truth.data.length <= KEPT };
}

/** Judges a case on the device; if that fails twice, the row has the results of the reference, and a status that says so. */
async function judgeOn(
  device: RunDevice | null,
  given: SweepCase,
  { arranged, ...context }: {
    readonly arranged: Arranged;
    readonly options: VariantOptions;
    readonly causal: boolean;
  },
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
