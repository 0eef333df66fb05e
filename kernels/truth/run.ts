/**
 * Runs one head chunk by chunk: scores, and what a caller wants to be done with them.
 *
 * @module
 */
import type { PyramidCall } from "../../reference/attention/call.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel, type Dispatch } from "../device/work/kernel.ts";
import { type Encode, submitPass } from "../device/work/pass.ts";
import { download, upload } from "../device/transfer.ts";
import { expandTemplate } from "../wgsl/template.ts";
import blocksCode from "./blocks.wgsl" with { type: "text" };
import callCode from "./call.wgsl" with { type: "text" };
import { type Chunk, cutChunks, type HeadSizes, packCall, TILE, tilesOf } from "./chunks.ts";
import float64Code from "./float64.wgsl" with { type: "text" };
import type { Lists, Tokens } from "./head.ts";
import listsCode from "./lists.wgsl" with { type: "text" };
import productTemplate from "./product.wgsl" with { type: "text" };
import softmaxCode from "./softmax.wgsl" with { type: "text" };

/** Positions after every token: the shift of calls that are not causal. */
export const EVERYTHING = 1 << 30;

/** The sizes of a head's call. */
export interface HeadCall {
  /** Query rows. */
  readonly rows: number;
  /** Rows of a query block. */
  readonly block: number;
  /** Channels of queries and keys. */
  readonly dim: number;
  /** Factor on q . k. */
  readonly scale: number;
  /** A row's position minus its index; {@link EVERYTHING} if the call is not causal. */
  readonly shift: number;
  /** Bytes that the scores of a chunk may take. */
  readonly bytes: number;
}

/** The sizes of every head of a call, whose scores may take so many bytes. */
export function sizesOf({ shape: { seqQ, seqK, headDim }, options }: PyramidCall, bytes: number): HeadCall {
  return {
    ...{ rows: seqQ, block: options.blockM, dim: headDim, bytes },
    scale: options.scale ?? 1 / Math.sqrt(headDim),
    shift: options.causal ? seqK - seqQ : EVERYTHING,
  };
}

/** The steps on a chunk's scores, in order. */
export interface ChunkWork {
  /** Whether scores become weights. */
  readonly softmax: boolean;
  /** Channels of values, if outputs are asked for. */
  readonly valueDim?: number;
  /** Key blocks, if their maxima or sums are asked for. */
  readonly blocks?: {
    readonly count: number;
    readonly columns: number;
    readonly size: number;
    readonly maxima: boolean;
  };
}

/** The results of a head; those that were not asked for are empty. */
export interface HeadResult {
  /** [rows, value dimension] */
  readonly out: Float64Array;
  /** [rows] */
  readonly lse: Float64Array;
  /** [query blocks, key blocks] of sums, or [rows, key blocks] of maxima. */
  readonly blocks: Float64Array;
}

/** Queries and tokens on the device. */
export type TokenBuffers = Readonly<Record<"queries" | "keys" | "values" | "facts", GPUBuffer>>;

/** Brings queries and tokens to the device. */
export function placeTokens(
  gpu: Gpu,
  { queries, ...tokens }: Tokens & { readonly queries: Float64Array },
): TokenBuffers {
  return {
    queries: place(gpu, "queries", queries),
    keys: place(gpu, "keys", tokens.keys),
    values: place(gpu, "values", tokens.values),
    facts: place(gpu, "facts of tokens", new Uint8Array(tokens.facts)),
  };
}

/** A head on the device, and what its query blocks read. */
export interface PlacedHead {
  readonly tokens: TokenBuffers;
  readonly lists: Lists;
}

/**
 * Runs a head.
 *
 * @param gpu a device with float64
 * @param head its tokens and lists
 * @param options sizes, and what to do with scores
 */
