/**
 * What a pipeline is built for: checked as a whole, before anything is made.
 *
 * @module
 */
import { DEFAULT_SHARES } from "../reference/levels/budget.ts";
import type { PsaConfig } from "../reference/config/config.ts";
import { validateConfig } from "../reference/config/validate.ts";
import { InputError, requireInput } from "../reference/errors.ts";
import { listShares } from "../reference/levels/ratios.ts";
import type { AttentionShape } from "../reference/tensor.ts";
import { workgroupBytes } from "./attention/attention.ts";
import type { Gpu } from "./device/gpu.ts";
import { layOutSections, type Sections } from "./pyramid/layout.ts";

/** What `createPsa` builds a pipeline for. */
export interface PsaSetup {
  /** The sizes of the calls. */
  readonly shape: AttentionShape;
  /** The configuration of the method. */
  readonly config: PsaConfig;
  /**
   * Element type of the kernels; `auto` is `f16` where the device has it, else `f32`; default `f32`. With `f16`, inputs
   * and outputs are stored in it, and products are added up in it for at most 64 steps, in importance as in attention.
   */
  readonly dtype?: "f32" | "f16" | "auto";
  /** Levels that calls may be given beside those that the configuration can choose; default none. */
  readonly levels?: readonly number[];
  /**
   * Index of the first head among the batch * heads of a larger call that this one is a part of: sampled tokens are
   * drawn by it. Default 0.
   */
  readonly firstHead?: number;
}

/** A setup with all choices made. */
export interface ResolvedSetup {
  /** The sizes of the calls. */
  readonly shape: AttentionShape;
  /** The configuration of the method. */
  readonly config: PsaConfig;
  /** Element type of the kernels. */
  readonly dtype: "f32" | "f16";
  /** Where the levels lie in keys and values. */
  readonly sections: Sections;
  /** Factor on q . k. */
  readonly scale: number;
  /** Index of the first head among those of a larger call. */
  readonly firstHead: number;
}

const MOST_DIM = 256;

/**
 * Checks a setup and makes its choices.
 *
 * @param gpu the device
 * @param setup shape, configuration, element type
 * @throws {InputError} naming what is wrong, or the limit of the device that the shape exceeds
 */
export function resolveSetup(gpu: Gpu, setup: PsaSetup): ResolvedSetup {
  const { shape, config, levels = [], firstHead = 0 } = setup;
  requireShape(shape);
  validateConfig(config, shape);
  requireWorkgroup(gpu, config);
  const dtype = resolveDType(gpu, setup.dtype ?? "f32");
  const { batch, kvHeads, seqK, headDim } = shape, { blockN, tail = "exact" } = config;
  const sections = layOutSections(batch * kvHeads, {
    seqK,
    blockN,
    levels: [...levelsOf(config), ...levels],
    tail,
  });
  requireMemory(gpu, { shape, config, dtype, sections });
  return { shape, config, dtype, sections, firstHead, scale: config.scale ?? 1 / Math.sqrt(headDim) };
}

/** Throws unless sizes are positive integers that the kernels can work with. */
function requireShape(shape: AttentionShape): void {
  for (const [name, size] of Object.entries(shape)) {
    requireInput(
      Number.isInteger(size) && size > 0,
      () => `\`${name}\` is ${size}; it should be a positive whole number.`,
    );
  }
  for (const name of ["headDim", "valueDim"] as const) {
    requireInput(
      shape[name] % 8 === 0 && shape[name] <= MOST_DIM,
      () => `\`${name}\` is ${shape[name]}; kernels need a multiple of 8 up to ${MOST_DIM}.`,
    );
  }
  requireInput(
    shape.heads % shape.kvHeads === 0,
    () => `\`heads\` is ${shape.heads}; it should be a multiple of \`kvHeads\`, ${shape.kvHeads}.`,
  );
}

/** Throws if a workgroup of the attention kernel is beyond a limit. */
function requireWorkgroup(gpu: Gpu, { blockM }: PsaConfig): void {
  const needs = {
    maxComputeWorkgroupStorageSize: [workgroupBytes(blockM), "bytes of workgroup memory"],
    maxComputeInvocationsPerWorkgroup: [2 * blockM, "invocations of a workgroup"],
  } as const;
  for (const [name, [needed, what]] of Object.entries(needs)) {
    const limit = gpu.info.limits[name];
    requireInput(
      needed <= limit,
      () =>
        `\`blockM\` is ${blockM}, which needs ${needed} ${what}; the limit ${name} of this adapter is ${limit}.`,
    );
  }
}

function resolveDType(gpu: Gpu, dtype: "f32" | "f16" | "auto"): "f32" | "f16" {
  if (dtype === "f32") return dtype;
  if (gpu.has("shader-f16")) return "f16";
  if (dtype === "auto") return "f32";
  throw new InputError(
    '`dtype` is "f16"; this adapter lacks the feature shader-f16, so it should be "f32" or "auto".',
  );
}

/** All levels that a configuration can choose: a cap may lower one to any level below it. */
function levelsOf({ assignment, similarityThresholds = {} }: PsaConfig): number[] {
  const chosen = assignment.mode === "density"
    ? listShares(assignment.shares ?? DEFAULT_SHARES).map(({ level }) => level)
    : assignment.ratios.map(([level]) => level);
  return [1, ...chosen, ...Object.keys(similarityThresholds).map(Number)].filter((level) => level > 0);
}

/** Throws if a buffer would be beyond a limit, before any is made. */
function requireMemory(
  gpu: Gpu,
  { shape, config, dtype, sections }: Pick<ResolvedSetup, "shape" | "config" | "dtype" | "sections">,
): void {
  const { batch, heads, seqQ, seqK, headDim, valueDim } = shape, bytes = dtype === "f16" ? 2 : 4;
  const blocks = Math.ceil(seqQ / config.blockM) * Math.ceil(seqK / config.blockN);
  gpu.requireSize("`q`", batch * heads * seqQ * headDim * bytes);
  gpu.requireSize("`k` with its pyramid", sections.rows * headDim * bytes);
  gpu.requireSize("`v` with its pyramid", sections.rows * valueDim * bytes);
  gpu.requireSize("the output", batch * heads * seqQ * valueDim * bytes);
  gpu.requireSize("the importance of all blocks", 4 * batch * heads * blocks);
}
