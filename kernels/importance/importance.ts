/**
 * Importance of key blocks on the device (docs/definition.md#importance): `sampled`, `full`, `antidiagonal` and `pooled`,
 * all as one matrix product with a reducing end (product.ts), of tokens or of their means.
 *
 * @module
 */
import type { Gpu } from "../device/gpu.ts";
import type { Stage } from "../device/work/stage.ts";
import { productOf } from "./kinds.ts";
import { buildMeans } from "./means.ts";
import type { ImportanceOptions } from "./options.ts";
export type { ImportanceOptions, QueryKeyBuffers } from "./options.ts";
import { buildProduct, scratchBytes } from "./product.ts";

/** The buffer that the stage writes: float32 [batch, heads, query blocks, key blocks]. */
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
  const { buffers, shape, config, dtype, firstHead = 0, heads: numbers } = options,
    { kind } = config.importance;
  const { batch, heads, seqQ, seqK } = shape;
  const M = Math.ceil(seqQ / config.blockM), N = Math.ceil(seqK / config.blockN);
  const importance = gpu.createBuffer("importance", { size: 4 * batch * heads * M * N });
  const means = kind === "pooled" ? await buildMeans(gpu, options) : undefined;
  const scores = await buildProduct(gpu, means?.means ?? buffers, {
    shape: means ? { ...shape, seqQ: M, seqK: N } : shape,
    causal: config.causal === true && kind === "antidiagonal",
    dtype: means ? "f32" : dtype,
    scratch: options.scratch ?? scratchBytes(gpu.info, options),
    unroll: options.unroll ?? gpu.info.subgroupSize > 0,
    product: productOf({ shape, config, firstHead, heads: numbers }),
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
