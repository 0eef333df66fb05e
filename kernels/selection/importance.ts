/**
 * Importance of key blocks on the device (SPEC section 4): `sampled`, `full`, `antidiagonal` and `pooled`, all as one
 * matrix product with a reducing end (importance_scores.wgsl) and a reduction of rows (importance_rows.wgsl).
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import { sampleOffsets } from "../../reference/importance.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { bindKernel, prepareKernel } from "../device/kernel.ts";
import type { Encode } from "../device/timing.ts";
import { upload } from "../device/transfer.ts";
import meansCode from "./importance_means.wgsl" with { type: "text" };
import rowsCode from "./importance_rows.wgsl" with { type: "text" };
import scoresTemplate from "./importance_scores.wgsl" with { type: "text" };
import { expandTemplate } from "../template.ts";

/** Rows and columns of scores that one workgroup makes. */
const TILE = 128;

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

/** What rows and columns of the product are. */
interface Product {
  /** Rows of a query block, and columns of a key block. */
  readonly rows: number;
  readonly columns: number;
  /** Rows and columns of a head that exist; the others are hidden. */
  readonly rowCount: number;
  readonly columnCount: number;
  /** Offsets of the sampled tokens: queries and then keys, for each (batch, head), or once for all. */
  readonly offsets: readonly (readonly number[])[];
  /** Tokens between one run of offsets and the next. */
  readonly strides: readonly [number, number];
  /** Offsets of a run. */
  readonly samples: readonly [number, number];
  /** Tokens concatenated to one row. */
  readonly parts: number;
  /** Factor on a product. */
  readonly factor: number;
  /** Sums of probabilities instead of maxima. */
  readonly sums: boolean;
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

/** What {@link prepareProduct} needs to know. */
interface ProductOptions {
  readonly shape: Omit<AttentionShape, "valueDim">;
  readonly causal: boolean;
  readonly dtype: "f16" | "f32";
  readonly scratch: number;
  readonly unroll: boolean;
  readonly product: Product;
  /** Where the rows of importance go. */
  readonly importance: GPUBuffer;
  /** Query blocks and key blocks of a head. */
  readonly blocks: readonly [number, number];
}

/** Scores and their reduction, in chunks of row tiles whose scores fit into the scratch buffer. */
async function prepareProduct(
  gpu: Gpu,
  { q, k }: QueryKeyBuffers,
  options: ProductOptions,
): Promise<Encode[]> {
  const { shape: { batch, heads }, product, scratch, unroll, importance, blocks: [M, N] } = options;
  const tilesOfHead = Math.ceil(M * product.rows / TILE), tiles = tilesOfHead * batch * heads;
  const bytes = 4 * N * TILE, most = Math.min(scratch, gpu.info.limits.maxStorageBufferBindingSize);
  const chunk = Math.min(tiles, Math.max(1, Math.floor(most / bytes)), 65535);
  const scores = gpu.createBuffer("scores of key blocks", { size: chunk * bytes });
  const table = Uint32Array.from(product.offsets.flat());
  const offsets = gpu.createBuffer("offsets of sampled tokens", { size: table.byteLength });
  upload(gpu, offsets, { data: table });
  const scorePipeline = await gpu.createPipeline(
    expandTemplate(scoresTemplate, { UNROLL: unroll }),
    {
      label: "importance scores",
      constants: scoreConstants(options, tilesOfHead),
    },
  );
  const rowPipeline = await gpu.createPipeline(rowsCode, {
    label: "importance rows",
    constants: {
      ...{ N, M, ROWS: product.rows, ROW_TILES: tilesOfHead },
      ...{ SUM_ROWS: Number(product.sums), NORMALISE: Number(!product.sums) },
    },
  });
  const encode: Encode[] = [];
  for (let first = 0; first < tiles; first += chunk) {
    const count = Math.min(chunk, tiles - first);
    const range = gpu.createBuffer("range of row tiles", {
      size: 16,
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    upload(gpu, range, { data: Uint32Array.of(first) });
    encode.push(
      await bindKernel(gpu, scorePipeline, {
        label: "importance scores",
        buffers: [range, q, k, offsets, scores],
        workgroups: [Math.ceil(product.columnCount / TILE), count],
      }),
      await bindKernel(gpu, rowPipeline, {
        label: "importance rows",
        buffers: [range, scores, importance],
        workgroups: [TILE / product.rows, count],
      }),
    );
  }
  return encode;
}

/** Overrides of importance_scores.wgsl. */
function scoreConstants(
  { shape, causal, dtype, product, blocks: [, N] }: ProductOptions,
  tilesOfHead: number,
): Record<string, number> {
  const { seqQ, seqK, headDim, heads, kvHeads } = shape, { samples, strides } = product;
  return {
    F16: Number(dtype === "f16"),
    PIECES: headDim / 4,
    PARTS: product.parts,
    Q_TOKENS: seqQ,
    K_TOKENS: seqK,
    Q_BLOCK: strides[0],
    K_BLOCK: strides[1],
    Q_SAMPLES: samples[0],
    K_SAMPLES: samples[1],
    OFFSET_STRIDE: product.offsets.length > 1 ? samples[0] + samples[1] : 0,
    GROUP: heads / kvHeads,
    ROWS: product.rowCount,
    COLUMNS: product.columnCount,
    BLOCK_COLUMNS: product.columns,
    N,
    ROW_TILES: tilesOfHead,
    FACTOR: product.factor,
    LOG_SUM: Number(product.sums),
    CAUSAL: Number(causal),
    SHIFT: causal ? Math.floor((seqK - seqQ) / product.parts) : 0,
  };
}
