/**
 * Weights of mean values that are put back, made on the device: means and spreads of blocks, and from them and the pooled scores
 * the weights.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Stage } from "../device/work/stage.ts";
import { buildMeans } from "../importance/means.ts";
import type { QueryKeyBuffers } from "../importance/options.ts";
import spreadsCode from "./spreads.wgsl" with { type: "text" };
import weightsCode from "./weights.wgsl" with { type: "text" };

/** Options of {@link buildWeights}. */
export interface WeightsOptions {
  /** The tokens. */
  readonly buffers: QueryKeyBuffers;
  /** The sizes of the call. */
  readonly shape: AttentionShape;
  /** Block sizes, causality. */
  readonly config: Pick<PsaConfig, "blockM" | "blockN" | "importance" | "causal" | "scale">;
  /** Element type of the tokens. */
  readonly dtype: "f32" | "f16";
  /** Pooled importance and levels, [batch, heads, query blocks, key blocks]. */
  readonly pooled: GPUBuffer;
  readonly levels: GPUBuffer;
}

/**
 * Builds the weights for one shape.
 *
 * @param gpu the device, to which the buffers belong
 * @param options tokens, sizes, pooled importance, levels
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildWeights(
  gpu: Gpu,
  options: WeightsOptions,
): Promise<Stage<Readonly<Record<"weights", GPUBuffer>>>> {
  const { buffers: { q, k }, shape, config, dtype, pooled, levels } = options;
  const { batch, heads, kvHeads, seqQ, seqK, headDim } = shape, { blockM, blockN, causal = false } = config;
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN), all = batch * heads;
  const { means, encodes } = await buildMeans(gpu, options);
  const spreadsOf = async (
    side: { tokens: GPUBuffer; means: GPUBuffer; heads: number; length: number; block: number },
  ) => {
    const blocks = Math.ceil(side.length / side.block);
    const spreads = gpu.createBuffer("spreads of blocks", { size: 4 * side.heads * blocks * headDim });
    const encode = await buildKernel(gpu, spreadsCode, {
      label: "spreads of blocks",
      constants: { F16: Number(dtype === "f16"), DIM: headDim, TOKENS: side.length, BLOCK: side.block },
      buffers: [side.tokens, side.means, spreads],
      workgroups: [blocks, side.heads],
    });
    return { spreads, encode };
  };
  const queries = await spreadsOf({ tokens: q, means: means.q, heads: all, length: seqQ, block: blockM });
  const keys = await spreadsOf({
    ...{ tokens: k, means: means.k, heads: batch * kvHeads },
    ...{ length: seqK, block: blockN },
  });
  const weights = gpu.createBuffer("weights of means", { size: 4 * all * M * N });
  const weigh = await buildKernel(gpu, weightsCode, {
    label: "weights of means",
    constants: {
      ...{ DIM: headDim, M, N, GROUP: heads / kvHeads, CAUSAL: Number(causal) },
      ...{ BLOCK_M: blockM, BLOCK_N: blockN, SEQ_Q: seqQ, SEQ_K: seqK },
    },
    buffers: [pooled, levels, means.q, queries.spreads, means.k, keys.spreads, weights],
    workgroups: [M, all],
  });
  const made = [...encodes, queries.encode, keys.encode, weigh];
  return { name: "levels", encode: (pass) => made.forEach((encode) => encode(pass)), outputs: { weights } };
}
