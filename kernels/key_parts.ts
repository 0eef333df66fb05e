/**
 * How workgroups share the keys of the query blocks of a call: the facts of the call and of the device from which it follows.
 *
 * @module
 */
import { isNarrow, usesMatrices } from "./attention/matrix/code.ts";
import { partialBytes } from "./attention/merge.ts";
import { columnParts } from "./attention/options.ts";
import { type KeyParts, keyParts, type TileCount } from "./attention/splits.ts";
import { type AttentionKernelOptions, walksLastInPart } from "./attention/variant.ts";
import type { Capabilities } from "./device/capabilities.ts";
import { TILE_TOKENS, type TurnOptions } from "./lists/entry.ts";
import type { ListsPlan, PsaPlan } from "./plan.ts";

/**
 * How workgroups share the keys of query blocks ({@link keyParts}), within what the device can bind and begin.
 *
 * @param info the capabilities of the device
 * @param plan sizes, block sizes, element type
 * @param lists what the work lists of the call need; left out: dense attention
 */
export function planParts(info: Capabilities, plan: PsaPlan, lists?: ListsPlan): KeyParts | null {
  const { shape, config: { blockM }, blocks: { M } } = plan, kernel = kernelOf(plan, lists);
  const rows = shape.batch * shape.heads * M, columns = columnParts(shape.valueDim);
  const found = keyParts(info, {
    ...{ rows, columns, tiles: lists?.tiles ?? denseTiles(plan) },
    ...{ matrices: usesMatrices(info, kernel), width: Math.max(shape.headDim, shape.valueDim) },
    wholeTiles: !walksLastInPart(kernel),
    canShareLast: sharesLast(info, kernel),
  });
  if (found === null) return null;
  // Without lists, and with bits beside them, kernels share all blocks.
  const shared = found.first === 0 && (lists === undefined || lists.masked) ? rows : found.rows;
  const { maxStorageBufferBindingSize, maxBufferSize, maxComputeWorkgroupsPerDimension } = info.limits;
  const parts = Math.min(
    found.parts,
    Math.floor(
      Math.min(maxStorageBufferBindingSize, maxBufferSize) / (shared * partialBytes(shape, { blockM })),
    ),
    Math.floor((maxComputeWorkgroupsPerDimension - rows) / shared) + 1,
  );
  return parts > 1 ? { ...found, rows: shared, parts } : null;
}

/**
 * Whether the last blocks of a long call can be shared: in dense calls that are not causal, by matrix units if rows are wide. Elsewhere the text in
 * which some blocks are shared and others are not is slower by more than that saves.
 */
function sharesLast(info: Capabilities, kernel: AttentionKernelOptions): boolean {
  return kernel.dense && !kernel.causal && (!usesMatrices(info, kernel) || !isNarrow(kernel));
}

/** Query blocks up to which a call of the tiled kernel is short, and how many of them are then ordered together at the end. */
const SHORT_ROWS = 512, LAST_OF_SHORT = 256;

/**
 * How query blocks are ordered by the lengths of their lists: as it is best for the kernel that reads them. Heads of causal calls
 * follow one another: ordered together, six of them took 1.01 to 1.03 of the time.
 *
 * @param info the capabilities of the device
 * @param plan sizes, block sizes, element type
 * @param lists what the work lists of the call need
 */
export function planTurns(info: Capabilities, plan: PsaPlan, lists: ListsPlan): TurnOptions {
  const { shape: { batch, heads }, blocks: { M } } = plan;
  const isShort = !usesMatrices(info, kernelOf(plan, lists)) && batch * heads * M <= SHORT_ROWS;
  return isShort ? { last: LAST_OF_SHORT } : {};
}

/** The options of the kernel, as far as plans depend on them. */
function kernelOf(
  { shape, config: { blockM, causal = false }, dtype }: PsaPlan,
  lists?: ListsPlan,
): AttentionKernelOptions {
  return {
    ...{ shape, blockM, dtype, causal },
    ...{ dense: !lists, masked: lists?.masked, partial: false, group: lists?.group ?? 8 },
  };
}

/** Tiles of keys that query blocks of dense attention walk. */
function denseTiles(
  { shape: { seqQ, seqK }, config: { blockM, causal = false }, blocks: { M } }: PsaPlan,
): TileCount {
  if (!causal) return { most: Math.ceil(seqK / TILE_TOKENS), mean: Math.ceil(seqK / TILE_TOKENS) };
  const tiles = Array.from({ length: M }, (_, m) => {
    const past = Math.min((m + 1) * blockM, seqQ) + seqK - seqQ;
    return Math.ceil(Math.max(0, Math.min(seqK, past)) / TILE_TOKENS);
  });
  return { most: tiles[M - 1], mean: tiles.reduce((sum, each) => sum + each, 0) / M };
}
