/**
 * Importance of key blocks on the device (docs/definition.md#importance): `sampled`, `full`, `antidiagonal` and `pooled`, all as one
 * matrix product with a reducing end (importance_product.ts), of tokens or of their means.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import { sampleOffsets } from "../../reference/importance/importance.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { prepareKernel } from "../device/kernel.ts";
import type { Encode } from "../device/pass.ts";
import meansCode from "./means.wgsl" with { type: "text" };
import { prepareProduct, type Product } from "./product.ts";

/** Queries and keys on the device, in the order in which blocks are cut. */
export interface QueryKeyBuffers {
  /** Queries, [batch, heads, query tokens, head dimension]. */
  readonly q: GPUBuffer;
  /** Keys, [batch, key heads, key tokens, head dimension]. */
  readonly k: GPUBuffer;
}

/** What {@link prepareImportance} needs to know. */
export interface ImportanceOptions {
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

/** Importance as a stage of the pipeline. */
export interface ImportanceStage {
  /** float32 [batch, heads, query blocks, key blocks], once the stage has run. */
  readonly importance: GPUBuffer;
  /** Encodes the stage into a pass. */
  readonly encode: Encode;
}

/**
 * Prepares importance for one shape and configuration.
 *
 * @param gpu the device
 * @param inputs queries and keys
 * @param options sizes, configuration, element type
 * @returns the buffer of importance and what fills it; buffers belong to `gpu`
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function prepareImportance(
  gpu: Gpu,
  inputs: QueryKeyBuffers,
  options: ImportanceOptions,
): Promise<ImportanceStage> {
  const { shape, config, dtype } = options, { kind } = config.importance;
  const { batch, heads, seqQ, seqK } = shape;
  const M = Math.ceil(seqQ / config.blockM), N = Math.ceil(seqK / config.blockN);
  const importance = gpu.createBuffer("importance", { size: 4 * batch * heads * M * N });
  const means = kind === "pooled" ? await prepareMeans(gpu, inputs, options) : undefined;
  const product = productOf(shape, config, options.firstHead ?? 0);
  const scores = await prepareProduct(gpu, means?.means ?? inputs, {
    shape: means ? { ...shape, seqQ: M, seqK: N } : shape,
    causal: config.causal === true && kind === "antidiagonal",
    dtype: means ? "f32" : dtype,
    scratch: options.scratch ?? 1 << 25,
    unroll: options.unroll ?? gpu.info.subgroupSize > 0,
    product,
    importance,
    blocks: [M, N],
  });
  const encode: Encode = (pass) => {
    for (const each of [...means?.encode ?? [], ...scores]) each(pass);
  };
  return { importance, encode };
}

/** What rows and columns of scores are in each kind of importance. */
function productOf(
  { batch, heads, seqQ, seqK, headDim }: Omit<AttentionShape, "valueDim">,
  { blockM, blockN, importance, scale = 1 / Math.sqrt(headDim) }: ImportanceOptions["config"],
  firstHead: number,
): Product {
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN), factor = scale * Math.LOG2E;
  const single = { offsets: [[0, 0]], samples: [1, 1], parts: 1 } as const;
  switch (importance.kind) {
    case "pooled":
      return {
        ...single,
        ...{ rows: 1, columns: 1, rowCount: M, columnCount: N, strides: [1, 1], factor, sums: true },
      };
    case "antidiagonal": {
      const { stride } = importance;
      return {
        ...single,
        ...{ rows: blockM / stride, columns: blockN / stride },
        ...{ rowCount: Math.ceil(seqQ / stride), columnCount: Math.ceil(seqK / stride) },
        ...{ strides: [stride, stride], parts: stride, sums: true },
        factor: Math.LOG2E / (Math.sqrt(headDim) * stride),
      };
    }
    case "sampled":
    case "full": {
      const offsets = importance.kind === "sampled"
        ? Array.from(
          { length: batch * heads },
          (_, head) => sampleOffsets({ blockM, blockN, seed: importance.seed, batchHead: firstHead + head }),
        )
        : [{ query: range(blockM), key: range(blockN) }];
      const rows = offsets[0].query.length, columns = offsets[0].key.length;
      return {
        ...{ rows, columns, rowCount: M * rows, columnCount: N * columns, samples: [rows, columns] },
        ...{ offsets: offsets.map(({ query, key }) => [...query, ...key]), strides: [blockM, blockN] },
        ...{ parts: 1, factor, sums: false },
      };
    }
  }
}

/** 0, 1, … up to a length. */
function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/** Mean tokens of all blocks, what `pooled` scores. */
async function prepareMeans(
  gpu: Gpu,
  { q, k }: QueryKeyBuffers,
  { shape, config: { blockM, blockN }, dtype }: ImportanceOptions,
): Promise<{ means: QueryKeyBuffers; encode: Encode[] }> {
  const { batch, heads, kvHeads, seqQ, seqK, headDim } = shape;
  const prepare = async (
    label: string,
    side: { tokens: GPUBuffer; rows: number; length: number; block: number },
  ) => {
    const blocks = Math.ceil(side.length / side.block);
    const means = gpu.createBuffer(label, { size: 4 * side.rows * blocks * headDim });
    const encode = await prepareKernel(gpu, meansCode, {
      label,
      constants: {
        F16: Number(dtype === "f16"),
        PIECES: headDim / 4,
        TOKENS: side.length,
        BLOCK: side.block,
      },
      buffers: [side.tokens, means],
      workgroups: [blocks, side.rows],
    });
    return { means, encode };
  };
  const queries = await prepare("means of query blocks", {
    ...{ tokens: q, rows: batch * heads, length: seqQ, block: blockM },
  });
  const keys = await prepare("means of key blocks", {
    ...{ tokens: k, rows: batch * kvHeads, length: seqK, block: blockN },
  });
  return { means: { q: queries.means, k: keys.means }, encode: [queries.encode, keys.encode] };
}
