/**
 * The plan of a call whose heads have choices of their own: heads that agree in order, importance and method run together, in one
 * pass; shares, densities and what stands for the rest differ by head within a pass, as rows of one table.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import { type ChosenHead, orderNamed, type TunedCall } from "../../reference/config/tuned.ts";
import type { OrderConfig } from "../../reference/config/config.ts";
import { importanceOfChoice } from "../../reference/levels/thresholds.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Capabilities } from "../device/capabilities.ts";
import { searchedLevels } from "../levels/search/search.ts";
import type { RowTokens } from "../lists/given.ts";
import type { HeadChoices } from "../parts.ts";
import { buildPlan, planLists, type PsaPlan, type PsaSetup, requireSelection } from "../plan.ts";
import { cutOf, searchedTokens } from "./cut.ts";
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

/** Heads that agree in order, importance and method. */
export interface TunedPass {
  /** Places of the heads in the call. */
  readonly heads: readonly number[];
  /** Places of the key heads that they read, one after the other; a key head is repeated if not all have as many heads. */
  readonly kvHeads: readonly number[];
  /** The order of their tokens. */
  readonly order: OrderConfig;
  /** Sizes and configuration of the pass. */
  readonly plan: PsaPlan;
  /** How levels of each head are chosen. */
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
      const { order, importance, method } = tuned.heads[at].choice;
      return `${order} ${importance} ${method}`;
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
  const chosen = heads.map((at) => tuned.heads[at]), { choice } = chosen[0];
  const { levels, tokens, choices } = levelsOf(tuned, chosen);
  const kvHeads = keyHeadsOf(heads, setup.shape);
  const own = isWhole
    ? setup.shape
    : { ...setup.shape, batch: 1, heads: heads.length, kvHeads: kvHeads.length };
  const plan = buildPlan(info, {
    ...{ ...setup, shape: own, ready: [], levels: [...levels, ...setup.levels ?? []] },
    config: { ...configOf(tuned), importance: importanceOfChoice(choice, tuned.seed) },
  });
  const lists = planLists(plan, { levels, tokens });
  const made = { ...plan, chosen: levels, lists, bytes: { ...plan.bytes, lists: lists.listBytes } };
  requireSelection(info, made);
  return {
    ...{ heads, kvHeads, isWhole, plan: made, order: orderNamed(choice.order, boxOf(tuned))! },
    choices: { ...choices, heads: chosen.map(({ head }) => head) },
  };
}

/** The levels of heads that agree in their method, the tokens that rows ask for, and how both are chosen. */
function levelsOf(
  { shape, blockM, blockN }: TunedCall,
  heads: readonly ChosenHead[],
): { readonly levels: readonly number[]; readonly tokens: RowTokens; readonly choices: HeadChoices } {
  const { method: family } = heads[0].choice;
  if (family === "ranked") {
    const { cut, tokens } = cutOf({ ...shape, blockM, blockN }, heads);
    return { levels: cut.quotas.map(({ level }) => level), tokens, choices: { cut } };
  }
  const asked = heads.map((head) => head.asked), search = { kind: "threshold", family, asked } as const;
  const mean = asked.reduce((sum, density) => sum + density, 0) / asked.length;
  return {
    levels: searchedLevels(search),
    tokens: searchedTokens({ seqK: shape.seqK, blockN }, mean),
    choices: { search },
  };
}

/** The key heads of some heads: each once if all have as many of these heads, else one for each head. */
function keyHeadsOf(heads: readonly number[], { heads: all, kvHeads }: AttentionShape): number[] {
  const each = heads.map((head) => Math.floor(head / (all / kvHeads)));
  const counts = Map.groupBy(each, (kvHead) => kvHead);
  const sizes = new Set([...counts.values()].map(({ length }) => length));
  return sizes.size === 1 ? [...counts.keys()] : each;
}
