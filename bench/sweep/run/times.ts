/**
 * Times of all cases of a group of heads, taken together after their errors.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import type { PreparedCall } from "../../../kernels/psa.ts";
import { clockOf, openProbe, warmUpOf } from "../../timing/clock.ts";
import { measureInterleaved } from "../../timing/interleaved.ts";
import { takeTurn } from "../../timing/turn.ts";
import type { MedianEstimate } from "../../timing/statistics.ts";
import type { VariantOptions } from "../options/variants.ts";
import { arrangementOf } from "./arrange.ts";
import { type RunDevice, statusOfFault } from "./device.ts";
import type { Arranged, GpuCall } from "./arranged.ts";
import type { Judged } from "./judge.ts";
import type { CaseTimes } from "./row.ts";
import { openWhole, type WholeCall } from "./whole.ts";
import { callOn } from "./kernel.ts";

/** A case with its times. */
export type Timed = Judged & { readonly times: CaseTimes | null };

/** Options of the times of a group. */
export interface TimesContext {
  /** How long to measure, and how well. */
  readonly options: Pick<VariantOptions, "confidence" | "precision" | "seconds" | "seed" | "dtype" | "whole">;
  /** Whether the call is causal. */
  readonly causal: boolean;
  /** The arrangements of the group. */
  readonly arranged: ReadonlyMap<string, Arranged>;
  /** Called with the share of the times that is done. */
  readonly onProgress: (done: number) => void;
  /** Aborted when the run is asked to stop: cases that were measured by then have their times, the others none. */
  readonly stop?: AbortSignal;
}

/** Times all cases that kernels finished; if that fails twice, they have no times, and a status that says so. */
export async function timeOn(
  device: RunDevice | null,
  judged: readonly Judged[],
  { arranged, onProgress, stop, ...context }: TimesContext,
): Promise<Timed[]> {
  const untimed = judged.map((each) => ({ ...each, times: null }));
  if (device === null || judged.every(({ kernel, isWhole }) => kernel === null || !isWhole)) return untimed;
  const attempt = await device.attempt(async (gpu) => {
    for (const { given, kernel, ran, isWhole } of judged) {
      if (kernel === null || ran === null || !isWhole || ran.prepared !== null) continue;
      const of = arranged.get(arrangementOf(given))!, { psa } = await callOn(gpu, of, { ...context, given });
      const { levels, mask, correction } = of.attended.find(({ made }) => made === ran)!;
      const corrected = levels !== null && correction !== undefined && { levels, correction };
      ran.prepared = await warmed(await psa.prepare(corrected || (mask ? { mask } : levels ?? "dense")));
    }
    const call = [...arranged.values()].find((each) => each.call !== null)!.call!;
    const whole = context.options.whole ? await wholeCalls(gpu, judged, { arranged, ...context }) : new Map();
    return await timeCases(judged, { gpu, options: context.options, call, whole, onProgress, stop });
  });
  if ("result" in attempt) return judged.map((each, i) => ({ ...each, times: attempt.result[i] }));
  const status = statusOfFault(attempt.fault);
  return untimed.map((each) => each.kernel === null || each.status === "wrong" ? each : { ...each, status });
}

/** Opens the whole calls of cases that a kernel ran, whose choice kernels make. */
async function wholeCalls(
  gpu: Gpu,
  judged: readonly Judged[],
  { arranged, ...context }: Pick<TimesContext, "arranged" | "options" | "causal">,
): Promise<Map<Judged, WholeCall>> {
  const calls = new Map<Judged, WholeCall>(), bytes = { taken: 0 };
  for (const each of judged) {
    if (each.kernel === null || !each.isWhole) continue;
    const of = arranged.get(arrangementOf(each.given))!, { given } = each, { dtype } = context.options;
    const call = await callOn(gpu, of, { ...context, given });
    const whole = await openWhole(each, { arranged: of, call, dtype, bytes });
    if (whole !== null) calls.set(each, whole);
  }
  return calls;
}

