/**
 * Runs the cases of one input: errors first, case by case, then times of all of them together.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { makeWorkload } from "../../fixtures/workloads.ts";
import type { ImportanceConfig } from "../../reference/config/config.ts";
import { methodInputs } from "../../reference/methods/inputs.ts";
import { permuteTokens } from "../../reference/order.ts";
import { pyramidAttentionParallel } from "../../reference/parallel/parallel.ts";
import { arrangeTokens } from "../../reference/psa.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { drawMaps } from "../report/level_maps.ts";
import type { ReportChart } from "../report/sections.ts";
import { quantile } from "../statistics.ts";
import type { SweepCase } from "./cases.ts";
import type { SweepRow } from "./columns.ts";
import type { SweepInput } from "./inputs.ts";
import { type Arranged, judgeCase, type Judged } from "./judge.ts";
import { GpuCall, type PreparedCase } from "./kernel.ts";
import { measureInterleaved } from "./measure.ts";
import type { SweepOptions } from "./options.ts";
import { type CaseTimes, makeRow } from "./row.ts";

/** A case and its place in the whole sweep. */
export interface PlacedCase {
  /** The case. */
  readonly given: SweepCase;
  /** Its place, from 1. */
  readonly index: number;
}

/** What a run needs beside an input and its cases. */
export interface RunContext {
  /** The options of the sweep. */
  readonly options: SweepOptions;
  /** The device; null if kernels are not asked for. */
  readonly gpu: Gpu | null;
  /** Called when a part of the work of this input is done, with the share that is done. */
  readonly onProgress: (done: number) => void;
}

/** What an input's cases gave. */
export interface InputResult {
  /** A row a case. */
  readonly rows: SweepRow[];
  /** Maps of one case a layout. */
  readonly maps: ReportChart[];
}

/** The method and the density whose levels are drawn. */
const MAPPED_METHOD = "psa", MAPPED_DENSITY = 0.15;

/** The share of an input's work that goes into errors; the rest goes into times. */
const JUDGING = 0.6;
/** The antidiagonal stride of the sweep. */
const STRIDE = 8;
/** Milliseconds that one measurement takes at least, and the most repetitions that it is made of. */
const MEASUREMENT = 20, MOST_REPETITIONS = 50;

/**
 * Runs the cases of one input.
 *
 * @param input the input
 * @param cases those to run
 * @param context options, device, progress
 * @returns a row a case, in the order of `cases`, and maps of some
 */
export async function runInput(
  input: SweepInput,
  cases: readonly PlacedCase[],
  { options, gpu, onProgress }: RunContext,
): Promise<InputResult> {
  using calls = new DisposableStack();
  const { out } = await pyramidAttentionParallel(input.qkv, null, { causal: input.causal });
  const arranged = new Map<string, Arranged>();
  const judged: Judged[] = [];
  for (const { given } of cases) {
    const key = keyOf(given);
    if (!arranged.has(key)) {
      const made = arrange(input, given, { options, gpu, truth: out });
      if (made.call) calls.use(made.call);
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
    maps: await mapsOf(input, judged, arranged),
  };
}

/** Maps of the case of each layout that is nearest to the method and density to be drawn. */
async function mapsOf(
  { name, head, grid }: SweepInput,
  judged: readonly Judged[],
  arranged: ReadonlyMap<string, Arranged>,
): Promise<ReportChart[]> {
  const drawn = judged.filter(({ given, levels }) => given.method.name === MAPPED_METHOD && levels !== null);
  const charts: ReportChart[] = [];
  for (const group of Map.groupBy(drawn, ({ given }) => keyOf(given)).values()) {
    const away = ({ given }: Judged) => Math.abs(Math.log(given.density / MAPPED_DENSITY));
    const { given, levels } = group.reduce((nearest, each) => away(each) < away(nearest) ? each : nearest);
    const { inputs, order } = arranged.get(keyOf(given))!;
    const { order: { kind }, blockN } = given.layout,
      place = head === undefined ? name : `${name}, head ${head}`;
    charts.push(
      ...await drawMaps({
        title:
          `${place}, ${kind} order, ${given.importance} importance, ${MAPPED_METHOD} at density ${given.density}`,
        name: `${place}-${kind}-${given.importance}-${given.layout.blockM}x${blockN}`.replaceAll(
          /[^a-z0-9]+/g,
          "-",
        ),
        ...{ levels: levels!, mass: inputs.mass(), blockN, grid, order },
      }),
    );
  }
  return charts;
}

/** What cases that share their arrangement have in common. */
function keyOf({ layout, importance }: SweepCase): string {
  return JSON.stringify([layout, importance]);
}

/** The input in the order of a case, as its method sees it and as the kernels see it. */
function arrange(
  { qkv: raster, causal, grid }: SweepInput,
  { layout: { order, blockM, blockN }, importance, data: { tile } }: SweepCase,
  { options: { seed, dtype }, gpu, truth: rasterTruth }: {
    readonly options: SweepOptions;
    readonly gpu: Gpu | null;
    readonly truth: Tensor<Float64Array>;
  },
): Arranged {
  const { qkv, queryOrder, keyOrder } = arrangeTokens(raster, { order });
  const truth = queryOrder ? permuteTokens(rasterTruth, queryOrder) : rasterTruth;
  return {
    qkv,
    order: keyOrder,
    truth,
    inputs: methodInputs(qkv, {
      ...{ blockM, blockN, causal, seed, tile, grid },
      importance: importanceConfig(importance, seed),
      dense: { out: truth, lse: { data: new Float64Array(0), shape: [0] } },
    }),
    attended: [],
    call: gpu && new GpuCall(gpu, { qkv, causal, blockM, blockN, dtype }),
  };
}

function importanceConfig(kind: string, seed: number): ImportanceConfig {
  if (kind === "sampled") return { kind, seed };
  if (kind === "antidiagonal") return { kind, stride: STRIDE };
  return { kind: kind === "full" ? "full" : "pooled" };
}

/** Times all cases that a kernel runs, and dense attention, interleaved. */
async function timeCases(
  judged: readonly Judged[],
  { gpu, options, call, onProgress }: RunContext & { readonly gpu: Gpu; readonly call: GpuCall },
): Promise<(CaseTimes | null)[]> {
  const measuredDense = judged.find(({ given }) => given.method.name === "dense")?.prepared;
  const dense = measuredDense ?? await call.prepare(null);
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
function clockOf(piece: PreparedCase): { measure: () => Promise<number>; source: () => CaseTimes["source"] } {
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
  const call = new GpuCall(gpu, { qkv, causal: false, blockM: 128, blockN: 64, dtype: "f32" });
  const { measure } = clockOf(await call.prepare(null));
  return { probe: measure, free: () => call[Symbol.dispose]() };
}
