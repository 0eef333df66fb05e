/**
 * Importance of key blocks on the device (docs/definition.md#importance): `sampled`, `full`, `antidiagonal` and `pooled`,
 * all as one matrix product with a reducing end (product.ts), of tokens or of their means.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import type { Stage } from "../device/stage.ts";
import { productOf } from "./kinds.ts";
import { buildMeans } from "./means.ts";
import { buildProduct, SCRATCH_BYTES } from "./product.ts";

/** Queries and keys on the device, in the order in which blocks are cut. */
export interface QueryKeyBuffers {
  /** Queries, [batch, heads, query tokens, head dimension]. */
  readonly q: GPUBuffer;
  /** Keys, [batch, key heads, key tokens, head dimension]. */
  readonly k: GPUBuffer;
}

/** What {@link buildImportance} needs to know. */
export interface ImportanceOptions {
  /** Queries and keys. */
  readonly buffers: QueryKeyBuffers;
  /** The sizes of the call. */
  readonly shape: Omit<AttentionShape, "valueDim">;
  /** Block sizes, how blocks are scored, causal, scale. */
  readonly config: Pick<PsaConfig, "blockM" | "blockN" | "importance" | "causal" | "scale">;
  /** Element type of q and k. */
  readonly dtype: "f16" | "f32";
  /** Bytes that scores may take at a time; default 32 MiB. */
  readonly scratch?: number;
  /** Whether the product is unrolled in the text; default where the device has subgroups, that is, is no software. */
  readonly unroll?: boolean;
  /** Index of the first head among the batch * heads of a larger call: sampled tokens are drawn by it. Default 0. */
  readonly firstHead?: number;
}

/** What the stage makes: float32 [batch, heads, query blocks, key blocks]. */
export type ImportanceOutputs = Readonly<Record<"importance", GPUBuffer>>;

/**
 * Builds importance for one shape and configuration.
 *
 * @param gpu the device, to which the buffers belong
 * @param options queries and keys, sizes, configuration, element type
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildImportance(
  gpu: Gpu,
  options: ImportanceOptions,
): Promise<Stage<ImportanceOutputs>> {
  const { buffers, shape, config, dtype, firstHead = 0 } = options, { kind } = config.importance;
  const { batch, heads, seqQ, seqK } = shape;
  const M = Math.ceil(seqQ / config.blockM), N = Math.ceil(seqK / config.blockN);
  const importance = gpu.createBuffer("importance", { size: 4 * batch * heads * M * N });
  const means = kind === "pooled" ? await buildMeans(gpu, options) : undefined;
  const scores = await buildProduct(gpu, means?.means ?? buffers, {
    shape: means ? { ...shape, seqQ: M, seqK: N } : shape,
    causal: config.causal === true && kind === "antidiagonal",
    dtype: means ? "f32" : dtype,
    scratch: options.scratch ?? SCRATCH_BYTES,
    unroll: options.unroll ?? gpu.info.subgroupSize > 0,
    product: productOf({ shape, config, firstHead }),
    importance,
    blocks: [M, N],
  });
  const encodes = [...means?.encodes ?? [], ...scores];
  return {
    name: "importance",
    encode: (pass) => encodes.forEach((encode) => encode(pass)),
    outputs: { importance },
  };
}
