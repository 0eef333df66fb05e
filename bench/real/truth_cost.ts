/**
 * The cost of the truth of one head by its length: all rows on a device, or sampled rows on the CPU.
 *
 * @module
 */
import { makeWorkload } from "../../fixtures/workloads.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { openTruth } from "../../kernels/truth/truth.ts";
import { sampleQueryRows } from "../../reference/judge/sampled_rows.ts";
import { levelsForDensity } from "../../reference/levels/budget.ts";
import { attentionShape } from "../../reference/tensor.ts";
import { cpuTruth, type TruthCall } from "../sweep/truth/maker.ts";
import type { TruthRow } from "./rows.ts";

/** The head dimension, the blocks, the density of levels, and sampled rows per block. */
const DIM = 128, BLOCKS = { blockM: 128, blockN: 128 }, DENSITY = 0.25, PER_BLOCK = 2;
const IMPORTANCE = { kind: "sampled", seed: 1 } as const;

/** A head of a length. */
function callOf(tokens: number): TruthCall {
  const { qkv } = makeWorkload("model", { seqQ: tokens, headDim: DIM, seed: 1 });
  return { qkv, options: { ...BLOCKS, causal: false }, firstHead: 0 };
}

/** Seconds that a piece of work takes, and its result. */
async function timed<Result>(work: () => Promise<Result>): Promise<[seconds: number, result: Result]> {
  const begin = performance.now(), result = await work();
  return [(performance.now() - begin) / 1000, result];
}

/**
 * Measures the truth of all rows on a device.
 *
 * @param gpu a device with float64
 * @param tokens how many
 * @throws {InputError} if the device has no float64
 */
export async function measureGpuTruth(gpu: Gpu, tokens: number): Promise<TruthRow> {
  using truth = openTruth(gpu);
  const { qkv, options } = callOf(tokens);
  const [dense] = await timed(() => truth.attention(qkv, null));
  const [importance, scores] = await timed(() =>
    truth.importance(qkv, { ...BLOCKS, importance: IMPORTANCE })
  );
  const chosen = levelsForDensity(scores, DENSITY);
  const [levels] = await timed(() => truth.attention(qkv, chosen, options));
  return { part: "truth", kind: "gpu", by: gpu.info.description, tokens, dense, levels, importance };
}

/**
 * Measures the truth of sampled rows on the CPU.
 *
 * @param tokens how many
 *
 * @example
 * ```ts
 * import { measureRowsTruth } from "./truth_cost.ts";
 * const { kind, tokens } = await measureRowsTruth(256);
 * console.log(kind, tokens); // rows 256
 * ```
 */
export async function measureRowsTruth(tokens: number): Promise<TruthRow> {
  const call = callOf(tokens), maker = cpuTruth("rows"), shape = attentionShape(call.qkv);
  const rows = sampleQueryRows(shape, BLOCKS.blockM, { seed: 1, perBlock: PER_BLOCK });
  const [dense] = await timed(() => maker.dense(call, rows));
  const [importance, scores] = await timed(() => maker.importance(call, IMPORTANCE));
  const chosen = levelsForDensity(scores, DENSITY);
  const [levels] = await timed(() => maker.attention(call, chosen, rows));
  const by = `${navigator.hardwareConcurrency} cores`;
  return { part: "truth", kind: "rows", by, tokens, dense, levels, importance };
}
