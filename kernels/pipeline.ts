/**
 * The calls of a pipeline: the stages between inputs and outputs, one after the other. Levels that importance selects,
 * given levels or a mask, and dense attention are built by three functions with the same interface.
 *
 * @module
 */
import { requireInput } from "../reference/errors.ts";
import type { Tensor } from "../reference/tensor.ts";
import { buildAttention } from "./attention/attention.ts";
import { readMask } from "./attention/masked/bits.ts";
import { buildMaskGroups } from "./attention/masked/groups.ts";
import { makeMaskLists } from "./attention/masked/lists.ts";
import { buildRule } from "./attention/masked/rule.ts";
import type { CallBuffers } from "./buffers.ts";
import type { Given, GivenCorrected, GivenMask, GivenRule } from "./calls.ts";
import { buildCorrection } from "./correction/correction.ts";
import { inStage } from "./device/errors.ts";
import type { Gpu } from "./device/gpu.ts";
import { submitPass } from "./device/work/pass.ts";
import type { Stage } from "./device/work/stage.ts";
import { download, upload } from "./device/transfer.ts";
import { buildImportance } from "./importance/importance.ts";
import { buildLevels } from "./levels/levels.ts";
import type { Quotas } from "./levels/quotas.ts";
import { buildLists, type ListBuffers } from "./lists/build.ts";
import { occurringLevels, requireLevels, tokensOf } from "./lists/given.ts";
import { groupTokens } from "./lists/entry.ts";
import { isCorrected, isMask, isRule } from "./given.ts";
import type { Moves } from "./order/moves.ts";
import {
  type ListsPlan,
  planLists,
  planSplits,
  type PsaPlan,
  requireSelection,
  shapeOfLevels,
} from "./plan.ts";
import { onlyLevels } from "./pyramid/layout.ts";
import { buildPyramid } from "./pyramid/pyramid.ts";

/** Storage buffers of attention over a mask: those for levels, and the bits of the rows. */
const MASK_BINDINGS = 8;

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

/** The choices of heads, where each has its own. */
export interface HeadChoices {
  /** How their rows are cut. */
  readonly cut: Quotas;
  /** Their numbers in the call that they are a part of. */
  readonly heads: readonly number[];
}

/**
 * Builds the call whose levels importance selects.
 *
 * @param gpu the device
 * @param pipeline sizes, configuration, buffers
 * @param choices what differs by head; default nothing
 */
export async function buildSelectedCall(
  gpu: Gpu,
  pipeline: Pipeline,
  { cut, heads }: Partial<HeadChoices> = {},
): Promise<Call> {
  const { plan, moves, buffers: { arranged } } = pipeline, { shape, config, dtype, firstHead, chosen } = plan;
  requireSelection(gpu.info, plan);
  const pyramid = await pyramidOf(gpu, pipeline, chosen);
  const importance = await inStage(
    "importance",
    () => buildImportance(gpu, { buffers: arranged, shape, config, dtype, firstHead, heads }),
  );
  const levels = await inStage(
    "levels",
    () => {
      const made = { importance: importance.outputs.importance, k: arranged.k };
      return buildLevels(gpu, { ...made, shape, config, dtype, cut });
    },
  );
  const lists = await listsOf(gpu, plan, { levels: levels.outputs.levels, lists: plan.lists });
  const attention = await attentionOf(gpu, pipeline, {
    levels: chosen,
    lists: { ...lists.outputs, ...plan.lists },
  });
  const size = 4 * shapeOfLevels(plan).reduce((product, each) => product * each, 1);
  return {
    stages: [...moves.gather, ...pyramid, importance, levels, lists, attention, ...moves.scatter],
    readLevels: async () => ({
      data: new Int32Array(await download(gpu, levels.outputs.levels, { size })),
      shape: shapeOfLevels(plan),
    }),
  };
}

/**
 * Builds a call of given levels, or of a mask. Work lists are built here, once: they are not a stage of the call.
 *
 * @throws {InputError} if they have a wrong shape, or the pipeline has no room for them
 */
export async function buildGivenCall(
  gpu: Gpu,
  pipeline: Pipeline,
  given: Exclude<Given, "dense">,
): Promise<Call> {
  if (isRule(given)) return await buildRuledCall(gpu, pipeline, given);
  if (isMask(given)) return await buildMaskedCall(gpu, pipeline, given);
  if (isCorrected(given)) return await buildCorrectedCall(gpu, pipeline, given);
  const { plan, moves } = pipeline, { config: { blockN } } = plan;
  requireLevels(given, { shape: shapeOfLevels(plan), layout: plan.layout });
  const occurring = occurringLevels(given), group = groupTokens(occurring, blockN);
  const room = planLists(plan, { levels: occurring, tokens: tokensOf(given, { blockN, group }) });
  const levels = gpu.createBuffer("given levels", { size: given.data.byteLength });
  upload(gpu, levels, { data: given.data as Int32Array<ArrayBuffer> });
  const lists = await listsOf(gpu, plan, { levels, lists: room });
  await inStage("lists", () => submitPass(gpu, [lists.encode], { label: "work lists" }));
  const attention = await attentionOf(gpu, pipeline, {
    levels: occurring,
    lists: { ...lists.outputs, ...room },
  });
  const pyramid = await pyramidOf(gpu, pipeline, occurring);
  return {
    stages: [...moves.gather, ...pyramid, attention, ...moves.scatter],
    readLevels: () => Promise.resolve(given),
  };
}

