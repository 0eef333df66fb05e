/**
 * Levels of key blocks on the device (docs/definition.md#levels and #cap): ranks, quotas, text, causal pattern, similarity
 * cap.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Stage } from "../device/work/stage.ts";
import { upload } from "../device/transfer.ts";
import { buildCap } from "./cap.ts";
import levelsCode from "./levels.wgsl" with { type: "text" };
import { type QuotaConfig, type Quotas, quotasOf } from "./quotas.ts";
import { ranksCode } from "./ranks.ts";

/** Quotas that levels.wgsl has room for. */
const MOST_QUOTAS = 16;

/** Options of {@link buildLevels}. */
export interface LevelsOptions {
  /** float32 [batch, heads, query blocks, key blocks]. */
  readonly importance: GPUBuffer;
  /** Keys, which only the similarity cap reads. */
  readonly k: GPUBuffer;
  /** The sizes of the call. */
  readonly shape: Omit<AttentionShape, "valueDim">;
  /** Block sizes, tile, how importance becomes levels, text, causal, similarity thresholds. */
  readonly config: QuotaConfig;
  /** Element type of the keys. */
  readonly dtype: "f16" | "f32";
  /** How rows are cut, for each query block of every head or for all; default what the configuration says. */
  readonly cut?: Quotas;
}

/**
 * The outputs of the stage: int32 [batch, heads, query blocks, key blocks], and uint32 [batch, key heads, key blocks].
 */
export type LevelsOutputs = Readonly<Record<"levels" | "caps", GPUBuffer>>;

/**
 * Builds levels for one shape and configuration.
 *
 * @param gpu the device, to which the buffers belong
 * @param options importance and keys, sizes, configuration, element type
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device, or there are more than 16 quotas
 */
export async function buildLevels(gpu: Gpu, options: LevelsOptions): Promise<Stage<LevelsOutputs>> {
  const { importance, k, shape, config, dtype } = options, { batch, heads, seqQ, seqK } = shape;
  const M = Math.ceil(seqQ / config.blockM), N = Math.ceil(seqK / config.blockN);
  const { cut = quotasOf(config, shape) } = options, { quotas, ends } = cut;
  requireInput(
    quotas.length <= MOST_QUOTAS,
    () => `\`assignment\` has ${quotas.length} levels; the device has room for ${MOST_QUOTAS}.`,
  );
  const cap = await buildCap(gpu, { k, shape, config, dtype });
  const levels = gpu.createBuffer("levels", { size: 4 * batch * heads * M * N });
  const table = (label: string, numbers: readonly number[]) => {
    const buffer = gpu.createBuffer(label, { size: 4 * numbers.length });
    upload(gpu, buffer, { data: Uint32Array.from(numbers) });
    return buffer;
  };
  const packed = quotas.flatMap(({ level, unit, energy }) => [level, unit, energy]);
  const ranks = ranksCode(N, { energy: ends.length === 0 });
  const assign = await buildKernel(gpu, ranks + levelsCode, {
    label: "levels",
    constants: { ...constantsOf(options, cut), N, M, SEQ_Q: seqQ, SEQ_K: seqK },
    buffers: [importance, table("quotas", packed), table("ends of quotas", ends.flat()), cap.caps, levels],
    workgroups: [M, batch * heads],
  });
  const encodes = cap.encode ? [cap.encode, assign] : [assign];
  return {
    name: "levels",
    encode: (pass) => encodes.forEach((encode) => encode(pass)),
    outputs: { levels, caps: cap.caps },
  };
}

/** Overrides of levels.wgsl that are not sizes. */
function constantsOf(
  { shape: { heads, kvHeads }, config }: LevelsOptions,
  { quotas, ends, minFull }: Quotas,
): Record<string, number> {
  const { blockM, blockN, textLength = 0, causal = false, assignment, similarityThresholds = {} } = config;
  return {
    ...{ QUOTAS: quotas.length, END_ROWS: Math.max(1, ends.length), MIN_FULL: minFull },
    ...{ THRESHOLD: Number(ends.length === 0), TEXT: Math.ceil(textLength / blockN) },
    PIN_CAUSAL: Number(causal && assignment.mode === "density"),
    ...{ CAUSAL: Number(causal), CAPPED: Number(Object.keys(similarityThresholds).length > 0) },
    ...{ GROUP: heads / kvHeads, BLOCK_M: blockM, BLOCK_N: blockN },
  };
}
