/**
 * Runs the cases of one input, one group of heads at a time, and joins the results.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import type { ReportChart } from "../../report/sections/sections.ts";
import type { SweepCase } from "../plan/cases.ts";
import type { SweepRow } from "../rows/columns.ts";
import type { SweepInput } from "../inputs/inputs.ts";
import type { VariantOptions } from "../options/variants.ts";
import { chooseTruth } from "../truth/kinds.ts";
import { runGroup } from "./group.ts";
import { joinJudged } from "./judge.ts";
import { makeRow } from "./row.ts";
import { joinTimes, type Timed } from "./times.ts";

/** A case and its place in the whole sweep. */
export interface PlacedCase {
  /** The case. */
  readonly given: SweepCase;
  /** Its place, from 1. */
  readonly index: number;
}

/** Options, device and callbacks of a run. */
export interface RunContext {
  /** The options of the variant that the input is of. */
  readonly options: VariantOptions;
  /** The device; null without kernels. */
  readonly gpu: Gpu | null;
  /** Called when a part of the work of this input is done, with the share that is done, and what is done next. */
  readonly onProgress: (done: number, stage: string) => void;
  /** All cases of the input, from which those with maps are taken; left out: no maps. */
  readonly mapped?: readonly SweepCase[];
  /** Opens a device in the place of one that failed; default `openGpu`. */
  readonly open?: () => Promise<Gpu>;
  /**
   * Called with every row whose errors are known before the others' are, if all heads are judged at once; where a device
   * times kernels, it has no times yet.
   */
  readonly onRow?: (row: SweepRow) => void;
  /** Aborted when the run is asked to stop. */
  readonly stop?: AbortSignal;
  /** Called when all errors are known, and what is left is times: if it is asked to stop then, they end soon. */
  readonly onTimes?: () => void;
}

/** The result of an input's cases. */
export interface InputResult {
  /** A row a case. */
  readonly rows: SweepRow[];
  /** Maps of one case a layout. */
  readonly maps: ReportChart[];
}

/**
 * Runs the cases of one input.
 *
 * @param input the input
 * @param cases those to run
 * @param context options, device, progress
 * @returns a row per case, in the order of `cases`, and maps of some
 * @throws {Stopped} if it is asked to stop between two cases
 *
 * @example
 * ```ts
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { planSweep } from "../plan/plan.ts";
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
  { options, gpu, onProgress, mapped = [], open, onRow = () => {}, onTimes, stop }: RunContext,
): Promise<InputResult> {
  const { name, shape, groups, workers } = input, parts: Timed[][] = [], maps: ReportChart[] = [];
  const methods = [...cases.map(({ given }) => given), ...mapped].map(({ method }) => method);
  const kind = chooseTruth(options.truth, { name, shape, methods, gpu });
  const rowOf = (own: readonly Timed[], i: number) =>
    makeRow(joinJudged(own), {
      ...{
        input,
        backend: gpu?.info.implementation,
        index: cases[i].index,
        times: joinTimes(own.map((each) => each.times)),
        truth: kind,
      },
    });
  for (const [g, group] of groups.entries()) {
    const loaded = { input, firstHead: group.firstHead, qkv: await group.load() };
    const part = await runGroup(loaded, cases.map(({ given }) => given), {
      ...{ options: { ...options, seconds: options.seconds / groups.length }, gpu, open, kind, workers },
      mapped: g === 0 ? mapped : [],
      ...{ stop, onTimes: g === groups.length - 1 ? onTimes : undefined },
      onJudged: (judged, i) => {
        if (groups.length === 1) onRow(rowOf([{ ...judged, times: null }], i));
      },
      onProgress: (share, stage) =>
        onProgress(
          (g + share) / groups.length,
          groups.length > 1 ? `${stage}, heads from ${group.firstHead}` : stage,
        ),
    });
    parts.push(part.timed);
    maps.push(...part.maps);
  }
  return { rows: cases.map((_, i) => rowOf(parts.map((part) => part[i]), i)), maps };
}