/** Builds a call of given levels whose output is corrected before it goes back. */
async function buildCorrectedCall(
  gpu: Gpu,
  pipeline: Pipeline,
  { levels, correction }: GivenCorrected,
): Promise<Call> {
  const { plan: { shape, config: { blockM, blockN }, dtype, scale }, buffers: { arranged }, moves } =
    pipeline;
  const call = await buildGivenCall(gpu, pipeline, levels);
  const options = { shape, blockM, blockN, dtype, scale, buffers: arranged, levels, correction };
  const corrected = await inStage("attention", () => buildCorrection(gpu, options));
  return { ...call, stages: call.stages.toSpliced(call.stages.length - moves.scatter.length, 0, corrected) };
}

/**
 * Builds a call of a mask. Its work lists are made here, once, on the host, row block by row block.
 *
 * @throws {InputError} if the mask is for another call, or its work lists are beyond a limit of the device
 */
async function buildMaskedCall(gpu: Gpu, pipeline: Pipeline, { mask }: GivenMask): Promise<Call> {
  const { plan, moves } = pipeline, { causal = false, blockM, blockN } = plan.config;
  requireMaskBindings(gpu);
  const lists = makeMaskLists(mask, { causal, blockM, blockN, info: gpu.info });
  const uploaded = (name: string, data: Uint32Array<ArrayBuffer>) => {
    const buffer = gpu.createBuffer(name, { size: data.byteLength });
    upload(gpu, buffer, { data });
    return buffer;
  };
  const attention = await attentionOf(gpu, pipeline, {
    levels: [1],
    lists: {
      ...{ group: 8, listBytes: lists.list.byteLength, tiles: lists.tiles, masked: true },
      list: uploaded("work lists of the mask", lists.list),
      offsets: uploaded("offsets of the mask's work lists", lists.offsets),
    },
    rowMasks: uploaded("rows of the mask", lists.rowMasks),
  });
  return {
    stages: [...moves.gather, attention, ...moves.scatter],
    readLevels: () => Promise.resolve(lists.levels),
    density: () => lists.density,
  };
}

/** Throws if the device binds too few buffers for attention over a mask. */
function requireMaskBindings(gpu: Gpu): void {
  const bindings = gpu.info.limits.maxStorageBuffersPerShaderStage;
  requireInput(
    bindings >= MASK_BINDINGS,
    () =>
      `attention over a mask needs ${MASK_BINDINGS} storage buffers; the limit maxStorageBuffersPerShaderStage of this ` +
      `adapter is ${bindings}.`,
  );
}

/**
 * Builds a call that chooses keys by a rule: bits of the mask, work lists and attention, each time it runs.
 *
 * @throws {InputError} if the rule is for another call, or its buffers are beyond a limit of the device
 */
async function buildRuledCall(gpu: Gpu, pipeline: Pipeline, { rule }: GivenRule): Promise<Call> {
  const { plan, buffers: { arranged: { q, k } }, moves } = pipeline, { shape, dtype, scale } = plan;
  requireMaskBindings(gpu);
  const { causal = false, blockM, blockN } = plan.config;
  const bits = await inStage("levels", () => buildRule(gpu, { shape, dtype, scale, q, k }, rule));
  const { stage, lists, rowMasks } = await inStage(
    "lists",
    () => buildMaskGroups(gpu, bits.mask, { shape, blockM }),
  );
  const attention = await attentionOf(gpu, pipeline, { levels: [1], lists, rowMasks });
  const choosing: Stage = {
    name: "levels",
    encode: (pass) => bits.encodes.forEach((encode) => encode(pass)),
    outputs: { mask: bits.mask },
  };
  let density = NaN;
  return {
    stages: [...moves.gather, choosing, stage, attention, ...moves.scatter],
    readLevels: async () => {
      const mask = await readMask(gpu, bits.mask, shape);
      const made = makeMaskLists(mask, { causal, blockM, blockN, info: gpu.info });
      density = made.density;
      return made.levels;
    },
    density: () => density,
  };
}

/** Builds the call in which every level is 1, with the kernel that needs no lists. */
export async function buildDenseCall(gpu: Gpu, pipeline: Pipeline): Promise<Call> {
  const { plan, moves } = pipeline, shape = shapeOfLevels(plan);
  const attention = await attentionOf(gpu, pipeline, { levels: [1] });
  const size = shape.reduce((product, each) => product * each, 1);
  return {
    stages: [...moves.gather, attention, ...moves.scatter],
    readLevels: () => Promise.resolve({ data: new Int32Array(size).fill(1), shape }),
  };
}

/** The pyramid of some levels; none if level 1 is the only one. */
async function pyramidOf(gpu: Gpu, { plan, buffers }: Pipeline, levels: readonly number[]): Promise<Stage[]> {
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

function listsOf(
  gpu: Gpu,
  { shape: { batch, heads, seqK }, config: { blockN }, blocks, tail }: PsaPlan,
  { levels, lists }: { readonly levels: GPUBuffer; readonly lists: ListsPlan },
) {
  return inStage(
    "lists",
    () => buildLists(gpu, { levels, heads: batch * heads, blocks, seqK, blockN, tail, ...lists }),
  );
}

function attentionOf(
  gpu: Gpu,
  { plan, buffers: { arranged } }: Pipeline,
  { levels, lists, rowMasks }: {
    readonly levels: readonly number[];
    readonly lists?: ListBuffers & ListsPlan;
    /** Bits of a mask, which decide alone which keys a row sees. */
    readonly rowMasks?: GPUBuffer;
  },
) {
  const { shape, config: { blockM, blockN }, dtype, scale, tail } = plan;
  const causal = rowMasks === undefined && (plan.config.causal ?? false);
  return inStage("attention", () =>
    buildAttention(gpu, {
      ...{ shape, blockM, blockN, causal, dtype, scale, tail, buffers: arranged, lists, rowMasks },
      layout: onlyLevels(plan.layout, levels),
      splits: planSplits(gpu.info, plan, lists),
    }));
}
