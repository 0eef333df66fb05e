/**
 * The setup of a pipeline, and its checks.
 *
 * @module
 */
import type { PsaConfig } from "../reference/config/config.ts";
import { InputError, requireInput } from "../reference/errors.ts";
import type { AttentionShape } from "../reference/tensor.ts";
import type { Capabilities } from "./device/capabilities.ts";
import { kindOf } from "./door.ts";

/** The most channels that the kernels can handle. */
const MOST_DIM = 256;
/** The most tokens of a sequence, batch entries times heads, and blocks of a head: no device has room for more. */
const MOST_TOKENS = 2 ** 23, MOST_HEADS = 2 ** 16, MOST_BLOCKS = 2 ** 28;

/** The source of the levels of a call: importance, the caller, or 1 everywhere. */
export type CallKind = "selected" | "given" | "dense";

/** The sizes and the configuration that `createPsa` builds a pipeline for. */
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
  /** Levels that calls may be given in addition to those that the configuration can choose; default none. */
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

/** Calls that `createPsa` can build. */
const READY: readonly unknown[] = ["selected", "dense"];

/** The parts of a setup. */
const PARTS: readonly string[] = ["shape", "config", "dtype", "levels", "firstHead", "ready"];

/** Throws if a part of a setup is missing, wrong or unknown. */
export function requireSetup(setup: PsaSetup): void {
  requireInput(
    typeof setup === "object" && setup !== null,
    () => `The setup is ${kindOf(setup)}; it should be { shape, config }.`,
  );
  for (const name of ["shape", "config"] as const) {
    requireInput(
      typeof setup[name] === "object" && setup[name] !== null && !Array.isArray(setup[name]),
      () => `\`${name}\` is ${kindOf(setup[name])}; createPsa needs { shape, config }.`,
    );
  }
  const stray = Object.keys(setup).find((name) => !PARTS.includes(name));
  requireInput(
    stray === undefined,
    () => `\`${stray?.slice(0, 40)}\` is no part of a setup; the parts are ${PARTS.join(", ")}.`,
  );
  const { firstHead = 0, ready = [] } = setup;
  requireInput(
    Number.isInteger(firstHead) && firstHead >= 0,
    () => `\`firstHead\` is ${kindOf(firstHead)}; it should be a whole number from 0.`,
  );
  requireInput(
    Array.isArray(ready) && ready.every((kind) => READY.includes(kind)),
    () => `\`ready\` is ${kindOf(ready)}; it should be a list of "selected" and "dense", or [].`,
  );
}

/** Throws unless sizes are positive integers that the kernels can work with. */
export function requireSizes(shape: AttentionShape): void {
  for (const name of ["batch", "heads", "kvHeads", "seqQ", "seqK", "headDim", "valueDim"] as const) {
    requireInput(
      Number.isInteger(shape[name]) && shape[name] > 0,
      () => `\`${name}\` is ${kindOf(shape[name])}; it should be a positive whole number.`,
    );
  }
  for (const name of ["seqQ", "seqK"] as const) {
    requireInput(
      shape[name] <= MOST_TOKENS,
      () => `\`${name}\` is ${shape[name]}; it should be at most ${MOST_TOKENS} tokens.`,
    );
  }
  const { batch, heads } = shape;
  requireInput(
    batch * heads <= MOST_HEADS,
    () => `\`batch\` times \`heads\` is ${batch} x ${heads}; it should be at most ${MOST_HEADS}.`,
  );
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

/** Throws if a head has too many blocks. */
export function requireBlocks({ M, N }: { readonly M: number; readonly N: number }): void {
  requireInput(
    M * N <= MOST_BLOCKS,
    () => `A head has ${M} x ${N} blocks; it should have at most ${MOST_BLOCKS}: take larger blocks.`,
  );
}

/** Throws unless `levels` of the setup are levels. */
export function requireGiven(levels: readonly number[], { blockN }: PsaConfig): void {
  requireInput(
    Array.isArray(levels),
    () => `\`levels\` is ${kindOf(levels)}; it should be a list of levels.`,
  );
  for (const level of levels) {
    requireInput(
      Number.isInteger(level) && level >= 0 && level <= blockN && (level & (level - 1)) === 0,
      () =>
        `\`levels\` holds ${
          kindOf(level)
        }; a level should be 0 or a power of two up to \`blockN\`, ${blockN}.`,
    );
  }
}

/** The element type that a setup asks for, `auto` resolved. */
export function resolveDType(
  info: Capabilities,
  dtype: "f32" | "f16" | "auto" = "f32",
): "f32" | "f16" {
  requireInput(
    ["f32", "f16", "auto"].includes(dtype),
    () => `\`dtype\` is ${kindOf(dtype)}; it should be "f32", "f16" or "auto".`,
  );
  if (dtype === "f32") return dtype;
  if (info.features.includes("shader-f16")) return "f16";
  if (dtype === "auto") return "f32";
  throw new InputError(
    '`dtype` is "f16"; this adapter lacks the feature shader-f16, so it should be "f32" or "auto".',
  );
}
