/**
 * The plan of a call whose heads have choices of their own: heads that agree in order and importance run together, in one
 * pass; shares, densities and what stands for the rest differ by head within a pass, as rows of one table.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import {
  type ChosenHead,
  importanceNamed,
  orderNamed,
  type TunedCall,
} from "../../reference/config/tuned.ts";
import type { OrderConfig } from "../../reference/config/config.ts";
import { causalBlocks } from "../../reference/levels/causal.ts";
import { choiceEnds } from "../../reference/levels/means.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Capabilities } from "../device/capabilities.ts";
import type { Quotas } from "../levels/quotas.ts";
import { TILE_TOKENS } from "../lists/entry.ts";
import type { RowTokens } from "../lists/given.ts";
import type { HeadChoices } from "../pipeline.ts";
import { buildPlan, planLists, type PsaPlan, type PsaSetup, requireSelection } from "../plan.ts";
import { boxOf, requireTuned } from "./require.ts";

/**
 * The setup of a call whose heads have choices of their own; blocks and causality are those of the file.
 *
 * @example
 * ```ts
 * import { createPsa, makeWorkload, openGpu } from "../../mod.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 128, headDim: 16, heads: 2 });
 * const sizes = { seqQ: 128, seqK: 128, headDim: 16, valueDim: 16 };
 * const choice = { method: "ranked", order: "raster", importance: "pooled", shares: { 1: 1 } } as const;
 * using gpu = await openGpu();
 * using psa = await createPsa(gpu, {
 *   shape: { batch: 1, heads: 2, kvHeads: 2, ...sizes },
 *   tuned: {
 *     shape: { heads: [0, 1], ...sizes, causal: false, grid: null, textLength: 0 },
 *     ...{ blockM: 32, blockN: 16, seed: 1 },
 *     heads: [
 *       { head: 0, choice: { ...choice, rest: "skipped" }, asked: 0.25 },
 *       { head: 1, choice: { ...choice, rest: "mean" }, asked: 0.25 },
 *     ],
 *   },
 * });
 * const { levels } = await psa.forward(qkv);
 * console.log([...new Set(levels.data)].toSorted((a, b) => a - b)); // [0, 1, 16]
 * ```
 */
export interface TunedSetup extends Omit<PsaSetup, "config"> {
  /** The content of a file that `deno task tune` wrote, or the part of it that a call needs. */
  readonly tuned: TunedCall;
}

/** Heads that agree in order and importance. */
export interface TunedPass {
  /** Places of the heads in the call. */
  readonly heads: readonly number[];
  /** Places of the key heads that they read, one after the other; a key head is repeated if not all have as many heads. */
  readonly kvHeads: readonly number[];
  /** The order of their tokens. */
  readonly order: OrderConfig;
  /** Sizes and configuration of the pass. */
  readonly plan: PsaPlan;
  /** How rows of each head are cut. */
  readonly choices: HeadChoices;
  /** Whether the pass is the whole call in raster order: it then needs no buffers of its own. */
  readonly isWhole: boolean;
}

/** The plan of a call whose heads have choices of their own. */
export interface TunedPlan extends PsaPlan {
  /** Its passes. */
  readonly passes: readonly TunedPass[];
}

/** Whether heads of a call have choices of their own. */
export function isTuned(plan: PsaPlan): plan is TunedPlan {
  return "passes" in plan;
}

/**
 * Plans a call, with a configuration or with choices.
 *
 * @param info what the device can do
 * @param setup shape, and configuration or choices
 * @throws {InputError} naming what is wrong, or the limit of the device that the shape exceeds
 */
export function planCall(info: Capabilities, setup: PsaSetup | TunedSetup): PsaPlan {
  if (!("tuned" in Object(setup))) return buildPlan(info, setup as PsaSetup);
  const { tuned, ...rest } = setup as TunedSetup, ready = rest.ready ?? ["selected"];
  requireTuned(tuned, rest);
  const groups = [
    ...Map.groupBy(tuned.heads.keys(), (at) => {
      const { order, importance } = tuned.heads[at].choice;
      return `${order} ${importance}`;
    }).values(),
  ];
  const isWhole = groups.length === 1 && tuned.heads[0].choice.order === "raster";
  const passes = groups.map((heads) => planPass(info, { ...rest, tuned }, { heads, isWhole }));
  if (isWhole) return Object.assign({ ...passes[0].plan, ready }, { passes });
  const whole = buildPlan(info, {
    ...rest,
    ready: ready.filter((kind) => kind !== "selected"),
    config: configOf(tuned),
  });
  return Object.assign({ ...whole, ready }, { passes });
}

