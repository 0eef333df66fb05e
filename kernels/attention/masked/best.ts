/**
 * The mask of the keys, or blocks of keys, of the largest scores, on the device: scores, and the choice among them, some
 * queries at a time, so that scores take bounded room.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { BestKeys } from "../../../reference/methods/rule.ts";
import type { AttentionShape } from "../../../reference/tensor.ts";
import type { Gpu } from "../../device/gpu.ts";
import { uploaded } from "../../device/transfer.ts";
import { bindKernel } from "../../device/work/kernel.ts";
import type { Encode } from "../../device/work/pass.ts";
import reducedCode from "../../wgsl/reduced.wgsl" with { type: "text" };
import scanCode from "../../wgsl/scan.wgsl" with { type: "text" };
import bestCode from "./best.wgsl" with { type: "text" };
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import { buildScores, type Chunk } from "./scores.ts";
import tiesCode from "./ties.wgsl" with { type: "text" };

/**
 * Builds the choice of the best keys.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param rule what is compared, and how much is taken
 * @throws {InputError} if tables have other lengths, or a buffer or a dispatch is beyond a limit of the device
 */
export async function buildBest(gpu: Gpu, call: KeyRuleCall, rule: BestKeys): Promise<ChosenBits> {
  const { shape } = call, { unit, together, first } = rule;
  requireBest(rule, shape);
  const { batch, heads, seqQ, seqK } = shape, maskWords = wordsOf(seqK);
  const mask = gpu.createBuffer("bits of best keys", { size: 4 * batch * heads * seqQ * maskWords });
  const { before, scores, units, group, chunks, rows } = await buildScores(gpu, call, unit);
  const table = uploaded(gpu, "counts of best keys", tableOf(rule, seqQ));
  const choice = await buildChoice(gpu, {
    ...{ units, unit, group, queries: seqQ, maskWords, together: together && group > 1, first },
    ...{ rows, scores, mask, table },
  });
  const encodes = [...before];
  for (const chunk of chunks) encodes.push(chunk.encode, await choice(chunk));
  return { encodes, mask };
}

/** A choice among scores. */
export interface ChoiceOptions {
  /** Keys, or blocks of keys, and keys of one: 1, or a multiple of 16. */
  readonly units: number;
  readonly unit: number;
  /** Query heads of a key head. */
  readonly group: number;
  /** Queries of a head. */
  readonly queries: number;
  /** Words of a row of the mask. */
  readonly maskWords: number;
  /** Whether the query heads of a key head choose together. */
  readonly together: boolean;
  /** Whether queries that take a block first take block 0 too. */
  readonly first: boolean;
  /** Rows of the largest chunk. */
  readonly rows: number;
  /** Scores of a chunk, float32 [its key heads][its queries][group][units]. */
  readonly scores: GPUBuffer;
  /** Bits [heads][queries][words]. */
  readonly mask: GPUBuffer;
  /** For each query the keys that it may see, blocks that it takes, its own block, 0. */
  readonly table: GPUBuffer;
  /** Whether every head has such a table; default one for all. */
  readonly ownTables?: boolean;
}

/**
 * Builds the choice among scores; the result binds it to a chunk of queries.
 *
 * @param gpu the device, to which the buffers belong
 * @param options sizes, scores, and where the bits go
 */
export async function buildChoice(
  gpu: Gpu,
  { units, unit, group, queries, maskWords, together, first, rows, scores, mask, table, ownTables = false }:
    ChoiceOptions,
): Promise<(chunk: Chunk & { readonly buffer: GPUBuffer }) => Promise<Encode>> {
  const unitWords = wordsOf(units),
    chosen = gpu.createBuffer("bits of best blocks", { size: 4 * rows * unitWords });
  const choosing = await gpu.createPipeline(scanCode + reducedCode + tiesCode + bestCode, {
    label: "best keys",
    constants: {
      ...{ QUERIES: queries, UNITS: units, GROUP: group, UNIT: unit },
      ...{ MASK_WORDS: maskWords, UNIT_WORDS: unitWords },
      ...{ TOGETHER: Number(together), FIRST: Number(first), OWN_TABLES: Number(ownTables) },
    },
  });
  return (chunk) =>
    bindKernel(gpu, choosing, {
      label: "best keys",
      buffers: [table, chunk.buffer, scores, chosen, mask],
      workgroups: [chunk.queries, together ? 1 : group, chunk.heads],
    });
}

/** Throws unless tables are those of a call. */
function requireBest({ unit, seen, counts, own }: BestKeys, { seqQ }: AttentionShape): void {
  requireUnit(unit);
  for (const [name, table] of Object.entries({ seen, counts, own })) requireTable(name, table, seqQ);
}

/** Throws unless kernels can read blocks of so many keys. */
export function requireUnit(unit: number): void {
  requireInput(
    unit === 1 || (Number.isInteger(unit) && unit > 0 && unit % 16 === 0),
    () => `\`unit\` is ${unit}; it should be 1 or a multiple of 16.`,
  );
}

/** Throws unless a table has a number for every query. */
export function requireTable(name: string, table: Int32Array, seqQ: number): void {
  requireInput(
    table.length === seqQ,
    () => `\`${name}\` holds ${table.length} numbers; this call needs ${seqQ}.`,
  );
}

/** The table of a rule as the kernel reads it. */
function tableOf({ seen, counts, own }: BestKeys, seqQ: number): Uint32Array<ArrayBuffer> {
  const table = new Uint32Array(4 * seqQ);
  for (let i = 0; i < seqQ; i++) table.set([seen[i], counts[i], own[i] >>> 0], 4 * i); // -1 is none
  return table;
}
