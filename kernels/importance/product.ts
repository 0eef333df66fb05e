/**
 * The matrix product that all kinds of importance are (importance_scores.wgsl), and the reduction of its rows
 * (importance_rows.wgsl).
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { bindKernel } from "../device/kernel.ts";
import type { Encode } from "../device/pass.ts";
import { upload } from "../device/transfer.ts";
import { expandTemplate, type TemplateParameters } from "../wgsl/template.ts";
import { preshift, wordsTemplate } from "../wgsl/packed.ts";
import blocksTemplate from "./blocks.wgsl" with { type: "text" };
import rowsCode from "./rows.wgsl" with { type: "text" };
import scoresTemplate from "./scores.wgsl" with { type: "text" };

/** Rows and columns of scores that one workgroup makes at a time. */
const TILE = 128;
/** Bytes of a chunk of 128 rows or columns in workgroup memory. */
const CHUNK_BYTES = 8192;
/** Tiles that a workgroup makes one after the other, if there are enough of them. */
const MOST_TILES = 8;
/** Workgroups that keep a large device busy. */
const ENOUGH_WORKGROUPS = 1024;

/** What rows and columns of the product are. */
export interface Product {
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

/** What decides the text of the kernel of scores. */
export interface ScoreKernelOptions {
  /** Channels of a token. */
  readonly headDim: number;
  /** Element type of queries and keys. */
  readonly dtype: "f16" | "f32";
  /** Tokens concatenated to one row. */
  readonly parts: number;
  /** Whether the product is unrolled in the text. */
  readonly unroll: boolean;
  /** Bytes of workgroup memory that the device has. */
  readonly workgroupMemory: number;
}

/** The values that importance_scores.wgsl is expanded with. */
function scoreParameters(options: ScoreKernelOptions): TemplateParameters {
  const { headDim, dtype, parts, unroll, workgroupMemory } = options, f16 = dtype === "f16";
  const pieces = headDim / (f16 ? 8 : 4), chunks = Math.ceil(pieces / 4), steps = parts * chunks;
  return {
    F16: f16,
    UNROLL: unroll,
    PIECES: pieces,
    CHUNKS: chunks,
    PARTS: parts,
    STEPS: steps,
    STAYS: CHUNK_BYTES * (2 + steps) <= workgroupMemory,
    AT_ONCE: unroll && steps % 2 === 0 && (f16 || parts === 1) ? 2 : 1,
    FLUSH: steps > 4,
    PRESHIFT: preshift(dtype, headDim * parts),
  };
}

/** The WGSL of the kernel of scores. */
export function scoreCode(options: ScoreKernelOptions): string {
  return expandTemplate([wordsTemplate, scoresTemplate, blocksTemplate].join("\n"), scoreParameters(options));
}

/** What {@link prepareProduct} needs to know. */
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
  /** What rows and columns are. */
  readonly product: Product;
  /** Where the rows of importance go. */
  readonly importance: GPUBuffer;
  /** Query blocks and key blocks of a head. */
  readonly blocks: readonly [number, number];
}

/**
 * Prepares scores and their reduction, in chunks of row tiles whose scores fit into the scratch buffer.
 *
 * @param gpu the device
 * @param inputs queries and keys
 * @param options sizes, and what rows and columns are
 * @returns what encodes the chunks, one after the other
 * @throws {InputError} if a dispatch is beyond a limit of the device
 */
export async function prepareProduct(
  gpu: Gpu,
  { q, k }: { readonly q: GPUBuffer; readonly k: GPUBuffer },
  options: ProductOptions,
): Promise<Encode[]> {
  const { shape: { batch, heads }, product, scratch, importance, blocks: [M, N] } = options;
  const tilesOfHead = Math.ceil(M * product.rows / TILE), tiles = tilesOfHead * batch * heads;
  const bytes = 4 * N * TILE, most = Math.min(scratch, gpu.info.limits.maxStorageBufferBindingSize);
  const chunk = Math.min(tiles, Math.max(1, Math.floor(most / bytes)), 65535);
  const scores = gpu.createBuffer("scores of key blocks", { size: chunk * bytes });
  const table = Uint32Array.from(product.offsets.flat());
  const offsets = gpu.createBuffer("offsets of sampled tokens", { size: table.byteLength });
  upload(gpu, offsets, { data: table });
  const columnTiles = Math.ceil(product.columnCount / TILE), each = tilesEach(columnTiles, chunk);
  const kernel = kernelOptions(gpu, options);
  const scorePipeline = await gpu.createPipeline(scoreCode(kernel), {
    label: "importance scores",
    constants: {
      ...scoreConstants(options, tilesOfHead),
      TILES: each,
      FACTOR: product.factor * 2 ** preshift(kernel.dtype, kernel.headDim * kernel.parts),
    },
  });
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
        workgroups: [Math.ceil(columnTiles / each), count],
      }),
      await bindKernel(gpu, rowPipeline, {
        label: "importance rows",
        buffers: [range, scores, importance],
        workgroups: [TILE / Math.max(4, product.rows), count],
      }),
    );
  }
  return encode;
}

/** What decides the text of the kernel of scores. */
function kernelOptions(gpu: Gpu, { shape: { headDim }, dtype, unroll, product }: ProductOptions) {
  const workgroupMemory = gpu.info.limits.maxComputeWorkgroupStorageSize;
  return { headDim, dtype, unroll, parts: product.parts, workgroupMemory };
}

/** How many tiles of columns a workgroup makes: as many as leave enough workgroups. */
function tilesEach(columnTiles: number, rowTiles: number): number {
  let each = MOST_TILES;
  while (each > 1 && Math.ceil(columnTiles / each) * rowTiles < ENOUGH_WORKGROUPS) each /= 2;
  return each;
}

/** Overrides of importance_scores.wgsl. */
function scoreConstants(
  { shape, causal, product, blocks: [, N] }: ProductOptions,
  tilesOfHead: number,
): Record<string, number> {
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
    BLOCK_COLUMNS: product.columns,
    N,
    ROW_TILES: tilesOfHead,
    LOG_SUM: Number(product.sums),
    CAUSAL: Number(causal),
    SHIFT: causal ? Math.floor((seqK - seqQ) / product.parts) : 0,
  };
}
