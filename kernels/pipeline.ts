/**
 * The calls of a pipeline: the stages between inputs and outputs, one after the other. Levels that importance selects,
 * given levels or a mask, and dense attention are built by three functions with the same interface.
 *
 * @module
 */
import type { Given, GivenCorrected, GivenRule } from "./calls.ts";
import { type BufferedCorrection, buildCorrection } from "./correction/correction.ts";
import { buildWeights } from "./correction/weights.ts";
import { inStage } from "./device/errors.ts";
import type { Gpu } from "./device/gpu.ts";
import { submitPass } from "./device/work/pass.ts";
import type { Stage } from "./device/work/stage.ts";
import { download, uploaded } from "./device/transfer.ts";
import { isCorrected, isMask } from "./given.ts";
import { buildImportance } from "./importance/importance.ts";
import { buildLevels } from "./levels/levels.ts";
import { buildSearch } from "./levels/search/search.ts";
import { groupTokens } from "./lists/entry.ts";
import { occurringLevels, requireLevels, tokensOf } from "./lists/given.ts";
import { buildMaskedCall } from "./masked.ts";
import { attentionOf, type Call, type HeadChoices, listsOf, type Pipeline, pyramidOf } from "./parts.ts";
import { planLists, requireSelection, shapeOfLevels } from "./plan.ts";

/**
 * Builds the call whose levels importance selects.
 *
 * @param gpu the device
 * @param pipeline sizes, configuration, buffers
 * @param choices how levels are chosen, where the configuration does not say it
 */
export async function buildSelectedCall(
  gpu: Gpu,
  pipeline: Pipeline,
  { cut, search, heads, correction }: HeadChoices = {},
): Promise<Call> {
  const { plan, moves, buffers: { arranged } } = pipeline, { shape, config, dtype, firstHead, chosen } = plan;
  requireSelection(gpu.info, plan);
  const pyramid = await pyramidOf(gpu, pipeline, chosen);
  const importance = await inStage(
    "importance",
    () => buildImportance(gpu, { buffers: arranged, shape, config, dtype, firstHead, heads }),
  );
  const made = { importance: importance.outputs.importance, shape, config };
  const levels = await inStage<Stage<Readonly<Record<"levels", GPUBuffer>>>>(
    "levels",
    () =>
      search === undefined
        ? buildLevels(gpu, { ...made, k: arranged.k, dtype, cut })
        : buildSearch(gpu, { ...made, search }),
  );
  const lists = await listsOf(gpu, plan, { levels: levels.outputs.levels, lists: plan.lists });
  const attention = await attentionOf(gpu, pipeline, {
    levels: chosen,
    lists: { ...lists.outputs, ...plan.lists },
  });
  const corrected = correction === undefined
    ? []
    : await inStage("attention", () =>
      correctionStages(gpu, pipeline, {
        correction,
        pooled: made.importance,
        levels: levels.outputs.levels,
      }));
  const size = 4 * shapeOfLevels(plan).reduce((product, each) => product * each, 1);
  return {
    stages: [
      ...[...moves.gather, ...pyramid, importance, levels, lists, attention],
      ...corrected,
      ...moves.scatter,
    ],
    readLevels: async () => ({
      data: new Int32Array(await download(gpu, levels.outputs.levels, { size })),
      shape: shapeOfLevels(plan),
    }),
  };
}

/** The stages of a correction whose weights kernels make. */
async function correctionStages(
  gpu: Gpu,
  { plan: { shape, config, dtype, scale }, buffers: { arranged } }: Pipeline,
  { correction, pooled, levels }: {
    readonly correction: BufferedCorrection["kind"];
    readonly pooled: GPUBuffer;
    readonly levels: GPUBuffer;
  },
): Promise<Stage[]> {
  const { blockM, blockN } = config,
    options = { shape, blockM, blockN, dtype, scale, buffers: arranged, levels };
  if (correction === "first-order") {
    return [await buildCorrection(gpu, { ...options, correction: { kind: correction } })];
  }
  const made = await buildWeights(gpu, { buffers: arranged, shape, config, dtype, pooled, levels });
  const { weights } = made.outputs;
  return [made, await buildCorrection(gpu, { ...options, correction: { kind: correction, weights } })];
}

/**
 * Builds a call of given levels, or of a mask. Work lists are built here, once: they are not a stage of the call.
 *
 * @throws {InputError} if they have a wrong shape, or the pipeline has no room for them
 */
export async function buildGivenCall(
  gpu: Gpu,
  pipeline: Pipeline,
  given: Exclude<Given, "dense" | GivenRule>,
): Promise<Call> {
  if (isMask(given)) return await buildMaskedCall(gpu, pipeline, given);
  if (isCorrected(given)) return await buildCorrectedCall(gpu, pipeline, given);
  const { plan, moves } = pipeline, { config: { blockN } } = plan;
  requireLevels(given, { shape: shapeOfLevels(plan), layout: plan.layout });
  const occurring = occurringLevels(given), group = groupTokens(occurring, blockN);
  const room = planLists(plan, { levels: occurring, tokens: tokensOf(given, { blockN, group }) });
  const levels = uploaded(gpu, "given levels", given.data as Int32Array<ArrayBuffer>);
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
  const buffered: BufferedCorrection = correction.kind === "means"
    ? {
      kind: "means",
      weights: uploaded(gpu, "weights of means", Float32Array.from(correction.weights.data)),
    }
    : correction;
  const options = {
    ...{ shape, blockM, blockN, dtype, scale, buffers: arranged, correction: buffered },
    levels: uploaded(gpu, "levels of a correction", levels.data as Int32Array<ArrayBuffer>),
  };
  const corrected = await inStage("attention", () => buildCorrection(gpu, options));
  return { ...call, stages: call.stages.toSpliced(call.stages.length - moves.scatter.length, 0, corrected) };
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