/** The configuration that all heads share; its importance and assignment are those of no head. */
function configOf({ blockM, blockN, shape: { causal } }: TunedCall): PsaConfig {
  return {
    ...{ blockM, blockN, tile: blockN, causal, importance: { kind: "pooled" } },
    assignment: { mode: "density", density: 1, shares: { 1: 1 } },
  };
}

/** Plans the heads at some places. */
function planPass(
  info: Capabilities,
  { tuned, ...setup }: TunedSetup,
  { heads, isWhole }: Pick<TunedPass, "heads" | "isWhole">,
): TunedPass {
  const chosen = heads.map((at) => tuned.heads[at]), { order, importance } = chosen[0].choice;
  const { cut, tokens } = cutOf(tuned, chosen), levels = cut.quotas.map(({ level }) => level);
  const kvHeads = keyHeadsOf(heads, setup.shape);
  const own = isWhole
    ? setup.shape
    : { ...setup.shape, batch: 1, heads: heads.length, kvHeads: kvHeads.length };
  const plan = buildPlan(info, {
    ...{ ...setup, shape: own, ready: [], levels: [...levels, ...setup.levels ?? []] },
    config: { ...configOf(tuned), importance: importanceNamed(importance, tuned.seed) },
  });
  const lists = planLists(plan, { levels, tokens });
  const made = { ...plan, chosen: levels, lists, bytes: { ...plan.bytes, lists: lists.listBytes } };
  requireSelection(info, made);
  return {
    ...{ heads, kvHeads, isWhole, plan: made, order: orderNamed(order, boxOf(tuned))! },
    choices: { cut, heads: chosen.map(({ head }) => head) },
  };
}

/** The key heads of some heads: each once if all have as many of these heads, else one for each head. */
function keyHeadsOf(heads: readonly number[], { heads: all, kvHeads }: AttentionShape): number[] {
  const each = heads.map((head) => Math.floor(head / (all / kvHeads)));
  const counts = Map.groupBy(each, (kvHead) => kvHead);
  const sizes = new Set([...counts.values()].map(({ length }) => length));
  return sizes.size === 1 ? [...counts.keys()] : each;
}

/** Where levels end in the rows of some heads, as one table, and the pooled tokens that rows ask for. */
function cutOf(
  { shape: { seqQ, seqK, causal }, blockM, blockN }: TunedCall,
  heads: readonly ChosenHead[],
): { readonly cut: Quotas; readonly tokens: RowTokens } {
  const rows = Math.ceil(seqQ / blockM), columns = Math.ceil(seqK / blockN);
  const blocks = causal ? causalBlocks({ blockM, blockN, seqQ, seqK }) : null;
  const all = heads.flatMap((head) => choiceEnds(head, { rows, columns, blockN, blocks }));
  const levels = [...new Set(all.flatMap((row) => row.map(({ level }) => level)))].sort((a, b) => a - b);
  const ends = all.map((row) =>
    levels.map((level) => row.reduce((end, each) => each.level <= level ? Math.max(end, each.end) : end, 0))
  );
  const tokensOfRow = (row: readonly number[]) =>
    levels.reduce((sum, level, i) => {
      const count = row[i] - (i === 0 ? 0 : row[i - 1]);
      return sum + tokensOf(count, { perBlock: blockN / level, columns });
    }, 0);
  const tokens = ends.map((row) => Math.min(columns * blockN, tokensOfRow(row)));
  return {
    cut: { quotas: levels.map((level) => ({ level, unit: 1, energy: 0 })), ends, minFull: 0 },
    tokens: {
      most: tokens.reduce((most, each) => Math.max(most, each), 0),
      meanTiles: tokens.reduce((sum, each) => sum + Math.ceil(each / TILE_TOKENS), 0) / tokens.length,
    },
  };
}

/** Tokens of a group of the work lists at most. */
const GROUP = 8;

/** Pooled tokens of some blocks of a level in whole groups: blocks of fewer tokens share groups with their neighbours. */
function tokensOf(
  count: number,
  { perBlock, columns }: { readonly perBlock: number; readonly columns: number },
): number {
  if (perBlock >= GROUP) return count * perBlock;
  return GROUP * Math.min(count, Math.ceil(columns * perBlock / GROUP));
}
