/**
 * The matrix product of all kinds of importance (scores.wgsl), and the reduction of its rows
 * (rows.wgsl).
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Capabilities } from "../device/capabilities.ts";
import type { Gpu } from "../device/gpu.ts";
import { bindKernel } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import { upload, uploaded } from "../device/transfer.ts";
import { type ScoreKernel, scoreKernel } from "./kernel.ts";
import type { Product } from "./kinds.ts";
import type { ImportanceOptions } from "./options.ts";
import rowsCode from "./rows.wgsl" with { type: "text" };

/** Rows of scores that one workgroup makes. */
const TILE = 128;
/** Bytes that scores take at a time by default; with matrix units more, if queries do. */
const SCRATCH_BYTES = 1 << 25, MOST_SCRATCH_BYTES = 1 << 28;
/** Row tiles that one dispatch can have. */
const MOST_ROW_TILES = 65535;

/** Options of {@link buildProduct}. */
export interface ProductOptions {
  /** The sizes of the call; tokens may be means. */
  readonly shape: Omit<AttentionShape, "valueDim">;
  /** Whether a row sees only columns up to its own place. */
  readonly causal: boolean;
  /** Element type of queries and keys. */
  readonly dtype: "f16" | "f32";
  /** Bytes that scores may take at a time. */
  readonly scratch: number;
  /** Whether the product is unrolled in the text. */
  readonly unroll: boolean;
  /** Its rows and columns. */
  readonly product: Product;
  /** Where the rows of importance go. */
  readonly importance: GPUBuffer;
  /** Query blocks and key blocks of a head. */
  readonly blocks: readonly [number, number];
}

/**
 * Builds scores and their reduction, in chunks of row tiles whose scores fit into the scratch buffer.
 *
 * @param gpu the device
 * @param inputs queries and keys
 * @param options sizes, rows and columns
 * @returns encodes the chunks, one after the other
 * @throws {InputError} if a dispatch is beyond a limit of the device
 */
export async function buildProduct(
  gpu: Gpu,
  inputs: { readonly q: GPUBuffer; readonly k: GPUBuffer },
  options: ProductOptions,
): Promise<Encode[]> {
  const plan = planProduct(options, gpu.info.limits.maxStorageBufferBindingSize);
  const scores = gpu.createBuffer("scores of key blocks", { size: plan.bytes });
  const offsets = uploaded(
    gpu,
    "offsets of sampled tokens",
    Uint32Array.from(options.product.offsets.flat()),
  );
  const pipelines = await buildPipelines(gpu, plan, options);
  const encodes: Encode[] = [];
  for (let first = 0; first < plan.tiles; first += plan.chunk) {
    const range = { first, count: Math.min(plan.chunk, plan.tiles - first) };
    encodes.push(...await bindChunk(gpu, pipelines, { ...inputs, ...range, offsets, scores, options }));
  }
  return encodes;
}

/**
 * Bytes that scores take at a time by default: 32 MiB, or with matrix units as many as the queries, up to 256 MiB. Between two parts
 * the device runs empty, which costs a fast kernel more than the scores that leave the cache.
 *
 * @param info whether the device has matrix units
 * @param options sizes, element type, how blocks are scored
 */
export function scratchBytes(
  { matrices }: Pick<Capabilities, "matrices">,
  { shape: { batch, heads, seqQ, headDim }, dtype, config: { importance } }: Pick<
    ImportanceOptions,
    "shape" | "dtype" | "config"
  >,
): number {
  if (!matrices || dtype === "f32" || importance.kind === "pooled") return SCRATCH_BYTES;
  return Math.max(SCRATCH_BYTES, Math.min(MOST_SCRATCH_BYTES, 2 * batch * heads * seqQ * headDim));
}

/** How the product is cut. */
interface ProductPlan {
  /** Tiles of 128 rows of a head, and of all heads. */
  readonly tilesOfHead: number;
  readonly tiles: number;
  /** Row tiles whose scores are in memory at a time, and their bytes. */
  readonly chunk: number;
  readonly bytes: number;
}

/**
 * How the product is cut, so that scores fit into their scratch buffer.
 *
 * @param options sizes, rows and columns
 * @param limit the most bytes that a buffer may have
 */
export function planProduct(
  { shape: { batch, heads }, product, scratch, blocks: [M, N] }: Pick<
    ProductOptions,
    "shape" | "product" | "scratch" | "blocks"
  >,
  limit: number,
): ProductPlan {
  const tilesOfHead = Math.ceil(M * product.rows / TILE), tiles = tilesOfHead * batch * heads;
  const ofTile = 4 * N * TILE, fitting = Math.max(1, Math.floor(Math.min(scratch, limit) / ofTile));
  const chunk = Math.min(tiles, fitting, MOST_ROW_TILES);
  return {
    tilesOfHead,
    tiles,
    chunk,
    bytes: chunk * ofTile,
  };
}

/** The kernels of scores and of rows. */
interface ProductPipelines {
  readonly kernel: ScoreKernel;
  readonly scores: GPUComputePipeline;
  readonly rows: GPUComputePipeline;
}

async function buildPipelines(
  gpu: Gpu,
  plan: ProductPlan,
  options: ProductOptions,
): Promise<ProductPipelines> {
  const { product, blocks: [M, N], shape: { headDim }, dtype, unroll } = options;
  const { parts, columns, sums, columnCount, factor } = product;
  const kernel = scoreKernel(gpu.info, { headDim, dtype, unroll, parts, columns, sums }, {
    ...{ columnCount, factor, rowTiles: plan.chunk, tilesOfHead: plan.tilesOfHead },
  });
  const scores = await gpu.createPipeline(kernel.code, {
    label: "importance scores",
    constants: { ...scoreConstants(options), ...kernel.constants },
  });
  const rows = await gpu.createPipeline(rowsCode, {
    label: "importance rows",
    constants: {
      ...{ N, M, ROWS: product.rows, ROW_TILES: plan.tilesOfHead },
      ...{ SUM_ROWS: Number(product.sums), NORMALISE: Number(!product.sums) },
    },
  });
  return { kernel, scores, rows };
}

/** Builds the pass that computes the scores of some row tiles and reduces them. */
async function bindChunk(
  gpu: Gpu,
  pipelines: ProductPipelines,
  { first, count, q, k, offsets, scores, options: { importance, product } }: {
    readonly first: number;
    readonly count: number;
    readonly q: GPUBuffer;
    readonly k: GPUBuffer;
    readonly offsets: GPUBuffer;
    readonly scores: GPUBuffer;
    readonly options: ProductOptions;
  },
): Promise<Encode[]> {
  const range = gpu.createBuffer("range of row tiles", {
    size: 16,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  upload(gpu, range, { data: Uint32Array.of(first, 1) });
  return [
    await bindKernel(gpu, pipelines.scores, {
      label: "importance scores",
      buffers: [range, q, k, offsets, scores],
      workgroups: [pipelines.kernel.workgroups, count],
    }),
    await bindKernel(gpu, pipelines.rows, {
      label: "importance rows",
      buffers: [range, scores, importance],
      workgroups: [TILE / Math.max(4, product.rows), count],
    }),
  ];
}

/** Overrides of both kernels of scores. */
function scoreConstants({ shape, causal, product, blocks: [, N] }: ProductOptions): Record<string, number> {
  const { seqQ, seqK, heads, kvHeads } = shape, { samples, strides } = product;
  return {
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
    N,
    CAUSAL: Number(causal),
    SHIFT: causal ? Math.floor((seqK - seqQ) / product.parts) : 0,
  };
}
