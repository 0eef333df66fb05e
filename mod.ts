/**
 * Pyramid Sparse Attention: the float64 reference, the same stages on the GPU, and what it takes to compare them.
 *
 * @module
 */
export { InputError } from "./reference/errors.ts";
export {
  type DType,
  type FloatData,
  type Qkv,
  type Tensor,
  tensor,
  type TensorData,
} from "./reference/tensor.ts";
export { buildPyramid, type PyramidLevel, type PyramidOptions, type Tail } from "./reference/pyramid.ts";
export {
  type AttentionOptions,
  type AttentionResult,
  denseAttention,
  pyramidAttention,
  type PyramidAttentionOptions,
} from "./reference/attention.ts";
export { compare, type Comparison } from "./reference/metrics.ts";
export {
  attentionTolerance,
  type KernelDType,
  type Tolerance,
  type ToleranceOptions,
} from "./reference/tolerance.ts";
export {
  type AttentionGradient,
  type GradientOptions,
  pyramidAttentionGradient,
} from "./reference/gradient.ts";
export { type ParallelOptions, pyramidAttentionParallel } from "./reference/parallel/parallel.ts";
export {
  type FileDType,
  readSafetensors,
  type SafetensorsFile,
  type WriteOptions,
  writeSafetensors,
} from "./fixtures/safetensors.ts";
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
