/**
 * Runs the cases of one input: errors first, case by case, then times of all of them together.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import type { PreparedCall } from "../../../kernels/psa.ts";
import { makeWorkload } from "../../../fixtures/workloads.ts";
import { pyramidAttentionParallel } from "../../../reference/parallel/parallel.ts";
import type { Tensor } from "../../../reference/tensor.ts";
import type { ReportChart } from "../../report/sections.ts";
import { quantile } from "../../timing/statistics.ts";
import { arrangeInput, arrangementOf } from "./arrange.ts";
import { mapsOfInput } from "./case_maps.ts";
import type { SweepCase } from "../cases.ts";
import type { SweepRow } from "../columns.ts";
import type { SweepInput } from "../inputs.ts";
import { type Arranged, type GpuCall, judgeCase, type Judged } from "./judge.ts";
import { openCall } from "./kernel.ts";
import { measureInterleaved } from "../../timing/interleaved.ts";
import { type CaseTimes, makeRow } from "./row.ts";
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
/** Milliseconds that one measurement takes at least, and the most repetitions that it is made of. */
const MEASUREMENT = 20, MOST_REPETITIONS = 50;

/**
 * Runs the cases of one input.
 *
 * @param input the input
 * @param cases those to run
 * @param context options, device, progress
 * @returns a row a case, in the order of `cases`, and maps of some
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
  { options, gpu, onProgress, mapped = [] }: RunContext,
): Promise<InputResult> {
  using calls = new DisposableStack();
  const { out } = await pyramidAttentionParallel(input.qkv, null, { causal: input.causal });
  const arranged = new Map<string, Arranged>();
  const judged: Judged[] = [];
  for (const { given } of cases) {
    const key = arrangementOf(given);
    if (!arranged.has(key)) {
      const made = await arrange(input, given, { options, gpu, truth: out });
      if (made.call) calls.use(made.call.psa);
      arranged.set(key, made);
    }
    judged.push(await judgeCase(given, arranged.get(key)!));
    onProgress((gpu ? JUDGING : 1) * judged.length / cases.length);
  }
  const times = gpu
    ? await timeCases(judged, { gpu, options, call: [...arranged.values()][0].call!, onProgress })
    : judged.map(() => null);
  return {
    rows: judged.map((each, i) => makeRow(each, { input, index: cases[i].index, times: times[i] })),
    maps: await mapsOfInput(input, mapped, { seed: options.seed, arranged }),
  };
}

/** The input in the order of a case, as its method sees it and as the kernels see it. */
async function arrange(
  input: SweepInput,
  given: SweepCase,
  { options: { seed, dtype }, gpu, truth }: Pick<RunContext, "options" | "gpu"> & {
    readonly truth: Tensor<Float64Array>;
  },
): Promise<Arranged> {
  const tokens = arrangeInput(input, given, { seed, truth }), { blockM, blockN } = given.layout;
  const options = { causal: input.causal, blockM, blockN, dtype };
  const call = gpu && { gpu, psa: await openCall(gpu, tokens.qkv, options) };
  return { ...tokens, truth: tokens.truth ?? truth, attended: [], call };
}

/** Times all cases that a kernel runs, and dense attention, interleaved. */
async function timeCases(
  judged: readonly Judged[],
  { gpu, options, call, onProgress }: RunContext & { readonly gpu: Gpu; readonly call: GpuCall },
): Promise<(CaseTimes | null)[]> {
  const measuredDense = judged.find(({ given }) => given.method.name === "dense")?.prepared;
  const dense = measuredDense ?? await call.psa.prepare("dense");
  const pieces = [...new Set([dense, ...judged.flatMap(({ prepared }) => prepared ?? [])])];
  const clocks = pieces.map(clockOf);
  const { probe, free } = await openProbe(gpu);
  let count = 0;
  const measured = await measureInterleaved(clocks.map(({ measure }) => measure), {
    ...options,
    probe,
    onMeasured: () => onProgress(JUDGING + (1 - JUDGING) * Math.min(1, ++count / (2 * pieces.length))),
  });
  free();
  const denseMedian = quantile(measured[0].times.toSorted((a, b) => a - b), 0.5);
  pieces.forEach((piece) => piece.free());
  return judged.map(({ prepared }) => {
    if (prepared === null) return null;
    const at = pieces.indexOf(prepared), { source } = clocks[at];
    return { ...measured[at], source: source(), denseMedian, confidence: options.confidence };
  });
}

/** One measurement of a piece: the median of so many repetitions in one submission that it is long enough. */
function clockOf(piece: PreparedCall): { measure: () => Promise<number>; source: () => CaseTimes["source"] } {
  let source: CaseTimes["source"] = "timestamp", expected = NaN;
  const measure = async () => {
    const repetitions = Math.ceil(Math.min(MOST_REPETITIONS, Math.max(1, MEASUREMENT / expected))) || 1;
    const timing = await piece.time({ repetitions, warmUp: expected < MEASUREMENT ? MEASUREMENT : 0 });
    source = timing.source;
    return expected = quantile(timing.milliseconds.toSorted((a, b) => a - b), 0.5);
  };
  return { measure, source: () => source };
}

/** A small dense call that is always the same. */
async function openProbe(gpu: Gpu): Promise<{ probe: () => Promise<number>; free: () => void }> {
  const { qkv } = makeWorkload("gaussian", { seqQ: 512, headDim: 64 });
  const psa = await openCall(gpu, qkv, { causal: false, blockM: 128, blockN: 64, dtype: "f32" });
  const { measure } = clockOf(await psa.prepare("dense"));
  return { probe: measure, free: () => psa[Symbol.dispose]() };
}
