/**
 * Calls over a mask, that is given or that kernels make by a rule.
 *
 * @module
 */
import { requireInput } from "../reference/errors.ts";
import { readMask } from "./attention/masked/bits.ts";
import { buildMaskGroups } from "./attention/masked/groups.ts";
import { makeMaskLists } from "./attention/masked/lists.ts";
import { buildRule } from "./attention/masked/rule.ts";
import type { GivenKeyRule, GivenMask } from "./calls.ts";
import { inStage } from "./device/errors.ts";
import type { Gpu } from "./device/gpu.ts";
import type { Stage } from "./device/work/stage.ts";
import { uploaded } from "./device/transfer.ts";
import { attentionOf, type Call, type Pipeline } from "./parts.ts";

/** Storage buffers of attention over a mask: those for levels, and the bits of the rows. */
const MASK_BINDINGS = 8;

/**
 * Builds a call of a mask. Its work lists are made here, once, on the host, row block by row block.
 *
 * @throws {InputError} if the mask is for another call, or its work lists are beyond a limit of the device
 */
export async function buildMaskedCall(gpu: Gpu, pipeline: Pipeline, { mask }: GivenMask): Promise<Call> {
  const { plan, moves } = pipeline, { causal = false, blockM, blockN } = plan.config;
  requireMaskBindings(gpu);
  const lists = makeMaskLists(mask, { causal, blockM, blockN, info: gpu.info });
  const attention = await attentionOf(gpu, pipeline, {
    levels: [1],
    lists: {
      ...{ group: 8, listBytes: lists.list.byteLength, tiles: lists.tiles, masked: true },
      list: uploaded(gpu, "work lists of the mask", lists.list),
      offsets: uploaded(gpu, "offsets of the mask's work lists", lists.offsets),
    },
    rowMasks: uploaded(gpu, "rows of the mask", lists.rowMasks),
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
export async function buildRuledCall(gpu: Gpu, pipeline: Pipeline, { rule }: GivenKeyRule): Promise<Call> {
  const { plan, buffers: { arranged: { q, k, v } }, moves } = pipeline, { shape, dtype, scale } = plan;
  requireMaskBindings(gpu);
  const { causal = false, blockM, blockN } = plan.config;
  const bits = await inStage("levels", () => buildRule(gpu, { shape, dtype, scale, q, k, v }, rule));
  const { stage, lists, rowMasks } = await inStage(
    "lists",
    () => buildMaskGroups(gpu, bits, { shape, blockM }),
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
      const mask = await readMask(gpu, bits, shape);
      const made = makeMaskLists(mask, { causal, blockM, blockN, info: gpu.info });
      density = made.density;
      return made.levels;
    },
    density: () => density,
  };
}
