/**
 * The one place that turns shape and configuration into sizes: blocks, bytes, groups, capacities of lists, workgroup
 * memory, and the limits of the device. All code that builds or cuts a call asks here, before anything is made.
 *
 * @module
 */
import {
  type PsaSetup,
  requireBlocks,
  requireGiven,
  requireSetup,
  requireSizes,
  resolveDType,
} from "./setup.ts";
export type { CallKind, PsaSetup } from "./setup.ts";
import type { PsaConfig } from "../reference/config/config.ts";
import { validateConfig } from "../reference/config/validate.ts";
import { requireInput } from "../reference/errors.ts";
import { DEFAULT_SHARES } from "../reference/levels/budget.ts";
import { listShares } from "../reference/levels/ratios.ts";
import type { AttentionShape } from "../reference/tensor.ts";
import type { TileCount } from "./attention/splits.ts";
import { attentionWorkgroupBytes } from "./attention/variant.ts";
import type { Capabilities } from "./device/capabilities.ts";
import { productOf } from "./importance/kinds.ts";
import { SCORE_WORKGROUP_BYTES } from "./importance/kernel.ts";
import { planProduct, scratchBytes } from "./importance/product.ts";
import { selectedTokens } from "./levels/quotas.ts";
import { groupTokens, offsetsLength, requireNumbered, TILE_TOKENS } from "./lists/entry.ts";
import type { RowTokens } from "./lists/given.ts";
import { type PyramidLayout, pyramidLayout } from "./pyramid/layout.ts";

/** Bytes on the device, by purpose. */
export interface PlanBytes {
  /** Queries. */
  readonly q: number;
  /** Keys and values in the order of the inputs. */
  readonly keys: number;
  readonly values: number;
  /** Keys and values with their pyramids. */
  readonly k: number;
  readonly v: number;
  /** Outputs and log-sum-exps. */
  readonly out: number;
  readonly lse: number;
  /** Importance and levels of all blocks. */
  readonly importance: number;
  readonly levels: number;
  /** Scores from which importance is computed, a part at a time. */
  readonly scores: number;
  /** Work lists of levels that are selected, and where they begin. */
  readonly lists: number;
  readonly offsets: number;
}

/** A setup with all choices made and all sizes known. */
export interface PsaPlan {
  /** The sizes of the calls. */
  readonly shape: AttentionShape;
  /** The configuration of the method. */
  readonly config: PsaConfig;
  /** Element type of the kernels, and its bytes. */
  readonly dtype: "f32" | "f16";
  readonly itemBytes: 2 | 4;
  /** Factor on q . k. */
  readonly scale: number;
  /** How the last, partial key block is pooled. */
  readonly tail: "exact" | "replicate";
  /** Index of the first head among those of a larger call. */
  readonly firstHead: number;
  /** Query blocks and key blocks of a head. */
  readonly blocks: { readonly M: number; readonly N: number };
  /** Places of the levels in keys and values, with room for all that can be chosen or given. */
  readonly layout: PyramidLayout;
  /** Levels that the configuration can choose, ascending. */
  readonly chosen: readonly number[];
  /** The needs of the lists of selected levels. */
  readonly lists: ListsPlan;
  /** Bytes on the device. */
  readonly bytes: PlanBytes;
  /** Calls that are built immediately. */
  readonly ready: readonly ("selected" | "dense")[];
}

/** The needs of work lists. */
export interface ListsPlan {
  /** Pooled tokens of a group. */
  readonly group: 4 | 8;
  /** Bytes of the lists. */
  readonly listBytes: number;
  /** Tiles of 128 pooled tokens that a row has. */
  readonly tiles: TileCount;
  /** Whether bits beside them say which tokens each query row sees; default false. */
  readonly masked?: boolean;
}

/** Invocations of a workgroup of the widest kernels beside attention. */
const WIDEST_WORKGROUP = 256;

/**
 * Checks a setup, fills in its defaults, and compares its needs with the limits of a device.
 *
 * @param info the capabilities of the device
 * @param setup shape, configuration, element type
 * @throws {InputError} naming the wrong argument, or the limit of the device that the shape exceeds
 */
export function buildPlan(info: Capabilities, setup: PsaSetup): PsaPlan {
  requireSetup(setup);
  const { shape, config, levels = [], firstHead = 0, ready = ["selected"] } = setup;
  requireSizes(shape);
  validateConfig(config, shape);
  requireGiven(levels, config);
  const dtype = resolveDType(info, setup.dtype), itemBytes = dtype === "f16" ? 2 : 4;
  const { batch, kvHeads, seqQ, seqK, headDim } = shape, { blockM, blockN, tail = "exact" } = config;
  const chosen = chosenLevels(config);
  const layout = pyramidLayout(batch * kvHeads, { seqK, blockN, levels: [...chosen, ...levels], tail });
  const blocks = { M: Math.ceil(seqQ / blockM), N: Math.ceil(seqK / blockN) };
  requireBlocks(blocks);
  const sizes = { shape, config, itemBytes, blocks, layout } as const;
  const lists = planLists(sizes, { levels: chosen, tokens: selectedTokens(config, shape) });
  const plan: PsaPlan = {
    ...{ ...sizes, dtype, tail, firstHead, chosen, lists, ready },
    scale: config.scale ?? 1 / Math.sqrt(headDim),
    bytes: bytesOf(sizes, { lists, dtype, info }),
  };
  requireAttention(info, plan);
  if (ready.includes("selected")) requireSelection(info, plan);
  return plan;
}