/** A call that has run once: the first run may wait for the compiler of the device, and is no time of the kernel. */
async function warmed(call: PreparedCall): Promise<PreparedCall> {
  await call.run();
  return call;
}

/** The calls that are timed on a device. */
interface OnDevice extends Pick<TimesContext, "options" | "onProgress" | "stop"> {
  readonly gpu: Gpu;
  readonly call: GpuCall;
  /** Whole calls of cases. */
  readonly whole: ReadonlyMap<Judged, WholeCall>;
}

/** Times all cases that a kernel runs, and dense attention, interleaved. */
async function timeCases(
  judged: readonly Judged[],
  { gpu, options, call, whole, onProgress, stop }: OnDevice,
): Promise<(CaseTimes | null)[]> {
  const preparedOf = ({ kernel, ran, isWhole }: Judged) =>
    kernel === null || !isWhole ? null : ran?.prepared ?? null;
  const isDense = ({ given: { method } }: Judged) => method.name === "dense";
  const measuredDense = judged.find(isDense);
  const dense = (measuredDense && preparedOf(measuredDense)) ??
    await warmed(await call.psa.prepare("dense"));
  const pieces: WholeCall[] = [
    ...new Set([dense, ...judged.flatMap((each) => preparedOf(each) ?? []), ...whole.values()]),
  ];
  const isSoftware = gpu.info.subgroupSize === 0, warmUp = warmUpOf(gpu);
  using _turn = isSoftware ? null : await takeTurn();
  const clocks = pieces.map((piece) => clockOf((timing) => piece.time(timing), { warmUp }));
  using probe = await openProbe(gpu);
  let count = 0;
  const measured = await measureInterleaved(clocks.map(({ measure }) => measure), {
    ...options,
    ...{ probe: probe.measure, stop },
    onMeasured: () => onProgress(Math.min(1, ++count / (2 * pieces.length))),
  });
  const denseMedian = measured[0].estimate?.median ?? NaN;
  pieces.forEach((piece) => piece.free());
  return judged.map((each) => {
    const prepared = preparedOf(each);
    if (prepared === null) return null;
    const at = pieces.indexOf(prepared), { source } = clocks[at];
    const own = whole.get(each), choosesNothing = isDense(each) || each.rule?.kind === "fixed";
    const all = own === undefined ? (options.whole && choosesNothing ? at : -1) : pieces.indexOf(own);
    return { ...measured[at], source: source(), denseMedian, whole: measured[all]?.estimate ?? null };
  });
}

/**
 * The times of a case that ran in groups of heads: sums over groups of medians and of the ends of intervals, and of
 * measurements as they came.
 *
 * @param groups the times in each group
 */
export function joinTimes(groups: readonly (CaseTimes | null)[]): CaseTimes | null {
  const unknown = groups.find((group) => group === null || group.estimate === null);
  if (groups.length === 1 || unknown !== undefined) return unknown ?? groups[0];
  const all = groups as CaseTimes[], count = Math.min(...all.map(({ times }) => times.length));
  const sum = (of: (group: CaseTimes) => number) => all.reduce((total, group) => total + of(group), 0);
  return {
    times: Array.from({ length: count }, (_, i) => sum(({ times }) => times[i])),
    estimate: sumOf(all.map(({ estimate }) => estimate!)),
    repeated: sum(({ repeated }) => repeated),
    source: all[0].source,
    denseMedian: sum(({ denseMedian }) => denseMedian),
    whole: all.every(({ whole }) => whole) ? sumOf(all.map(({ whole }) => whole!)) : null,
  };
}

/** The sum of times that follow one another, with the sums of the ends of their intervals. */
function sumOf(all: readonly MedianEstimate[]): MedianEstimate {
  const sum = (name: keyof MedianEstimate) => all.reduce((total, each) => total + each[name], 0);
  return {
    ...{ median: sum("median"), low: sum("low"), high: sum("high"), iqr: sum("iqr") },
    confidence: Math.min(...all.map(({ confidence }) => confidence)),
  };
}
