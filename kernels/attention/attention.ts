/**
 * Attention over the pyramid on the device (docs/definition.md#attention).
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import kernel from "./tiled/kernel.wgsl" with { type: "text" };
import steps from "./tiled/steps.wgsl" with { type: "text" };
import tiles from "./tiled/tiles.wgsl" with { type: "text" };
import type { Gpu } from "../device/gpu.ts";
import { bindKernel } from "../device/kernel.ts";
import type { Encode } from "../device/pass.ts";
import { upload } from "../device/transfer.ts";
import { groupTokens } from "../lists/naive.ts";
import { packSections, type Sections } from "../pyramid/layout.ts";
import { expandTemplate, type TemplateParameters } from "../wgsl/template.ts";
import { preshift, wordsTemplate } from "../wgsl/packed.ts";

/** What decides the text of the attention kernel. */
export interface AttentionKernelOptions {
  /** The sizes of the call. */
  readonly shape: AttentionShape;
  /** Query block size in tokens: 16, 32, 64 or 128. */
  readonly blockM: number;
  /** Element type of q, k, v and out. */
  readonly dtype: "f32" | "f16";
  /** Whether every level is 1: no list is read. */
  readonly dense: boolean;
  /** Whether a query sees only keys up to its own position. */
  readonly causal: boolean;
  /** Whether some pooled token stands for fewer tokens than its level. */
  readonly partial: boolean;
  /** Pooled tokens of a group of the lists ({@link groupTokens}); default 8. */
  readonly group?: 4 | 8;
  /** Whether shuffles over 32 lanes work. */
  readonly subgroups: boolean;
  /** Bytes of workgroup memory that the device has. */
  readonly workgroupMemory: number;
}

/** Bytes of one of the buffers that hold 16 keys' weights, for each row of threads. */
const WEIGHT_BUFFER_BYTES = 512;
/** Bytes of the two chunks of keys or values. */
const CHUNK_BYTES = 2 * 8192;

/**
 * Bytes of workgroup memory that the attention kernel takes: two chunks of keys, and buffers of weights.
 *
 * @param blockM query block size in tokens
 * @param buffers buffers of weights; default 2, the fewest
 */
export function workgroupBytes(blockM: number, buffers = 2): number {
  return CHUNK_BYTES + buffers * WEIGHT_BUFFER_BYTES * blockM / 8;
}

/** The values that attention.wgsl is expanded with. */
export function attentionParameters(options: AttentionKernelOptions): TemplateParameters {
  const { shape: { headDim, valueDim }, blockM, dtype, dense, causal, partial, subgroups } = options;
  const group = dense ? 8 : options.group ?? 8;
  const f16 = dtype === "f16", perPiece = f16 ? 8 : 4;
  const rows = blockM / 8, threads = 2 * blockM, split = valueDim <= 64;
  const pieces = headDim / perPiece, units = f16 ? 4 : 8;
  const chunks = Math.ceil(pieces / 4);
  const fits = workgroupBytes(blockM, 4) <= options.workgroupMemory;
  const buffers = fits ? 4 : 2, loads = 512 / threads;
  return {
    F16: f16,
    DENSE: dense,
    CAUSAL: causal,
    PARTIAL: partial,
    SUBGROUPS: subgroups,
    UNROLL: subgroups,
    SPLIT: split,
    PRESHIFT: preshift(dtype, headDim),
    GROUP: group,
    PER_LANE: 8 / group,
    BM: blockM,
    TY: rows,
    THREADS: threads,
    D_PIECES: pieces,
    V_PIECES: valueDim / perPiece,
    COLUMN_PIECES: (split ? 64 : 128) / perPiece,
    CHUNKS: chunks,
    ...chunksAtOnce(options, { split, paired: subgroups && fits && chunks % 2 === 0 }),
    KEYS_ACCESS: subgroups && !f16 ? "read_write" : "read",
    LOADS: loads,
    K_GROUPS: Math.max(1, 256 / threads),
    V_GROUPS: f16 ? loads / 2 : loads,
    V_ACROSS: (split ? 64 : 128) / perPiece,
    PART_KEYS: buffers * (f16 ? 2 : 1),
    UNITS: units,
    PBUF: buffers,
    PARTS: units / buffers,
    V_CHUNKS: buffers / (split ? 2 : 1),
    Q_WAITS: split && buffers === 2,
  };
}

