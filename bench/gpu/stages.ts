/**
 * Time of every stage of the pipeline on the device, and the share that comes before attention.
 *
 * Stages are timed one by one on what the stages before them made, with warm-up in the same submission; nothing is
 * timed before one row of importance, levels and work lists has been compared with the reference.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import { blockImportance, levelsFromImportance } from "../../reference/psa.ts";
import { seededRandom } from "../../reference/random.ts";
import type { AttentionShape, Qkv, Tensor } from "../../reference/tensor.ts";
import { buildAttention } from "../../kernels/attention/attention.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { type Encode, submitPass } from "../../kernels/device/pass.ts";
import { timeWork } from "../../kernels/device/timing.ts";
import { download, poison, upload } from "../../kernels/device/transfer.ts";
import { groupTokens, makeLists } from "../../kernels/lists/naive.ts";
import { preparePyramid } from "../../kernels/pyramid/pyramid.ts";
import { layOutSections } from "../../kernels/pyramid/layout.ts";
import { prepareImportance } from "../../kernels/importance/importance.ts";
import { prepareLevels } from "../../kernels/levels/levels.ts";
import { prepareLists } from "../../kernels/lists/build.ts";
import { timeConfirmed } from "../timing/confirmed.ts";
import { estimateMedian } from "../timing/statistics.ts";

/** A call whose stages are timed. */
export interface StageBench {
  /** The sizes of the call. */
  readonly shape: AttentionShape;
  /** The configuration. */
  readonly config: PsaConfig;
  /** Element type. */
  readonly dtype: "f16" | "f32";
}

/** How stages are timed. */
export interface StageBenchOptions {
  /** Timed repetitions. */
  readonly repetitions: number;
  /** Milliseconds of warm-up in the same submission. */
  readonly warmUp: number;
  /** The most submissions of a stage; default 6. */
  readonly tries?: number;
}

/** Milliseconds of every stage: medians. */
export interface StageTimes {
  /** The pyramids of keys and values. */
  readonly pyramid: number;
  /** Importance of key blocks. */
  readonly importance: number;
  /** Levels, with the similarity cap if there is one. */
  readonly levels: number;
  /** Work lists. */
  readonly lists: number;
  /** Attention. */
  readonly attention: number;
  /** All that comes before attention, divided by the whole. */
  readonly shareBefore: number;
}

/** The levels and ends of the released default. */
export const DEFAULT_RATIOS = [[1, 0, 0.1], [2, 0.1, 0.15], [4, 0.15, 0.15], [8, 0.15, 0.35], [
  0,
  0.35,
  1,
]] as const;

/**
 * Times the stages of one call.
 *
 * @param gpu the device
 * @param bench sizes, configuration, element type
 * @param options repetitions and warm-up
 * @throws {Error} if a stage is wrong
 */
export async function timeStages(
  gpu: Gpu,
  bench: StageBench,
  options: StageBenchOptions,
): Promise<StageTimes> {
  using scope = gpu.scope();
  const data = makeData(bench), stages = await buildStages(scope, bench, data);
  await submitPass(scope, stages.all, { label: "stages" });
  await checkStages(scope, bench, { data, stages });
  const time = async (label: string, encode: Encode) =>
    estimateMedian(await timeConfirmed(() => timeWork(scope, encode, { label, ...options }), options)).median;
  const { encodes } = stages;
  const times = {
    pyramid: await time("pyramid", encodes.pyramid),
    importance: await time("importance", encodes.importance),
    levels: await time("levels", encodes.levels),
    lists: await time("lists", encodes.lists),
    attention: await time("attention", encodes.attention),
  };
  const before = times.pyramid + times.importance + times.levels + times.lists;
  return { ...times, shareBefore: before / (before + times.attention) };
}

/** Numbers of an element type. */
export type Data = Float32Array<ArrayBuffer> | Float16Array<ArrayBuffer>;

/** Inputs of a call: normal numbers, a million of them repeated from changing places, since only their kind matters. */
export function makeData({ shape, dtype }: StageBench): { q: Data; k: Data; v: Data } {
  const random = seededRandom(5), period = 1 << 20, Type = dtype === "f16" ? Float16Array : Float32Array;
  const base = new Type(2 * period).map(() => random.normal());
  const make = (length: number) => {
    const data = new Type(length);
    for (let at = 0; at < length; at += period) {
      const start = random.below(period);
      data.set(base.subarray(start, start + Math.min(period, length - at)), at);
    }
    return data;
  };
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  return {
    q: make(batch * heads * seqQ * headDim),
    k: make(batch * kvHeads * seqK * headDim),
    v: make(batch * kvHeads * seqK * valueDim),
  };
}

/**
 * The numbers of a call as tensors.
 *
 * @param shape the sizes of the call
 * @param data its numbers
 */
export function inputsOf(shape: AttentionShape, { q, k, v }: { q: Data; k: Data; v: Data }): Qkv {
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  return {
    q: { data: q, shape: [batch, heads, seqQ, headDim] },
    k: { data: k, shape: [batch, kvHeads, seqK, headDim] },
    v: { data: v, shape: [batch, kvHeads, seqK, valueDim] },
  };
}