export async function runHead(
  gpu: Gpu,
  head: PlacedHead,
  { call, work }: { readonly call: HeadCall; readonly work: ChunkWork },
): Promise<HeadResult> {
  using scope = gpu.scope();
  const sizes: HeadSizes = { rows: call.rows, block: call.block, lengthOf: head.lists.lengthOf };
  const chunks = cutChunks(sizes, call), blocks = Math.ceil(call.rows / call.block);
  const buffers = makeBuffers(scope, head, { call, work, chunks });
  for (const chunk of chunks) {
    using own = scope.scope();
    const { lists, lengths, isShared, write } = makeLists(own, head.lists, { chunk, sizes });
    const numbers = {
      listStride: isShared ? 0 : chunk.width,
      shift: call.shift,
      columns: work.blocks?.columns,
      keyBlock: work.blocks?.size,
    };
    const uniform = placeCall(own, packCall(sizes, chunk, numbers));
    const encodes = await buildChunk(own, { uniform, lists, lengths, ...buffers }, { call, work, chunk });
    await submitPass(own, [...await write(uniform), ...encodes], { label: "truth" });
  }
  const read = async (buffer: GPUBuffer | undefined, length: number) =>
    buffer ? new Float64Array(await download(scope, buffer, { size: 8 * length })) : new Float64Array(0);
  const padded = await read(work.softmax ? buffers.lse : undefined, blocks * tilesOf(call.block) * TILE);
  return {
    out: await read(work.valueDim ? buffers.out : undefined, call.rows * (work.valueDim ?? 0)),
    lse: work.softmax ? unpadded(padded, call) : padded,
    blocks: await read(buffers.blocks, blockResults(call, work)),
  };
}

/** The lists of a chunk on the device. */
export interface PlacedLists {
  readonly lists: GPUBuffer;
  readonly lengths: GPUBuffer;
  /** Whether all query blocks share one list. */
  readonly isShared: boolean;
  /** The dispatches that write them, given the numbers of the chunk. */
  readonly write: (uniform: GPUBuffer) => Promise<Encode[]>;
}

/** Makes room for the lists of a chunk; one that all query blocks share is there at once. */
export function makeLists(
  gpu: Gpu,
  { runs }: Lists,
  { chunk: { first, end, width }, sizes }: { readonly chunk: Chunk; readonly sizes: HeadSizes },
): PlacedLists {
  const lengths = Uint32Array.from({ length: end - first }, (_, m) => sizes.lengthOf(first + m));
  const lists = runs === null
    ? place(gpu, "lists", Uint32Array.from({ length: width }, (_, t) => t))
    : gpu.createBuffer("truth: lists", { size: 4 * (end - first) * width });
  const write = async (uniform: GPUBuffer) => {
    if (runs === null) return [];
    const buffers = [uniform, place(gpu, "runs", runs.of(first, end)), lists];
    const workgroups = [runs.columns, end - first];
    const code = [callCode, listsCode].join("\n");
    return [await buildKernel(gpu, code, { label: "truth: lists", buffers, workgroups })];
  };
  return { lists, lengths: place(gpu, "lengths", lengths), isShared: runs === null, write };
}

/** Numbers of key blocks: one for each pair of blocks, or for each row of the tiles. */
function blockResults({ rows, block }: HeadCall, { blocks }: ChunkWork): number {
  if (blocks === undefined) return 0;
  const M = Math.ceil(rows / block);
  return blocks.count * (blocks.maxima ? M * tilesOf(block) * TILE : M);
}

/** Buffers that live as long as the head. */
interface HeadBuffers extends TokenBuffers {
  readonly scale: GPUBuffer;
  readonly scores: GPUBuffer;
  readonly lse: GPUBuffer;
  readonly out: GPUBuffer;
  readonly blocks: GPUBuffer | undefined;
}

function makeBuffers(
  gpu: Gpu,
  { tokens }: PlacedHead,
  { call, work, chunks }: {
    readonly call: HeadCall;
    readonly work: ChunkWork;
    readonly chunks: readonly Chunk[];
  },
): HeadBuffers {
  const most = Math.max(...chunks.map(({ tiles, width }) => tiles * TILE * width));
  const room = (label: string, length: number) =>
    gpu.createBuffer(`truth: ${label}`, { size: Math.max(16, 8 * length) });
  return {
    ...tokens,
    scale: place(gpu, "scale", Float64Array.of(call.scale)),
    scores: room("scores", most),
    lse: room("log-sum-exps", Math.ceil(call.rows / call.block) * tilesOf(call.block) * TILE),
    out: room("outputs", call.rows * (work.valueDim ?? 0)),
    blocks: work.blocks ? room("key blocks", blockResults(call, work)) : undefined,
  };
}

