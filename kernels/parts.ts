/**
 * The parts of calls: what all calls of a pipeline share, and the stages that several of them build alike.
 *
 * @module
 */
import type { Correction } from "../reference/methods/rule.ts";
import type { Tensor } from "../reference/tensor.ts";
import { buildAttention } from "./attention/attention.ts";
import type { CallBuffers } from "./buffers.ts";
import { inStage } from "./device/errors.ts";
import type { Gpu } from "./device/gpu.ts";
import type { Stage } from "./device/work/stage.ts";
import type { Quotas } from "./levels/quotas.ts";
import type { LevelSearch } from "./levels/search/search.ts";
import { buildLists, type ListBuffers, type ListOutputs } from "./lists/build.ts";
import type { Moves } from "./order/moves.ts";
import { planParts, planTurns } from "./key_parts.ts";
import type { ListsPlan, PsaPlan } from "./plan.ts";
import { onlyLevels } from "./pyramid/layout.ts";
import { buildPyramid } from "./pyramid/pyramid.ts";

/** The parts that all calls of a pipeline share. */
export interface Pipeline {
  /** Its sizes and configuration. */
  readonly plan: PsaPlan;
  /** The buffers that calls read and write. */
  readonly buffers: CallBuffers;
  /** The moves of tokens into their order and back. */
  readonly moves: Moves;
}

/** A call that is built: its stages in the order in which they run. */
export interface Call {
  /** The stages. */
  readonly stages: readonly Stage[];
  /** The levels that it used, int32 [batch, heads, query blocks, key blocks]. */
  readonly readLevels: () => Promise<Tensor<Int32Array>>;
  /** The density of its mask, once levels were read; left out: that of its levels. */
  readonly density?: () => number;
}

/** How levels are chosen, where the configuration does not say it. */
export interface HeadChoices {
  /** How rows are cut by rank, those of every head in its own way. */
  readonly cut?: Quotas;
  /** The bound that is searched instead. */
  readonly search?: LevelSearch;
  /** The numbers of the heads in the call that they are a part of. */
  readonly heads?: readonly number[];
  /** The correction that follows attention, whose weights kernels make. */
  readonly correction?: Correction["kind"];
}

/** The pyramid of some levels; none if level 1 is the only one. */
export async function pyramidOf(
  gpu: Gpu,
  { plan, buffers }: Pipeline,
  levels: readonly number[],
): Promise<Stage[]> {
  if (levels.every((level) => level === 1)) return [];
  const { shape: { batch, kvHeads, seqK, headDim, valueDim }, dtype, tail } = plan,
    { k, v } = buffers.arranged;
  return [
    await inStage("pyramid", () =>
      buildPyramid(gpu, {
        ...{ k, v, dims: { k: headDim, v: valueDim }, layout: onlyLevels(plan.layout, [1, ...levels]) },
        ...{ heads: batch * kvHeads, tokens: seqK, dtype, tail },
      })),
  ];
}

/** The work lists of levels. */
export function listsOf(
  gpu: Gpu,
  plan: PsaPlan,
  { levels, lists }: { readonly levels: GPUBuffer; readonly lists: ListsPlan },
): Promise<Stage<ListOutputs>> {
  const { shape: { batch, heads, seqQ, seqK }, config: { blockM, blockN, causal }, blocks, tail } = plan;
  const order = {
    turns: planTurns(gpu.info, plan, lists),
    causal: causal ? { blockM, position: seqK - seqQ } : undefined,
  };
  return inStage(
    "lists",
    () => buildLists(gpu, { levels, heads: batch * heads, blocks, seqK, blockN, tail, ...order, ...lists }),
  );
}

/** Attention over work lists, a mask, or everything. */
export function attentionOf(
  gpu: Gpu,
  { plan, buffers: { arranged } }: Pipeline,
  { levels, lists, rowMasks }: {
    readonly levels: readonly number[];
    readonly lists?: ListBuffers & ListsPlan;
    /** Bits of a mask, which decide alone which keys a row sees. */
    readonly rowMasks?: GPUBuffer;
  },
): Promise<Stage> {
  const { shape, config: { blockM, blockN }, dtype, scale, tail } = plan;
  const causal = rowMasks === undefined && (plan.config.causal ?? false);
  return inStage("attention", () =>
    buildAttention(gpu, {
      ...{ shape, blockM, blockN, causal, dtype, scale, tail, buffers: arranged, lists, rowMasks },
      layout: onlyLevels(plan.layout, levels),
      parts: planParts(gpu.info, plan, lists),
    }));
}
