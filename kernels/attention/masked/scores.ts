/**
 * Scores of queries with keys, or with means of blocks of keys, some queries at a time, so that they take bounded room: what
 * rules of keys choose from.
 *
 * @module
 */
import type { AttentionShape } from "../../../reference/tensor.ts";
import type { Gpu } from "../../device/gpu.ts";
import { uploaded } from "../../device/transfer.ts";
import { bindKernel, buildKernel } from "../../device/work/kernel.ts";
import type { Encode } from "../../device/work/pass.ts";
import { buildMove, buildOrderBuffer, uploadOrder } from "../../order/order.ts";
import meanTokensCode from "../../importance/means.wgsl" with { type: "text" };
import { channelsCode } from "../../wgsl/packed.ts";
import type { KeyRuleCall } from "./bits.ts";
import scoresCode from "./scores.wgsl" with { type: "text" };

/** Bytes of scores at a time, where nothing else is said. */
const SCORE_BYTES = 2 ** 28;
/** Queries, and keys or means, of a workgroup of scores. */
const SIDE = 64;
/** Workgroups along an axis. */
const ACROSS = 32768;

/** Some queries of some key heads, whose scores are made together. */
export interface Chunk {
  /** The first key head, and how many of them. */
  readonly firstHead: number;
  readonly heads: number;
  /** The first query, and how many of them. */
  readonly firstQuery: number;
  readonly queries: number;
}

/** Scores, a chunk at a time: those of the next take the place of the last. */
export interface Scores {
  /** What is done once, before all chunks. */
  readonly before: readonly Encode[];
  /** Scores of a chunk, float32 [its key heads][its queries][query heads of a key head][units]. */
  readonly scores: GPUBuffer;
  /** Keys, or blocks of keys, of a head. */
  readonly units: number;
  /** Query heads of a key head. */
  readonly group: number;
  /** The chunks, with the buffer that says which they are, and what makes their scores. */
  readonly chunks: readonly (Chunk & { readonly buffer: GPUBuffer; readonly encode: Encode })[];
  /** Rows of the largest chunk. */
  readonly rows: number;
}

/**
 * Builds scores.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param unit keys of a block, whose mean is scored; 1: keys as they are
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildScores(gpu: Gpu, call: KeyRuleCall, unit: number): Promise<Scores> {
  const { shape, dtype, scale, q, scoreBytes = SCORE_BYTES } = call;
  const { heads, kvHeads, seqQ, seqK, headDim } = shape, group = heads / kvHeads;
  const units = Math.ceil(seqK / unit), cut = chunksOf(shape, { units, bytes: scoreBytes });
  const rows = cut.reduce((top, each) => Math.max(top, each.heads * each.queries), 0) * group;
  const scores = gpu.createBuffer("scores of keys", { size: 4 * rows * units });
  const means = await buildUnits(gpu, call, unit);
  const scoring = await gpu.createPipeline(scoresCode, {
    label: "scores of keys",
    constants: {
      ...{ QUERIES: seqQ, UNITS: units, GROUP: group },
      ...{ F16: Number(dtype === "f16"), DIM: headDim, SCALE: scale },
    },
  });
  const chunks = [];
  for (const chunk of cut) {
    const { firstHead, heads: own, firstQuery, queries } = chunk;
    const buffer = uploaded(gpu, "queries of a choice", Uint32Array.of(firstHead, firstQuery, queries, 0));
    const encode = await bindKernel(gpu, scoring, {
      label: "scores of keys",
      buffers: [q, means.buffer, buffer, scores],
      workgroups: [Math.ceil(units / SIDE), Math.ceil(queries * group / SIDE), own],
    });
    chunks.push({ ...chunk, buffer, encode });
  }
  return { before: means.encodes, scores, units, group, chunks, rows };
}

/** Cuts the queries of all key heads so that their scores have room. */
function chunksOf(
  { batch, heads, kvHeads, seqQ }: AttentionShape,
  { units, bytes }: { readonly units: number; readonly bytes: number },
): Chunk[] {
  const row = 4 * units * heads / kvHeads, all = batch * kvHeads;
  const queries = Math.max(1, Math.min(seqQ, ACROSS, Math.floor(bytes / row)));
  const together = queries < seqQ ? 1 : Math.max(1, Math.min(all, Math.floor(bytes / (row * seqQ))));
  const chunks: Chunk[] = [];
  for (let firstHead = 0; firstHead < all; firstHead += together) {
    for (let firstQuery = 0; firstQuery < seqQ; firstQuery += queries) {
      chunks.push({
        ...{ firstHead, heads: Math.min(together, all - firstHead) },
        ...{ firstQuery, queries: Math.min(queries, seqQ - firstQuery) },
      });
    }
  }
  return chunks;
}

/** The vectors that queries are compared with, in float32 [key heads][units][channels]: keys as they are, or means of blocks. */
async function buildUnits(
  gpu: Gpu,
  { shape: { batch, kvHeads, seqK, headDim }, dtype, k }: KeyRuleCall,
  unit: number,
): Promise<{ readonly buffer: GPUBuffer; readonly encodes: readonly Encode[] }> {
  if (unit === 1 && dtype === "f32") return { buffer: k, encodes: [] };
  const units = Math.ceil(seqK / unit);
  const buffer = gpu.createBuffer("means of keys", { size: 4 * batch * kvHeads * units * headDim });
  const encode = await buildKernel(gpu, channelsCode + meanTokensCode, {
    label: "means of keys",
    constants: { F16: Number(dtype === "f16"), PIECES: headDim / 4, TOKENS: seqK, BLOCK: unit },
    buffers: [k, buffer],
    workgroups: [units, batch * kvHeads],
  });
  return { buffer, encodes: [encode] };
}

/**
 * A call of some queries of every head.
 *
 * @param gpu the device, to which the buffer belongs
 * @param call the call
 * @param queries their numbers, in the order in which the new call has them
 */
export async function gatherQueries(
  gpu: Gpu,
  call: KeyRuleCall,
  queries: Int32Array,
): Promise<{ readonly call: KeyRuleCall; readonly encode: Encode }> {
  const { shape: { batch, heads, seqQ, headDim }, dtype } = call, count = queries.length, all = batch * heads;
  const rows = Int32Array.from(
    { length: all * count },
    (_, at) => Math.floor(at / count) * seqQ + queries[at % count],
  );
  const order = buildOrderBuffer(gpu, { tokens: rows.length, count: 1 });
  uploadOrder(gpu, order, { data: rows, shape: [rows.length] });
  const bytes = headDim * (dtype === "f16" ? 2 : 4);
  const to = gpu.createBuffer("some queries", { size: rows.length * bytes });
  const move = { label: "some queries", from: call.q, to, heads: 1, tokens: rows.length, bytes, back: false };
  return {
    call: { ...call, q: to, shape: { ...call.shape, seqQ: count } },
    encode: await buildMove(gpu, order, move),
  };
}
