/**
 * The whole method on one attention call, for the path of video generation and for that of video understanding:
 * order, importance, levels, attention over the pyramid, order back (docs/definition.md).
 *
 * @module
 */
import {
  type AttentionResult,
  pyramidAttention,
  type PyramidAttentionOptions,
} from "./attention/attention.ts";
import { levelsForDensity } from "./levels/budget.ts";
import type { PsaConfig } from "./config/config.ts";
import { type SequenceLengths, validateConfig } from "./config/validate.ts";
import {
  antidiagonalImportance,
  fullImportance,
  pooledImportance,
  sampledImportance,
} from "./importance/importance.ts";
import { applyRules, assignLevels, type RuleOptions } from "./levels/assign.ts";
import { levelDensity } from "./levels/density.ts";
import {
  gilbertOrder,
  invertOrder,
  type Order,
  permuteTokens,
  semanticOrder,
  tileOrder,
} from "./order/order.ts";
import type { QueryKey } from "./importance/scores.ts";
import { similarityCap } from "./levels/similarity.ts";
import { attentionShape, type FloatData, type Qkv, queryKeyShape, type Tensor } from "./tensor.ts";

/** What {@link psa} computes. */
export interface PsaResult extends AttentionResult {
  /**
   * The level that each query block gave each key block, int32 [batch, heads, query blocks, key blocks]. Blocks are
   * of tokens in the configuration's order.
   */
  readonly levels: Tensor<Int32Array>;
  /** The density of these levels (docs/definition.md#density). */
  readonly density: number;
}

