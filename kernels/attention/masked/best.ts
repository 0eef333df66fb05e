/**
 * The mask of the keys, or blocks of keys, of the largest scores, on the device: scores, and the choice among them, some
 * queries at a time, so that scores take bounded room.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { BestKeys } from "../../../reference/methods/method.ts";
import type { AttentionShape } from "../../../reference/tensor.ts";
import type { Gpu } from "../../device/gpu.ts";
import { bindKernel, buildKernel } from "../../device/work/kernel.ts";
import type { Encode } from "../../device/work/pass.ts";
import { upload } from "../../device/transfer.ts";
import meanTokensCode from "../../importance/means.wgsl" with { type: "text" };
import { channelsCode } from "../../wgsl/packed.ts";
import bestCode from "./best.wgsl" with { type: "text" };
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import scoresCode from "./scores.wgsl" with { type: "text" };

/** Bytes of scores at a time, where nothing else is said. */
const SCORE_BYTES = 2 ** 28;
/** Queries, and keys or means, of a workgroup of scores. */
const SIDE = 64;
/** Workgroups along an axis. */
const ACROSS = 32768;

/** Some queries of some key heads, whose scores are made and compared together. */
interface Chunk {
  readonly firstHead: number;
  readonly heads: number;
  readonly firstQuery: number;
  readonly queries: number;
}

/**
 * Builds the choice of the best keys.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param rule what is compared, and how much is taken
 * @throws {InputError} if tables have other lengths, or a buffer or a dispatch is beyond a limit of the device
 */
export async function buildBest(gpu: Gpu, call: KeyRuleCall, rule: BestKeys): Promise<ChosenBits> {
  const { shape, dtype, scale, q, scoreBytes = SCORE_BYTES } = call, { unit, together } = rule;
  requireBest(rule, shape);
  const { batch, heads, kvHeads, seqQ, seqK, headDim } = shape, group = heads / kvHeads;
  const units = Math.ceil(seqK / unit), maskWords = wordsOf(seqK), unitWords = wordsOf(units);
  const mask = gpu.createBuffer("bits of best keys", { size: 4 * batch * heads * seqQ * maskWords });
  const chunks = chunksOf(shape, { units, bytes: scoreBytes });
  const most = chunks.reduce((top, each) => Math.max(top, each.heads * each.queries), 0) * group;
  const scores = gpu.createBuffer("scores of keys", { size: 4 * most * units });
  const chosen = gpu.createBuffer("bits of best blocks", { size: 4 * most * unitWords });
  const table = uploaded(gpu, "counts of best keys", tableOf(rule, seqQ));
  const means = await buildUnits(gpu, call, unit);
  const shared = { QUERIES: seqQ, UNITS: units, GROUP: group };
  const scoring = await gpu.createPipeline(scoresCode, {
    label: "scores of keys",
    constants: { ...shared, F16: Number(dtype === "f16"), DIM: headDim, SCALE: scale },
  });
  const choosing = await gpu.createPipeline(bestCode, {
    label: "best keys",
    constants: {
      ...{ ...shared, UNIT: unit, MASK_WORDS: maskWords, UNIT_WORDS: unitWords },
      ...{ TOGETHER: Number(together && group > 1), FIRST: Number(rule.first) },
    },
  });
  const encodes = [...means.encodes];
  for (const { firstHead, heads: own, firstQuery, queries } of chunks) {
    const chunk = uploaded(gpu, "queries of a choice", Uint32Array.of(firstHead, firstQuery, queries, 0));
    encodes.push(
      await bindKernel(gpu, scoring, {
        label: "scores of keys",
        buffers: [q, means.buffer, chunk, scores],
        workgroups: [Math.ceil(units / SIDE), Math.ceil(queries * group / SIDE), own],
      }),
      await bindKernel(gpu, choosing, {
        label: "best keys",
        buffers: [table, chunk, scores, chosen, mask],
        workgroups: [queries, together && group > 1 ? 1 : group, own],
      }),
    );
  }
  return { encodes, mask };
}

/** Throws unless tables are those of a call. */
function requireBest({ unit, seen, counts, own }: BestKeys, { seqQ }: AttentionShape): void {
  requireInput(
    unit === 1 || (Number.isInteger(unit) && unit > 0 && unit % 16 === 0),
    () => `\`unit\` is ${unit}; it should be 1 or a multiple of 16.`,
  );
  for (const [name, table] of Object.entries({ seen, counts, own })) {
    requireInput(
      table.length === seqQ,
      () => `\`${name}\` holds ${table.length} numbers; this call needs ${seqQ}.`,
    );
  }
}

/** The table of a rule as the kernel reads it. */
function tableOf({ seen, counts, own }: BestKeys, seqQ: number): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(4 * seqQ);
  for (let i = 0; i < seqQ; i++) table.set([seen[i], counts[i], own[i] >>> 0], 4 * i); // -1 is none
  return table;
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

/** A buffer with some numbers. */
function uploaded(gpu: Gpu, name: string, data: Uint32Array<ArrayBuffer>): GPUBuffer {
  const buffer = gpu.createBuffer(name, { size: data.byteLength });
  upload(gpu, buffer, { data });
  return buffer;
}
