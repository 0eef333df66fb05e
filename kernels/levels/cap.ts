/**
 * The similarity cap on the device (docs/definition.md#cap): how far each key block may be pooled.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import { uploaded } from "../device/transfer.ts";
import { channelsCode } from "../wgsl/packed.ts";
import similarityCode from "./similarity.wgsl" with { type: "text" };

/** The cap, a part of the stage of levels. */
export interface Cap {
  /** uint32 [batch, key heads, key blocks], once it has run; where no level has a threshold a stand-in. */
  readonly caps: GPUBuffer;
  /** Encodes it into a pass; undefined if no level has a threshold. */
  readonly encode: Encode | undefined;
}

/** Options of {@link buildCap}. */
export interface CapOptions {
  /** The keys. */
  readonly k: GPUBuffer;
  /** The sizes of the call. */
  readonly shape: Pick<AttentionShape, "batch" | "kvHeads" | "seqK" | "headDim">;
  /** Key block size and thresholds. */
  readonly config: Pick<PsaConfig, "blockN" | "similarityThresholds">;
  /** Element type of the keys. */
  readonly dtype: "f16" | "f32";
}

/**
 * Builds the similarity cap.
 *
 * @param gpu the device
 * @param options keys, sizes, thresholds, element type
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildCap(
  gpu: Gpu,
  { k, shape, config: { blockN, similarityThresholds = {} }, dtype }: CapOptions,
): Promise<Cap> {
  const { batch, kvHeads, seqK, headDim } = shape, N = Math.ceil(seqK / blockN);
  const listed = Object.entries(similarityThresholds);
  const size = listed.length === 0 ? 4 : 4 * batch * kvHeads * N;
  const caps = gpu.createBuffer("similarity cap", { size });
  if (listed.length === 0) return { caps, encode: undefined };
  const table = new DataView(new ArrayBuffer(8 * listed.length));
  listed.forEach(([level, threshold], i) => {
    table.setUint32(8 * i, Number(level), true);
    table.setFloat32(8 * i + 4, threshold, true);
  });
  const thresholds = uploaded(gpu, "similarity thresholds", table);
  const encode = await buildKernel(gpu, channelsCode + similarityCode, {
    label: "similarity cap",
    constants: {
      ...{ F16: Number(dtype === "f16"), PIECES: headDim / 4, TOKENS: seqK },
      ...{ BLOCK: blockN, RATIOS: listed.length },
    },
    buffers: [k, thresholds, caps],
    workgroups: [N, batch * kvHeads],
  });
  return { caps, encode };
}
