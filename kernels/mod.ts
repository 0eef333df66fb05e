/**
 * Public interface of the kernels: Pyramid Sparse Attention on any implementation of WebGPU. It needs only the language and
 * WebGPU: it runs in Deno and in browsers, and in Node with a package that implements WebGPU.
 *
 * @module
 */
export { Gpu, type GpuState, type LiveObjects, type PipelineOptions } from "./device/gpu.ts";
export type { Capabilities, Capabilities as GpuInfo, MatrixShape } from "./device/capabilities.ts";
export { GpuError, type GpuErrorKind, NoAdapterError } from "./device/errors.ts";
export { type GpuOptions, openGpu } from "./device/open/open.ts";
export type { BackendName } from "./device/open/backend.ts";
export {
  createPsa,
  type ForwardOptions,
  type ForwardResult,
  type Given,
  type GivenCorrected,
  type GivenLevels,
  type GivenMask,
  type GivenRule,
  type PreparedCall,
  Psa,
  type PsaSetup,
  type QkvBuffers,
  type Stage,
  type StageName,
  type StageOutputs,
  type StageTimings,
  type TunedSetup,
} from "./psa.ts";
export type { OutputBuffers } from "./buffers.ts";
export type { ComputePass, Encode } from "./device/work/pass.ts";
export type { Timing, TimingOptions } from "./device/work/timing.ts";
export {
  estimate,
  type EstimatedBytes,
  type EstimatedOperations,
  type EstimateOptions,
  type PsaEstimate,
} from "./estimate.ts";
export { type NearestMask, nearestMask } from "./attention/masked/nearest.ts";
export { createSlicedPsa, type SlicedPsa } from "./sliced.ts";
export type { Backflow } from "./truth/gradients.ts";
export { openTruth, Truth, type TruthImportance, type TruthOptions } from "./truth/truth.ts";
