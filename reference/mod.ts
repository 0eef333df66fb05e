/**
 * Public interface of the reference: Pyramid Sparse Attention in float64, methods for comparison, and the bounds
 * that decide whether a kernel is right. It needs only the language and Web Workers: it runs in Deno, Node and browsers.
 *
 * @module
 */
export { InputError } from "./errors.ts";
export {
  type AttentionShape,
  type DType,
  type FloatData,
  type Qkv,
  type Tensor,
  tensor,
  type TensorData,
} from "./tensor.ts";
export { buildPyramid, type PyramidLevel, type PyramidOptions, type Tail } from "./pyramid/pyramid.ts";
export {
  type AttentionOptions,
  type AttentionResult,
  denseAttention,
  pyramidAttention,
  type PyramidAttentionOptions,
} from "./attention/attention.ts";
export { attentionRows, type HeadRows, type SomeRowsOptions } from "./attention/some_rows.ts";
export { compare, type Comparison } from "./judge/metrics.ts";
export {
  type ErrorEstimate,
  estimateRelativeError,
  type RowSampling,
  type SampledRows,
  sampleQueryRows,
  type Strata,
} from "./judge/sampled_rows.ts";
export type { RowSample } from "./judge/tolerance_rows.ts";
export { type Arithmetic, arithmeticNamed, type Format, ladderOf } from "./judge/arithmetic.ts";
export {
  judgeLadder,
  judges,
  type LadderOptions,
  type LadderVerdict,
  type PartialTolerance,
  type Results,
  unjudgedHeads,
} from "./judge/ladder.ts";
export {
  attentionTolerance,
  type KernelDType,
  type Tolerance,
  type ToleranceOptions,
} from "./judge/tolerance.ts";
export {
  gradientTolerance,
  type ImportanceKind,
  importanceTolerance,
  type TensorTolerance,
} from "./judge/element_tolerance.ts";
export {
  type AttentionBounds,
  attentionBounds,
  type AttentionBoundsOptions,
} from "./judge/attention_parts.ts";
export { type PartJudge, partName, type PartOptions, type PartShare } from "./judge/parts.ts";
export { maskedTolerance, type MaskedToleranceOptions } from "./judge/masked_tolerance.ts";
export {
  type CorrectedCall,
  type CorrectedOptions,
  correctedTolerance,
} from "./judge/correction_tolerance.ts";
export {
  type AttentionGradient,
  type GradientOptions,
  pyramidAttentionGradient,
} from "./attention/gradient.ts";
export { type ParallelOptions, pyramidAttentionParallel } from "./parallel/parallel.ts";
export {
  attentionRowsParallel,
  attentionToleranceParallel,
  blockMassParallel,
  type HeadsOptions,
  importanceParallel,
} from "./parallel/heads.ts";
export { psaParallel } from "./parallel/psa_parallel.ts";
export { type Random, seededRandom } from "./random.ts";
export {
  type GilbertOptions,
  gilbertOrder,
  invertOrder,
  type Order,
  permuteTokens,
  type SemanticOptions,
  semanticOrder,
  tileOrder,
} from "./order/order.ts";
export {
  antidiagonalImportance,
  type AntidiagonalOptions,
  type BlockOptions,
  fullImportance,
  groupMaxImportance,
  pooledImportance,
  type QueryKey,
  sampledImportance,
  sampleOffsets,
} from "./importance/importance.ts";
export { assignLevels, type AssignOptions, type RuleOptions } from "./levels/assign.ts";
export { levelDensity } from "./levels/density.ts";
export { fromSegments, type SegmentOptions, toSegments } from "./lists/segments.ts";
export { similarityCap, type SimilarityOptions } from "./levels/similarity.ts";
export { BINARY_SHARES, type BudgetOptions, DEFAULT_SHARES, levelsForDensity } from "./levels/budget.ts";
export type { CausalSizes } from "./levels/causal.ts";
export type {
  AssignmentConfig,
  Box,
  ImportanceConfig,
  Level,
  OrderConfig,
  PsaConfig,
  Ratio,
  Shares,
} from "./config/config.ts";
export { type ArrangedTokens, arrangeTokens } from "./order/arrange.ts";
export { blockImportance, type ImportanceOf } from "./importance/by_config.ts";
export { configDensity, type LevelOptions, levelsFromImportance, selectLevels } from "./levels/by_config.ts";
export { psa, type PsaResult } from "./psa.ts";
export {
  type ModelName,
  type Preset,
  presetConfig,
  type PresetOptions,
  presets,
  type PresetSource,
  type VideoShape,
} from "./config/presets.ts";
export type {
  Choice,
  ChosenHead,
  Family,
  ImportanceName,
  OrderName,
  Rest,
  TunedCall,
  TunedShape,
} from "./config/tuned.ts";
export { MODEL_SHAPES, type ModelShape, type ModelTokens, modelTokens } from "./config/model_shapes.ts";
export { configErrors, type SequenceLengths, validateConfig } from "./config/validate.ts";
export { blockMass, droppedMass, type DroppedOptions, type MassOptions } from "./judge/mass.ts";
export { buildMask, type Mask, maskDensity, maskOfLevels, type MaskOptions } from "./masks/mask.ts";
export {
  maskedAttention,
  maskedBlockMass,
  type MaskedMassOptions,
  type MaskedOptions,
} from "./masks/attention.ts";
export { alignmentLoss, droppedOfLse } from "./masks/loss.ts";
export { maskedAttentionParallel } from "./parallel/masked.ts";
export { choose, whyNot } from "./methods/fit.ts";
export { methodOf, METHODS } from "./methods/mod.ts";
export { type MethodInputOptions, methodInputs, type MethodLayout, methodLayout } from "./methods/inputs.ts";
export { bisected, bisectedEntries, type BisectOptions } from "./methods/bisect.ts";
export { importanceCost } from "./methods/cost.ts";
export { levelShape, ranked, selectionDroppedMass, selectionOf } from "./methods/select.ts";
export { massEntries } from "./methods/entries.ts";
export { spargeAttention, type SpargeOptions } from "./methods/mask/spargeattn.ts";
export type {
  Basis,
  BestKeys,
  BlockMethod,
  BlockSelection,
  CallFacts,
  ChangedKeys,
  Chosen,
  Correction,
  CostFacts,
  EitherMask,
  FixedRule,
  GatedBlocks,
  Granularity,
  KeyRule,
  LevelCut,
  LevelRule,
  ListedKeys,
  MaskMethod,
  MaskSelection,
  Method,
  MethodFacts,
  MethodInputs,
  NearestCodes,
  PairsCut,
  QuotaCut,
  RankedCut,
  ReleasedQuotas,
  Selection,
  SelectionStatus,
  ThresholdCut,
} from "./methods/method.ts";
export type { SampleOptions } from "./importance/sample.ts";
