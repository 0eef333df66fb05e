/**
 * What a pipeline is asked for, and whether it can be: checked at the door, before sizes are made of it.
 *
 * @module
 */
import type { PsaConfig } from "../reference/config/config.ts";
import { InputError, requireInput } from "../reference/errors.ts";
import type { AttentionShape } from "../reference/tensor.ts";
import type { Capabilities } from "./device/capabilities.ts";

/** Channels that the kernels are written for at most. */
const MOST_DIM = 256;

/** Where the levels of a call come from: importance, the caller, or they are 1 everywhere. */
export type CallKind = "selected" | "given" | "dense";

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
  /**
   * Which calls `createPsa` compiles and warms up, `selected` or `dense`; default `["selected"]`. The others are built when
   * they are first asked for.
   */
  readonly ready?: readonly ("selected" | "dense")[];
}

/** Throws unless a setup has all parts. */
export function requireSetup(setup: PsaSetup): void {
  for (const name of ["shape", "config"] as const) {
    requireInput(
      typeof setup?.[name] === "object" && setup[name] !== null,
      () => `\`${name}\` is ${setup?.[name]}; createPsa needs { shape, config }.`,
    );
  }
}

/** Throws unless sizes are positive integers that the kernels can work with. */
export function requireSizes(shape: AttentionShape): void {
  for (const name of ["batch", "heads", "kvHeads", "seqQ", "seqK", "headDim", "valueDim"] as const) {
    requireInput(
      Number.isInteger(shape[name]) && shape[name] > 0,
      () => `\`${name}\` is ${shape[name]}; it should be a positive whole number.`,
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

/** Throws unless levels that calls may be given are levels. */
export function requireGiven(levels: readonly number[], { blockN }: PsaConfig): void {
  requireInput(Array.isArray(levels), () => `\`levels\` is ${levels}; it should be a list of levels.`);
  for (const level of levels) {
    requireInput(
      Number.isInteger(level) && level >= 0 && level <= blockN && (level & (level - 1)) === 0,
      () => `\`levels\` holds ${level}; a level should be 0 or a power of two up to \`blockN\`, ${blockN}.`,
    );
  }
}

/** The element type that a setup asks for, `auto` resolved. */
export function resolveDType(info: Capabilities, dtype: "f32" | "f16" | "auto"): "f32" | "f16" {
  requireInput(
    ["f32", "f16", "auto"].includes(dtype),
    () => `\`dtype\` is "${dtype}"; it should be "f32", "f16" or "auto".`,
  );
  if (dtype === "f32") return dtype;
  if (info.features.includes("shader-f16")) return "f16";
  if (dtype === "auto") return "f32";
  throw new InputError(
    '`dtype` is "f16"; this adapter lacks the feature shader-f16, so it should be "f32" or "auto".',
  );
}
