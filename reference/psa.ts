/**
 * The whole method on one attention call, for the path of video generation and for that of video understanding:
 * order, importance, levels, attention over the pyramid, order back (docs/definition.md).
 *
 * @module
 */
import { attend, type AttentionResult } from "./attention/attention.ts";
import type { PyramidCall } from "./attention/call.ts";
import type { PsaConfig } from "./config/config.ts";
import { validateConfig } from "./config/validate.ts";
import { levelsOfChecked } from "./levels/by_config.ts";
import { meanDensity } from "./levels/density.ts";
import { arrangeChecked, type ArrangedTokens } from "./order/arrange.ts";
import { inverted, permuted } from "./order/order.ts";
import { attentionShape, type Qkv, type Tensor } from "./tensor.ts";

/** The result of {@link psa}. */
export interface PsaResult extends AttentionResult {
  /**
   * The level that each query block gave each key block, int32 [batch, heads, query blocks, key blocks]. Blocks are
   * of tokens in the configuration's order.
   */
  readonly levels: Tensor<Int32Array>;
  /** The density of these levels (docs/definition.md#density). */
  readonly density: number;
}

/**
 * Pyramid Sparse Attention: puts tokens in order, scores key blocks, gives them levels, attends, and puts the output
 * back in the order of the queries.
 *
 * @param qkv the inputs: q [batch, heads, query tokens, head dimension], k and v [batch, key heads, key tokens, …]
 * @param config how to do it; `presets` holds those of the released models
 * @returns out [batch, heads, query tokens, value dimension] and lse [batch, heads, query tokens] in float64, levels
 * and density
 * @throws {InputError} if tensors disagree, or the configuration is wrong or does not fit them
 *
 * @example
 * ```ts
 * import { makeWorkload, psa } from "../mod.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 16 });
 * const { out, density } = psa(qkv, {
 *   blockM: 32,
 *   blockN: 16,
 *   tile: 16,
 *   importance: { kind: "full" },
 *   assignment: { mode: "density", density: 0.25 },
 * });
 * console.log(out.shape, density); // [1, 1, 256, 16] 0.244140625
 * ```
 */
export function psa(qkv: Qkv, config: PsaConfig): PsaResult {
  const prepared = preparePsa(qkv, config);
  return finishPsa(prepared, attend(prepared.qkv, prepared));
}

/** The state of {@link psa} before its attention: tokens in order, and the call that attends to them. */
export interface PreparedPsa extends ArrangedTokens, PyramidCall {}

/**
 * All of {@link psa} that comes before its attention. This is the door: tensors and configuration are checked here,
 * and what follows takes them as right.
 */
export function preparePsa(qkv: Qkv, config: PsaConfig): PreparedPsa {
  const shape = attentionShape(qkv);
  validateConfig(config, { seqQ: shape.seqQ, seqK: shape.seqK });
  const arranged = arrangeChecked(qkv, config);
  const { blockM, blockN, scale, causal, tail } = config;
  const levels = levelsOfChecked(arranged.qkv, config);
  return { ...arranged, shape, levels, options: { blockM, blockN, scale, causal, tail } };
}

/** All of {@link psa} that comes after its attention. */
export function finishPsa(
  { queryOrder, levels, shape: { seqQ, seqK }, options: { blockM, blockN, causal } }: PreparedPsa,
  { out, lse }: AttentionResult,
): PsaResult {
  const density = meanDensity(levels, { causal, blockM, blockN, seqQ, seqK });
  if (queryOrder === undefined) return { out, lse, levels, density };
  const back = inverted(queryOrder);
  return { out: permuted(out, back), lse: permuted(lse, back), levels, density };
}