/** How many chunks of each product are unrolled at once: what was fastest, where `paired` allows two. */
function chunksAtOnce(
  { dtype, dense }: AttentionKernelOptions,
  { split, paired }: { readonly split: boolean; readonly paired: boolean },
): TemplateParameters {
  const f16 = dtype === "f16";
  return {
    SCORES_AT_ONCE: paired && (f16 || dense || !split) ? 2 : 1,
    VALUES_AT_ONCE: paired && (!f16 || dense && split) ? 2 : 1,
  };
}

/** The WGSL of the attention kernel for one shape. */
export function attentionCode(options: AttentionKernelOptions): string {
  return expandTemplate([wordsTemplate, tiles, steps, kernel].join("\n"), attentionParameters(options));
}

/** What decides attention of one shape, and the buffers that it reads and writes. */
export interface AttentionStageOptions
  extends Omit<AttentionKernelOptions, "subgroups" | "workgroupMemory" | "group"> {
  /** Factor on q . k. */
  readonly scale: number;
  /** What the last, partial key block pools. */
  readonly tail: "exact" | "replicate";
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Where the levels lie in keys and values. */
  readonly sections: Sections;
  /** Queries, keys, values, outputs, log-sum-exps. */
  readonly buffers: {
    readonly q: GPUBuffer;
    readonly k: GPUBuffer;
    readonly v: GPUBuffer;
    readonly out: GPUBuffer;
    readonly lse: GPUBuffer;
  };
}

/** Work lists on the device. */
export interface ListBuffers {
  /** The lists, one u32 a group. */
  readonly list: GPUBuffer;
  /** Where each begins, and in which order query blocks are taken ({@link WorkLists.offsets}). */
  readonly offsets: GPUBuffer;
}

/** Attention that is built, and waits for work lists. */
export type AttentionKernel = (lists?: ListBuffers) => Promise<Encode>;

/**
 * Builds attention for one shape.
 *
 * @param gpu the device
 * @param options shape, block sizes, buffers
 * @returns binds work lists (none if dense) and gives what encodes the pass
 */
export async function buildAttention(gpu: Gpu, options: AttentionStageOptions): Promise<AttentionKernel> {
  const { shape: { batch, heads, seqQ, valueDim }, blockM } = options;
  const { q, k, v, out, lse } = options.buffers;
  const uniform = uploadCall(gpu, options);
  const group = groupTokens(options.sections, options.blockN);
  const code = attentionCode({ ...options, ...deviceOf(gpu), group });
  const pipeline = await gpu.createPipeline(code, { label: "attention" });
  return (lists) =>
    bindKernel(gpu, pipeline, {
      label: "attention",
      buffers: [uniform, q, k, v, out, lse, ...(lists ? [lists.list, lists.offsets] : [])],
      workgroups: [
        Math.ceil(seqQ / blockM),
        batch * heads,
        Math.ceil(valueDim / (valueDim <= 64 ? 64 : 128)),
      ],
    });
}

/** The numbers of a call, as the kernel reads them. */
function uploadCall(gpu: Gpu, options: AttentionStageOptions): GPUBuffer {
  const { shape: { headDim, heads, kvHeads, seqQ, seqK }, dtype, dense, scale, tail, blockN, sections } =
    options;
  const uniform = gpu.createBuffer("attention call", {
    size: 32 + 128,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  const end = tail === "replicate" && !dense ? Math.ceil(seqK / blockN) * blockN : seqK;
  const floats = new Float32Array(40), words = new Uint32Array(floats.buffer);
  floats.set([scale * Math.LOG2E * 2 ** preshift(dtype, headDim), -Infinity]);
  words.set([seqQ, end], 2);
  new Int32Array(floats.buffer).set([seqK - seqQ], 4);
  words.set([heads, kvHeads, 0, ...packSections(sections)], 5);
  upload(gpu, uniform, { data: words });
  return uniform;
}

/** What of a device decides the text of the kernel. */
export function deviceOf({ info }: Gpu): Pick<AttentionKernelOptions, "subgroups" | "workgroupMemory"> {
  return {
    subgroups: info.subgroupSize >= 32,
    workgroupMemory: info.limits.maxComputeWorkgroupStorageSize,
  };
}