/** Tokens in a configuration's order, and the orders that brought them there; none for raster order. */
export interface ArrangedTokens<Data extends FloatData = FloatData> {
  /** The inputs, rearranged. */
  readonly qkv: Qkv<Data>;
  /** The order of the queries, and so of the output. */
  readonly queryOrder?: Order;
  /** The order of keys and values. */
  readonly keyOrder?: Order;
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
 * console.log(out.shape, density); // [1, 1, 256, 16] 0.25
 * ```
 */
export function psa(qkv: Qkv, config: PsaConfig): PsaResult {
  const prepared = preparePsa(qkv, config);
  return finishPsa(prepared, pyramidAttention(prepared.qkv, prepared.levels, prepared.options));
}

/** What {@link psa} knows before its attention. */
export interface PreparedPsa extends ArrangedTokens {
  /** The levels to attend with. */
  readonly levels: Tensor<Int32Array>;
  /** The options to attend with. */
  readonly options: PyramidAttentionOptions;
}

/** All of {@link psa} that comes before its attention. */
export function preparePsa(qkv: Qkv, config: PsaConfig): PreparedPsa {
  const { seqQ, seqK } = attentionShape(qkv);
  validateConfig(config, { seqQ, seqK });
  const arranged = arrangeTokens(qkv, config);
  const { blockM, blockN, scale, causal, tail } = config;
  const levels = selectLevels(arranged.qkv, config);
  return { ...arranged, levels, options: { blockM, blockN, scale, causal, tail } };
}

/** All of {@link psa} that comes after its attention. */
export function finishPsa(
  { qkv, queryOrder, levels, options: { blockM, blockN, causal } }: PreparedPsa,
  { out, lse }: AttentionResult,
): PsaResult {
  const { seqQ, seqK } = attentionShape(qkv);
  const density = levelDensity(levels, { causal, blockM, blockN, seqQ, seqK });
  if (queryOrder === undefined) return { out, lse, levels, density };
  const back = invertOrder(queryOrder);
  return { out: permuteTokens(out, back), lse: permuteTokens(lse, back), levels, density };
}

/**
 * The first stage of {@link psa}: tokens in the configuration's order (docs/definition.md#orders). Text, the tail of
 * `textLength` tokens, stays where it is.
 *
 * @param qkv the inputs
 * @param config its `order` and `textLength` count
 * @throws {InputError} if the order does not fit the tokens
 *
 * @example
 * ```ts
 * import { arrangeTokens, makeWorkload, presetConfig } from "../mod.ts";
 * const box = { width: 8, height: 8, depth: 4 };
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 16, grid: box });
 * const { queryOrder } = arrangeTokens(qkv, presetConfig("Wan2.1-1.3B", { box }));
 * console.log(queryOrder?.shape); // [256]
 * ```
 */
export function arrangeTokens<Data extends FloatData>(
  qkv: Qkv<Data>,
  { order = { kind: "raster" }, textLength = 0 }: Pick<PsaConfig, "order" | "textLength">,
): ArrangedTokens<Data> {
  const { q, k, v } = qkv;
  const by = (queryOrder: Order, keyOrder: Order) => ({
    qkv: {
      q: permuteTokens(q, queryOrder),
      k: permuteTokens(k, keyOrder),
      v: permuteTokens(v, keyOrder),
    },
    queryOrder,
    keyOrder,
  });
  switch (order.kind) {
    case "raster":
      return { qkv };
    case "gilbert": {
      const shared = gilbertOrder(order.box, { kind: order.variant });
      return by(shared, shared);
    }
    case "tile": {
      const shared = tileOrder(order.box, order.tile);
      return by(shared, shared);
    }
    case "semantic":
      return by(semanticOrder(q, { ...order, textLength }), semanticOrder(k, { ...order, textLength }));
  }
}

/**
 * The second stage of {@link psa}: the importance of key blocks to query blocks (docs/definition.md#importance).
 *
 * @param qk queries and keys in the order in which blocks are cut
 * @param config block sizes, importance, causal and scale
 * @returns [batch, heads, query blocks, key blocks]
 * @throws {InputError} if tensors disagree or a stride does not divide the blocks
 *
 * @example
 * ```ts
 * import { blockImportance, makeWorkload, presets } from "../mod.ts";
 * const { qkv } = makeWorkload("sinks", { seqQ: 512, headDim: 16 });
 * console.log(blockImportance(qkv, presets["Qwen2.5-VL"].config).shape); // [1, 1, 4, 4]
 * ```
 */
export function blockImportance(
  qk: QueryKey,
  { blockM, blockN, importance, causal, scale }: Omit<PsaConfig, "assignment" | "tile">,
): Tensor<Float64Array> {
  const blocks = { blockM, blockN, scale };
  switch (importance.kind) {
    case "sampled":
      return sampledImportance(qk, { ...blocks, seed: importance.seed });
    case "full":
      return fullImportance(qk, blocks);
    case "antidiagonal":
      return antidiagonalImportance(qk, { blockM, blockN, stride: importance.stride, causal });
    case "pooled":
      return pooledImportance(qk, blocks);
  }
}

/** Sizes and the cap that levels need beside importance. */
export type LevelOptions = SequenceLengths & Pick<RuleOptions, "cap">;

/**
 * The third stage of {@link psa}: levels from importance, with all the rules of docs/definition.md#levels.
 *
 * @param importance [batch, heads, query blocks, key blocks]
 * @param config block sizes, tile, assignment, text length and causal
 * @param options query tokens, key tokens, and the similarity cap if there is one
 * @returns int32 of the same shape
 * @throws {InputError} if the assignment is wrong or does not fit
 *
 * @example
 * ```ts
 * import { levelsFromImportance, presets, tensor } from "../mod.ts";
 * const importance = tensor(new Float64Array(20).map((_, j) => 20 - j), [1, 1, 1, 20]);
 * const sizes = { seqQ: 128, seqK: 20 * 128 };
 * const { data } = levelsFromImportance(importance, presets["CogVideoX-5B"].config, sizes);
 * console.log(data.subarray(0, 8)); // [1, 1, 2, 8, 8, 8, 8, 0]
 * ```
 */
export function levelsFromImportance(
  importance: Tensor,
  { blockM, blockN, tile, assignment, textLength, causal }: Omit<PsaConfig, "importance">,
  { seqQ, seqK, cap }: LevelOptions,
): Tensor<Int32Array> {
  const rules = { blockM, blockN, seqQ, seqK, textLength, causal, cap };
  if (assignment.mode !== "density") return assignLevels(importance, { ...rules, ...assignment, tile });
  const { density, shares } = assignment;
  const levels = levelsForDensity(importance, density, { shares, causal, blockM, blockN, seqQ, seqK });
  applyRules(levels, rules);
  return levels;
}

/**
 * Importance, similarity cap and levels in one: what {@link psa} attends with.
 *
 * @param qk queries and keys in the order in which blocks are cut, see {@link arrangeTokens}
 * @param config the configuration
 * @returns int32 [batch, heads, query blocks, key blocks]
 * @throws {InputError} if tensors disagree or the configuration does not fit them
 *
 * @example
 * ```ts
 * import { makeWorkload, presets, selectLevels } from "../mod.ts";
 * const { qkv } = makeWorkload("sinks", { seqQ: 512, headDim: 16 });
 * console.log(selectLevels(qkv, presets["Qwen2.5-VL"].config).shape); // [1, 1, 4, 4]
 * ```
 */
export function selectLevels({ q, k }: QueryKey, config: PsaConfig): Tensor<Int32Array> {
  const { seqQ, seqK } = queryKeyShape({ q, k });
  const { blockN, similarityThresholds: thresholds } = config;
  const cap = thresholds === undefined ? undefined : similarityCap(k, { blockN, thresholds });
  return levelsFromImportance(blockImportance({ q, k }, config), config, { seqQ, seqK, cap });
}

/**
 * The density that a configuration will have on an importance, before any attention is computed.
 *
 * @param importance [batch, heads, query blocks, key blocks]
 * @param config block sizes, tile, assignment, text length and causal
 * @param options query tokens, key tokens, and the similarity cap if there is one
 * @throws {InputError} if the assignment is wrong or does not fit
 *
 * @example
 * ```ts
 * import { configDensity, presets, tensor } from "../mod.ts";
 * const importance = tensor(new Float64Array(20).fill(1), [1, 1, 1, 20]);
 * const sizes = { seqQ: 128, seqK: 20 * 128 };
 * console.log(configDensity(importance, presets["CogVideoX-5B"].config, sizes)); // between 0.15 and 0.25
 * ```
 */
export function configDensity(
  importance: Tensor,
  config: Omit<PsaConfig, "importance">,
  options: LevelOptions,
): number {
  const { blockM, blockN, causal } = config, { seqQ, seqK } = options;
  const levels = levelsFromImportance(importance, config, options);
  return levelDensity(levels, { causal, blockM, blockN, seqQ, seqK });
}
