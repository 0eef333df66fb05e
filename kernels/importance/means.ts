/**
 * Mean tokens of all blocks, from which `pooled` importance is computed.
 *
 * @module
 */
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import { channelsCode } from "../wgsl/packed.ts";
import type { ImportanceOptions, QueryKeyBuffers } from "./options.ts";
import meansCode from "./means.wgsl" with { type: "text" };

/** Means of blocks, and the pass that computes them. */
export interface Means {
  /** Mean queries and mean keys, float32. */
  readonly means: QueryKeyBuffers;
  /** Encodes the dispatches into a pass. */
  readonly encodes: readonly Encode[];
}

/** Builds the means of query blocks and of key blocks. */
export async function buildMeans(gpu: Gpu, options: ImportanceOptions): Promise<Means> {
  const { buffers: { q, k }, shape, config: { blockM, blockN }, dtype } = options;
  const { batch, heads, kvHeads, seqQ, seqK, headDim } = shape;
  const build = async (
    label: string,
    side: { tokens: GPUBuffer; heads: number; length: number; block: number },
  ) => {
    const blocks = Math.ceil(side.length / side.block);
    const means = gpu.createBuffer(label, { size: 4 * side.heads * blocks * headDim });
    const encode = await buildKernel(gpu, channelsCode + meansCode, {
      label,
      constants: {
        ...{ F16: Number(dtype === "f16"), PIECES: headDim / 4, TOKENS: side.length, BLOCK: side.block },
      },
      buffers: [side.tokens, means],
      workgroups: [blocks, side.heads],
    });
    return { means, encode };
  };
  const queries = await build("means of query blocks", {
    ...{ tokens: q, heads: batch * heads, length: seqQ, block: blockM },
  });
  const keys = await build("means of key blocks", {
    ...{ tokens: k, heads: batch * kvHeads, length: seqK, block: blockN },
  });
  return { means: { q: queries.means, k: keys.means }, encodes: [queries.encode, keys.encode] };
}
