/**
 * The levels stage of the method: from importance to levels by a configuration (docs/definition.md#levels).
 *
 * @module
 */
import type { PsaConfig } from "../config/config.ts";
import { type SequenceLengths, validateConfig } from "../config/validate.ts";
import { importanceOfChecked } from "../importance/by_config.ts";
import type { QueryKey } from "../importance/scores.ts";
import { queryKeyShape, type Tensor } from "../tensor.ts";
import { applyRules, cutByQuotas, requireAssignment, requireImportance, type RuleOptions } from "./assign.ts";
import { requireSpending, spendDensity } from "./budget.ts";
import { meanDensity } from "./density.ts";
import { capBySimilarity } from "./similarity.ts";

/** Sizes and the cap that levels need in addition to importance. */
export type LevelOptions = SequenceLengths & Pick<RuleOptions, "cap">;

/**
 * The third stage of `psa`: levels from importance, with all the rules of docs/definition.md#levels.
 *
 * @param importance [batch, heads, query blocks, key blocks]
 * @param config block sizes, tile, assignment, text length and causal
 * @param options query tokens, key tokens, and the similarity cap if there is one
 * @returns int32 of the same shape
 * @throws {InputError} if the assignment is wrong or does not fit
 *
 * @example
 * ```ts
 * import { levelsFromImportance, presets, tensor } from "../../mod.ts";
 * const importance = tensor(new Float64Array(20).map((_, j) => 20 - j), [1, 1, 1, 20]);
 * const sizes = { seqQ: 128, seqK: 20 * 128 };
 * const { data } = levelsFromImportance(importance, presets["CogVideoX-5B"].config, sizes);
 * console.log(data.subarray(0, 8)); // [1, 1, 2, 8, 8, 8, 8, 0]
 * ```
 */
export function levelsFromImportance(
  importance: Tensor,
  config: Omit<PsaConfig, "importance">,
  options: LevelOptions,
): Tensor<Int32Array> {
  const { assignment, ...rules } = { ...config, ...options };
  if (assignment.mode === "density") {
    const { density, shares } = assignment, { causal, blockM, blockN, seqQ, seqK } = rules;
    requireSpending(importance, density, { shares, causal, blockM, blockN, seqQ, seqK });
  } else requireAssignment(importance, { ...rules, ...assignment });
  return levelsByRules(importance, config, options);
}

/** {@link levelsFromImportance} of inputs that have been checked. */
function levelsByRules(
  importance: Tensor,
  { blockM, blockN, tile, assignment, textLength, causal }: Omit<PsaConfig, "importance">,
  { seqQ, seqK, cap }: LevelOptions,
): Tensor<Int32Array> {
  const rules = { blockM, blockN, seqQ, seqK, textLength, causal, cap };
  if (assignment.mode !== "density") return cutByQuotas(importance, { ...rules, ...assignment, tile });
  const { density, shares } = assignment;
  const levels = spendDensity(importance, density, { shares, causal, blockM, blockN, seqQ, seqK });
  applyRules(levels, rules);
  return levels;
}

/**
 * Importance, similarity cap and levels in one: the levels that `psa` uses.
 *
 * @param qk queries and keys in the order of the blocks, see `arrangeTokens`
 * @param config the configuration
 * @returns int32 [batch, heads, query blocks, key blocks]
 * @throws {InputError} if tensors disagree or the configuration does not fit them
 *
 * @example
 * ```ts
 * import { makeWorkload, presets, selectLevels } from "../../mod.ts";
 * const { qkv } = makeWorkload("sinks", { seqQ: 512, headDim: 16 });
 * console.log(selectLevels(qkv, presets["Qwen2.5-VL"].config).shape); // [1, 1, 4, 4]
 * ```
 */
export function selectLevels({ q, k }: QueryKey, config: PsaConfig): Tensor<Int32Array> {
  const { seqQ, seqK } = queryKeyShape({ q, k });
  validateConfig(config, { seqQ, seqK });
  return levelsOfChecked({ q, k }, config);
}

/** {@link selectLevels} of inputs that have been checked. Importance begins here, and so is checked here. */
export function levelsOfChecked({ q, k }: QueryKey, config: PsaConfig): Tensor<Int32Array> {
  const { blockN, similarityThresholds: thresholds } = config;
  const cap = thresholds === undefined ? undefined : capBySimilarity(k, { blockN, thresholds });
  const importance = importanceOfChecked({ q, k }, config);
  requireImportance(importance); // an infinity or NaN of q or k shows only now
  return levelsByRules(importance, config, { seqQ: q.shape[2], seqK: k.shape[2], cap });
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
 * import { configDensity, presets, tensor } from "../../mod.ts";
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
  return meanDensity(levels, { causal, blockM, blockN, seqQ, seqK });
}