/** The kernels of one chunk. */
async function buildChunk(
  gpu: Gpu,
  buffers: HeadBuffers & {
    readonly uniform: GPUBuffer;
    readonly lists: GPUBuffer;
    readonly lengths: GPUBuffer;
  },
  { call, work, chunk }: { readonly call: HeadCall; readonly work: ChunkWork; readonly chunk: Chunk },
): Promise<Encode[]> {
  const { uniform, lists, lengths, queries, keys, values, facts, scale, scores, lse, out, blocks } = buffers;
  const { tiles, width } = chunk;
  const encodes = [
    await buildTruth(gpu, "scores", product({ OUTPUTS: false, PLAIN: false, DIM: call.dim }), {
      buffers: [uniform, queries, keys, lists, lengths, scores, facts, scale],
      workgroups: [width / TILE, tiles],
    }),
  ];
  if (work.softmax) {
    encodes.push(
      await buildTruth(gpu, "softmax", softmaxCode, {
        ...{ buffers: [uniform, scores, lse], workgroups: [tiles * TILE] },
      }),
    );
  }
  if (work.valueDim) {
    encodes.push(
      await buildTruth(gpu, "outputs", product({ OUTPUTS: true, PLAIN: false, DIM: work.valueDim }), {
        buffers: [uniform, scores, values, lists, lengths, out],
        workgroups: [Math.ceil(work.valueDim / TILE), tiles],
      }),
    );
  }
  if (work.blocks && blocks) {
    encodes.push(
      await buildTruth(gpu, "key blocks", blocksCode, {
        constants: { MAXIMA: Number(work.blocks.maxima), N: work.blocks.count },
        buffers: [uniform, scores, blocks],
        workgroups: [
          work.blocks.maxima ? Math.ceil(work.blocks.count / 64) : work.blocks.count,
          work.blocks.maxima ? tiles * TILE : chunk.end - chunk.first,
        ],
      }),
    );
  }
  return encodes;
}

/** The text of a product: outputs, scores, or, plain, scores without scale, bias and mask. */
export function product(
  parameters: { readonly OUTPUTS: boolean; readonly PLAIN: boolean; readonly DIM: number },
): string {
  return expandTemplate(productTemplate, parameters);
}

/** Builds a kernel of the truth, with float64 functions and the numbers of the call before its own text. */
export function buildTruth(
  gpu: Gpu,
  label: string,
  code: string,
  rest: Pick<Dispatch, "buffers" | "workgroups"> & { readonly constants?: Readonly<Record<string, number>> },
): Promise<Encode> {
  return buildKernel(gpu, [float64Code, callCode, code].join("\n"), { label: `truth: ${label}`, ...rest });
}

/** A buffer with data in it. */
export function place(gpu: Gpu, label: string, data: ArrayBufferView): GPUBuffer {
  const buffer = gpu.createBuffer(`truth: ${label}`, { size: Math.max(16, data.byteLength) });
  upload(gpu, buffer, { data: data as ArrayBufferView<ArrayBuffer> });
  return buffer;
}

/** The numbers of a chunk on the device. */
export function placeCall(gpu: Gpu, data: Int32Array<ArrayBuffer>): GPUBuffer {
  const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
  const buffer = gpu.createBuffer("truth: numbers of a chunk", { size: data.byteLength, usage });
  upload(gpu, buffer, { data });
  return buffer;
}

/** The rows that exist of those that tiles have; rows that see nothing have -Infinity. */
function unpadded(padded: Float64Array, { rows, block }: HeadCall): Float64Array {
  const each = tilesOf(block) * TILE;
  return Float64Array.from({ length: rows }, (_, row) => {
    const value = padded[Math.floor(row / block) * each + row % block];
    return value < -1e299 ? -Infinity : value;
  });
}
