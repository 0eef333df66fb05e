/**
 * Time of every stage of the method on the device, and the share that comes before attention.
 *
 * Stages are those of `createPsa`. They are timed one by one on what the stages before them made, with warm-up in the same
 * submission; nothing is timed before one row of importance and levels, and one block of outputs, which work lists lead to,
 * have been compared with the reference.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poison } from "../../kernels/device/poison.ts";
import type { Stage, StageName } from "../../kernels/device/work/stage.ts";
import { timeWork } from "../../kernels/device/work/timing.ts";
import { download } from "../../kernels/device/transfer.ts";
import { createPsa, type Psa } from "../../kernels/psa.ts";
import type { PsaConfig } from "../../reference/config/config.ts";
import { importanceBounds } from "../../reference/judge/importance_bounds.ts";
import { blockImportance } from "../../reference/importance/by_config.ts";
import { levelsFromImportance } from "../../reference/levels/by_config.ts";
import { similarityCap } from "../../reference/levels/similarity.ts";
import { headSlice } from "../../reference/heads.ts";
import { arrangeTokens } from "../../reference/order/arrange.ts";
import { type Data, inputsOf, makeData, type StageBench } from "./data.ts";
import { checkBlock, lastBlock } from "./check.ts";
import { type BenchTiming, timeTogether } from "./measure.ts";

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
 * @param timing the known call, warm-up, when to end
 * @throws {Error} if a stage is wrong
 */
export async function timeStages(gpu: Gpu, bench: StageBench, timing: BenchTiming): Promise<StageTimes> {
  const { shape, config, dtype } = bench;
  using psa = await createPsa(gpu, { shape, config, dtype });
  const data = makeData(bench);
  for (const name of ["importance", "levels", "lists"] as const) {
    for (const buffer of Object.values(stageOf(psa, name).outputs)) poison(gpu, buffer);
  }
  const { levels } = await psa.forward(inputsOf(bench.shape, data));
  await checkStages(gpu, bench, { data, psa });
  await checkBlock(gpu, psa, lastBlock(psa, { name: bench.name ?? "the call", data, levels }));
  const names = ["pyramid", "importance", "levels", "lists", "attention"] as const;
  const medians = await timeTogether(
    names.map((name) => (options) => timeWork(gpu, stageOf(psa, name).encode, { label: name, ...options })),
    timing,
  );
  const times = Object.fromEntries(names.map((name, i) => [name, medians[i].median])) as Record<
    typeof names[number],
    number
  >;
  const before = times.pyramid + times.importance + times.levels + times.lists;
  return { ...times, shareBefore: before / (before + times.attention) };
}

/** A stage of the whole method. */
function stageOf({ stages }: Psa, name: StageName): Stage {
  const stage = stages.find((each) => each.name === name);
  if (stage === undefined) throw new Error(`there is no stage ${name}`);
  return stage;
}

/** Compares the last query block of the first head with the reference. */
async function checkStages(
  gpu: Gpu,
  { shape, config, dtype }: StageBench,
  { data, psa }: { readonly data: Readonly<Record<"q" | "k" | "v", Data>>; readonly psa: Psa },
): Promise<void> {
  const { blockM, blockN, similarityThresholds: thresholds } = config, { seqQ, seqK, headDim } = shape;
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN), { q, k, v } = inputsOf(shape, data);
  const head = { q: headSlice(q, 0), k: headSlice(k, 0), v: headSlice(v, 0) };
  const first = (M - 1) * blockM, { qkv } = arrangeTokens(head, config);
  const rows = {
    data: qkv.q.data.subarray(first * headDim),
    shape: [1, 1, seqQ - first, headDim],
  } as typeof q;
  const qk = { q: rows, k: qkv.k }, wanted = blockImportance(qk, config);
  const bounds = importanceBounds(qk, config, { dtype, accumulate: dtype });
  const read = (name: StageName) =>
    download(gpu, stageOf(psa, name).outputs[name], { offset: 4 * (M - 1) * N, size: 4 * N });
  const row = new Float32Array(await read("importance"));
  const off = row.findIndex((x, j) => !(Math.abs(x - wanted.data[j]) <= bounds.data[j]));
  if (off >= 0) {
    throw new Error(
      `importance of block ${off} is ${row[off]}; it should be ${wanted.data[off]} to ${bounds.data[off]}`,
    );
  }
  const importance = { data: row, shape: [1, 1, 1, N] }, sizes = { seqQ: seqQ - first, seqK };
  const cap = thresholds && similarityCap(qkv.k, { blockN, thresholds });
  const levels = levelsFromImportance(importance, config, { ...sizes, cap });
  const got = new Int32Array(await read("levels"));
  const wrong = levels.data.filter((level, j) => level !== got[j]).length;
  if (wrong > (cap === undefined ? 0 : CAPPED * N)) throw new Error(`${wrong} of ${N} levels are wrong`);
}

/** Of levels that a similarity caps, this share may differ: the device computes similarities in float32. */
const CAPPED = 0.01;

/** Heads and channels of the calls. */
const WIDE = [12, 128] as const, NARROW = [16, 64] as const;

/** A call with the released default ratios, or with what is said of it. */
function benchOf(
  tokens: number,
  [heads, headDim]: readonly [number, number],
  { dtype = "f32", ...config }: Partial<PsaConfig> & { dtype?: "f16" | "f32" } = {},
): StageBench {
  return {
    shape: { batch: 1, heads, kvHeads: heads, seqQ: tokens, seqK: tokens, headDim, valueDim: headDim },
    config: {
      ...{ blockM: 128, blockN: 128, tile: 128, importance: { kind: "sampled", seed: 1 } },
      assignment: { mode: "topk", ratios: DEFAULT_RATIOS },
      ...config,
    },
    dtype,
  };
}

/** The calls whose stages are timed: default ratios, and what changes with blocks and importance. */
export function stageBenches(tokens: number): StageBench[] {
  const wide = (config: Partial<PsaConfig> & { dtype?: "f16" | "f32" }) => benchOf(tokens, WIDE, config);
  const ofKind = (importance: PsaConfig["importance"]) => wide({ importance });
  return [
    ...[WIDE, NARROW].flatMap((size) =>
      (["f32", "f16"] as const).map((dtype) => benchOf(tokens, size, { dtype }))
    ),
    ...[64, 32].map((blockN) => wide({ blockN, tile: blockN })),
    wide({ blockN: 64, tile: 64, dtype: "f16" }),
    ...[8, 16].map((stride) => ofKind({ kind: "antidiagonal", stride })),
    ofKind({ kind: "pooled" }),
    wide({ assignment: { mode: "threshold", ratios: DEFAULT_RATIOS } }),
  ];
}

/**
 * The calls of the whole method: default ratios in float16 at all lengths, both widths and smaller key blocks, and both widths in
 * float32 at the middle length.
 *
 * @param lengths tokens of a head
 *
 * @example
 * ```ts
 * import { forwardBenches } from "./stages.ts";
 * console.log(forwardBenches([1024, 2048, 4096]).length); // 11
 * ```
 */
export function forwardBenches(lengths: readonly number[]): StageBench[] {
  const half = { dtype: "f16" } as const, middle = lengths[lengths.length >> 1];
  return [
    ...[WIDE, NARROW].map((size) => benchOf(middle, size)),
    ...[WIDE, NARROW].flatMap((size) => lengths.map((tokens) => benchOf(tokens, size, half))),
    ...lengths.map((tokens) => benchOf(tokens, WIDE, { ...half, blockN: 64, tile: 64 })),
  ];
}