/** All levels that a configuration can choose: a cap may lower one to any level below it. */
export function chosenLevels(
  { assignment, similarityThresholds = {} }: Pick<PsaConfig, "assignment" | "similarityThresholds">,
): number[] {
  const listed = assignment.mode === "density"
    ? listShares(assignment.shares ?? DEFAULT_SHARES).map(({ level }) => level)
    : assignment.ratios.map(([level]) => level);
  const levels = [1, ...listed, ...Object.keys(similarityThresholds).map(Number)];
  return [...new Set(levels)].filter((level) => level > 0).sort((a, b) => a - b);
}

/** Sizes from which bytes follow. */
type Sizes = Pick<PsaPlan, "shape" | "config" | "itemBytes" | "blocks" | "layout">;

/**
 * The needs of the work lists of some levels. Rows are filled up to whole tiles; a tile more lies behind the last row,
 * so that whoever reads the first tile of a row that has none reads nothing beyond the buffer.
 *
 * @param sizes shape, blocks
 * @param options the levels that occur, and the pooled tokens that rows ask for
 */
export function planLists(
  { shape: { batch, heads, seqK }, config: { blockN }, blocks: { M, N } }: Sizes,
  { levels, tokens }: { readonly levels: readonly number[]; readonly tokens: RowTokens },
): ListsPlan {
  const group = groupTokens(levels, blockN);
  requireNumbered(seqK, group);
  const most = Math.ceil(Math.min(tokens.most, N * blockN) / TILE_TOKENS);
  return {
    group,
    listBytes: 4 * (batch * heads * M * most + 1) * TILE_TOKENS / group,
    tiles: { most, mean: tokens.meanTiles, quarters: tokens.rowsOfQuarters },
  };
}

function bytesOf(
  { shape, config, itemBytes, blocks: { M, N }, layout }: Sizes,
  { lists, dtype, info }: {
    readonly lists: ListsPlan;
    readonly dtype: "f32" | "f16";
    readonly info: Capabilities;
  },
): PlanBytes {
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape, rows = batch * heads * M;
  const tokens = { q: batch * heads * seqQ, k: batch * kvHeads * seqK };
  return {
    q: tokens.q * headDim * itemBytes,
    keys: tokens.k * headDim * itemBytes,
    values: tokens.k * valueDim * itemBytes,
    k: layout.rows * headDim * itemBytes,
    v: layout.rows * valueDim * itemBytes,
    out: tokens.q * valueDim * itemBytes,
    lse: tokens.q * 4,
    importance: 4 * rows * N,
    levels: 4 * rows * N,
    scores: planProduct({
      ...{ shape, scratch: scratchBytes(info, { shape, dtype, config }), blocks: [M, N] },
      product: productOf({ shape: { ...shape, batch: 1, heads: 1 }, config, firstHead: 0 }),
    }, info.limits.maxStorageBufferBindingSize).bytes,
    lists: lists.listBytes,
    offsets: 4 * offsetsLength(rows),
  };
}

/** Throws if attention exceeds a limit. */
function requireAttention(info: Capabilities, plan: PsaPlan): void {
  const { config: { blockM }, bytes, blocks: { M }, shape: { batch, heads } } = plan;
  requireLimit(info, "maxComputeWorkgroupStorageSize", {
    what: `\`blockM\` is ${blockM}, which`,
    needs: attentionWorkgroupBytes(blockM),
    unit: "bytes of workgroup memory",
  });
  requireLimit(info, "maxComputeInvocationsPerWorkgroup", {
    what: `\`blockM\` is ${blockM}, which`,
    needs: 2 * blockM,
    unit: "invocations of a workgroup",
  });
  requireBytes(info, "`q`", bytes.q);
  requireBytes(info, "`k` with its pyramid", bytes.k);
  requireBytes(info, "`v` with its pyramid", bytes.v);
  requireBytes(info, "the output", bytes.out);
  const grid = { needs: Math.max(M, batch * heads), unit: "workgroups along one axis" };
  requireLimit(info, "maxComputeWorkgroupsPerDimension", { what: "attention", ...grid });
}

/**
 * Throws if a stage of the selection of levels exceeds a limit.
 *
 * @throws {InputError} naming the stage and the limit
 */
export function requireSelection(info: Capabilities, plan: PsaPlan): void {
  const { bytes, blocks: { N }, shape: { batch, kvHeads } } = plan;
  requireLimit(info, "maxComputeWorkgroupStorageSize", {
    what: "importance",
    needs: SCORE_WORKGROUP_BYTES,
    unit: "bytes of workgroup memory",
  });
  requireLimit(info, "maxComputeInvocationsPerWorkgroup", {
    what: "importance",
    needs: WIDEST_WORKGROUP,
    unit: "invocations of a workgroup",
  });
  requireBytes(info, "the importance of all blocks", bytes.importance);
  requireBytes(info, "work lists", bytes.lists);
  const grid = { needs: Math.max(N, batch * kvHeads), unit: "workgroups along one axis" };
  requireLimit(info, "maxComputeWorkgroupsPerDimension", { what: "the similarity cap", ...grid });
}

/** Throws if a buffer exceeds a limit of the device. */
export function requireBytes(info: Capabilities, what: string, needs: number): void {
  for (const name of ["maxStorageBufferBindingSize", "maxBufferSize"]) {
    requireLimit(info, name, { what, needs, unit: "bytes" });
  }
}

function requireLimit(
  { limits }: Capabilities,
  name: string,
  { what, needs, unit }: { readonly what: string; readonly needs: number; readonly unit: string },
): void {
  requireInput(
    needs <= limits[name],
    () => `${what} needs ${needs} ${unit}; the limit ${name} of this adapter is ${limits[name]}.`,
  );
}

/** [batch, heads, query blocks, key blocks]. */
export function shapeOfLevels({ shape: { batch, heads }, blocks: { M, N } }: PsaPlan): number[] {
  return [batch, heads, M, N];
}