/** The stages with their buffers. */
async function buildStages(gpu: Gpu, bench: StageBench, data: { q: Data; k: Data; v: Data }) {
  const { shape, config, dtype } = bench, { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  const bytes = dtype === "f16" ? 2 : 4, { blockM, blockN } = config, tail = config.tail ?? "exact";
  const sections = layOutSections(batch * kvHeads, { seqK, blockN, levels: [1, 2, 4, 8], tail });
  const buffers = {
    q: gpu.createBuffer("q", { size: data.q.byteLength }),
    k: gpu.createBuffer("k", { size: sections.rows * headDim * bytes }),
    v: gpu.createBuffer("v", { size: sections.rows * valueDim * bytes }),
    out: gpu.createBuffer("out", { size: batch * heads * seqQ * valueDim * bytes }),
    lse: gpu.createBuffer("lse", { size: 4 * batch * heads * seqQ }),
  };
  for (const name of ["q", "k", "v"] as const) upload(gpu, buffers[name], { data: data[name] });
  const common = { sections, heads: batch * kvHeads, tokens: seqK, dtype, tail };
  const pyramids = [
    await preparePyramid(gpu, buffers.k, { ...common, dim: headDim }),
    await preparePyramid(gpu, buffers.v, { ...common, dim: valueDim }),
  ];
  const importance = await prepareImportance(gpu, buffers, bench);
  const levels = await prepareLevels(gpu, { importance: importance.importance, k: buffers.k }, bench);
  const lists = await prepareLists(gpu, levels.levels, {
    ...bench,
    group: groupTokens(sections, blockN),
    mostGroups: levels.mostGroups,
  });
  const kernel = await buildAttention(gpu, {
    ...{ shape, blockM, blockN, dtype, tail, sections, buffers, dense: false, partial: seqK % 8 !== 0 },
    ...{ causal: config.causal ?? false, scale: config.scale ?? 1 / Math.sqrt(headDim) },
  });
  const encodes = {
    pyramid: (pass: GPUComputePassEncoder) => pyramids.forEach((encode) => encode(pass)),
    importance: importance.encode,
    levels: levels.encode,
    lists: lists.encode,
    attention: await kernel(lists),
  };
  for (const buffer of [importance.importance, levels.levels, lists.list]) poison(gpu, buffer);
  return { encodes, all: Object.values(encodes), importance, levels, lists, sections };
}

/** How far an entry of importance may be off, as a part of it; in float16, sums of 64 products are in half precision. */
const IMPORTANCE_OFF = { f32: 1e-4, f16: 0.03 };

/** Compares the first row of the first head with the reference. */
async function checkStages(
  gpu: Gpu,
  { shape, config, dtype }: StageBench,
  { data, stages }: { data: { q: Data; k: Data }; stages: Awaited<ReturnType<typeof buildStages>> },
): Promise<void> {
  const { blockM, blockN } = config, { seqK, headDim } = shape, N = Math.ceil(seqK / blockN);
  const head = (tokens: Data, length: number): Tensor<Data> => ({
    data: tokens.subarray(0, length * headDim) as Data,
    shape: [1, 1, length, headDim],
  });
  const wanted = blockImportance({ q: head(data.q, blockM), k: head(data.k, seqK) }, config);
  const row = new Float32Array(await download(gpu, stages.importance.importance, { size: 4 * N }));
  const off = row.reduce(
    (most, x, j) => Math.max(most, Math.abs(x - wanted.data[j]) / (wanted.data[j] + 1e-9)),
    0,
  );
  if (!(off < IMPORTANCE_OFF[dtype])) throw new Error(`importance is off by ${off} of an entry`);
  const levels = levelsFromImportance({ data: row, shape: [1, 1, 1, N] }, config, { seqQ: blockM, seqK });
  const got = new Int32Array(await download(gpu, stages.levels.levels, { size: 4 * N }));
  if (levels.data.some((level, j) => level !== got[j])) throw new Error("levels are wrong");
  const { list } = makeLists(levels, { blockN, sections: stages.sections });
  const groups = new Uint32Array(await download(gpu, stages.lists.list, { size: 4 * list.length }));
  groups.sort();
  list.sort();
  if (list.some((group, i) => group !== groups[i])) throw new Error("work lists are wrong");
}

/** The calls that the bench times: default ratios at 32K tokens, and what changes with blocks and importance. */
export function stageBenches(tokens: number): StageBench[] {
  const bench = (
    [heads, headDim]: readonly [number, number],
    { dtype = "f32", ...config }: Partial<PsaConfig> & { dtype?: "f16" | "f32" },
  ): StageBench => ({
    shape: { batch: 1, heads, kvHeads: heads, seqQ: tokens, seqK: tokens, headDim, valueDim: headDim },
    config: {
      ...{ blockM: 128, blockN: 128, tile: 128, importance: { kind: "sampled", seed: 1 } },
      assignment: { mode: "topk", ratios: DEFAULT_RATIOS },
      ...config,
    },
    dtype,
  });
  const wide = [12, 128] as const, narrow = [16, 64] as const;
  const ofKind = (importance: PsaConfig["importance"]) => bench(wide, { importance });
  return [
    ...[wide, narrow].flatMap((size) => [bench(size, { dtype: "f32" }), bench(size, { dtype: "f16" })]),
    ...[64, 32].map((blockN) => bench(wide, { blockN, tile: blockN })),
    ...[8, 16].map((stride) => ofKind({ kind: "antidiagonal", stride })),
    ofKind({ kind: "pooled" }),
    bench(wide, { assignment: { mode: "threshold", ratios: DEFAULT_RATIOS } }),
  ];
}
