/**
 * Pyramid Sparse Attention: the float64 reference, the same stages on the GPU, and what it takes to compare them.
 *
 * @module
 */
export { InputError } from "./reference/errors.ts";
export {
  type AttentionShape,
  type DType,
  type FloatData,
  type Qkv,
  type Tensor,
  tensor,
  type TensorData,
} from "./reference/tensor.ts";
export {
  buildPyramid,
  type PyramidLevel,
  type PyramidOptions,
  type Tail,
} from "./reference/pyramid/pyramid.ts";
export {
  type AttentionOptions,
  type AttentionResult,
  denseAttention,
  pyramidAttention,
  type PyramidAttentionOptions,
} from "./reference/attention/attention.ts";
export { compare, type Comparison } from "./reference/judge/metrics.ts";
export {
  attentionTolerance,
  gradientTolerance,
  type ImportanceKind,
  importanceTolerance,
  type KernelDType,
  type TensorTolerance,
  type Tolerance,
  type ToleranceOptions,
} from "./reference/judge/tolerance.ts";
export {
  type AttentionGradient,
  type GradientOptions,
  pyramidAttentionGradient,
} from "./reference/attention/gradient.ts";
export { type ParallelOptions, pyramidAttentionParallel } from "./reference/parallel/parallel.ts";
export { psaParallel } from "./reference/parallel/psa_parallel.ts";
export {
  type FileDType,
  type ReadOptions,
  readSafetensors,
  type SafetensorsFile,
  type WriteOptions,
  writeSafetensors,
} from "./fixtures/safetensors.ts";
export type { WholeDType } from "./fixtures/whole_numbers.ts";
export { type Case, caseName, matchesFilter, parseCase, type Stage } from "./fixtures/cases.ts";
export { type Random, seededRandom } from "./reference/random.ts";
export {
  makeWorkload,
  type Workload,
  type WorkloadDType,
  type WorkloadName,
  type WorkloadOptions,
  WORKLOADS,
} from "./fixtures/workloads.ts";
export { loadTrace, type Trace } from "./fixtures/traces.ts";
export {
  type GilbertOptions,
  gilbertOrder,
  invertOrder,
  type Order,
  permuteTokens,
  type SemanticOptions,
  semanticOrder,
  tileOrder,
} from "./reference/order/order.ts";
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
} from "./reference/importance/importance.ts";
export {
  assignLevels,
  type AssignOptions,
  levelDensity,
  type RuleOptions,
} from "./reference/levels/assign.ts";
export { fromSegments, type SegmentOptions, toSegments } from "./reference/lists/segments.ts";
export { similarityCap, type SimilarityOptions } from "./reference/levels/similarity.ts";
export {
  BINARY_SHARES,
  type BudgetOptions,
  DEFAULT_SHARES,
  levelsForDensity,
} from "./reference/levels/budget.ts";
export type { CausalSizes } from "./reference/levels/causal.ts";
export type {
  AssignmentConfig,
  Box,
  ImportanceConfig,
  Level,
  OrderConfig,
  PsaConfig,
  Ratio,
  Shares,
} from "./reference/config/config.ts";
export {
  type ArrangedTokens,
  arrangeTokens,
  blockImportance,
  configDensity,
  type LevelOptions,
  levelsFromImportance,
  psa,
  type PsaResult,
  selectLevels,
} from "./reference/psa.ts";
export {
  type ModelName,
  type Preset,
  presetConfig,
  type PresetOptions,
  presets,
  type PresetSource,
  type VideoShape,
} from "./reference/config/presets.ts";
export { configErrors, type SequenceLengths, validateConfig } from "./reference/config/validate.ts";
export { blockMass, droppedMass, type DroppedOptions, type MassOptions } from "./reference/judge/mass.ts";
export { methodOf, METHODS } from "./reference/methods/mod.ts";
export {
  type MethodInputOptions,
  methodInputs,
  type MethodLayout,
  methodLayout,
} from "./reference/methods/inputs.ts";
export {
  bisected,
  bisectedEntries,
  type BisectOptions,
  importanceCost,
  levelShape,
  massEntries,
  ranked,
  selectionDroppedMass,
  selectionOf,
} from "./reference/methods/select.ts";
export { spargeAttention, type SpargeOptions } from "./reference/methods/mask/spargeattn.ts";
export type {
  Basis,
  BlockMethod,
  BlockSelection,
  Chosen,
  Granularity,
  Method,
  MethodFacts,
  MethodInputs,
  OutputSelection,
  QueryMethod,
  Selection,
  SelectionStatus,
} from "./reference/methods/method.ts";
export {
  Gpu,
  type GpuInfo,
  type GpuOptions,
  NoAdapterError,
  openGpu,
  type PipelineOptions,
} from "./kernels/device/gpu.ts";
export {
  createPsa,
  type ForwardOptions,
  type ForwardResult,
  Psa,
  type PsaSetup,
  type QkvBuffers,
  type StageName,
  type StageTimings,
} from "./kernels/psa.ts";
export type { Timing, TimingOptions } from "./kernels/device/timing.ts";
export { createSlicedPsa, type SlicedPsa } from "./kernels/sliced.ts";
