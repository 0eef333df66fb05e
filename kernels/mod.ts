/**
 * The door of the kernels: Pyramid Sparse Attention on any implementation of WebGPU. Uses nothing but the language and
 * WebGPU: it runs in Deno and in browsers, and in Node with a package that implements WebGPU.
 *
 * @module
 */
export {
  Gpu,
  type GpuInfo,
  type GpuOptions,
  NoAdapterError,
  openGpu,
  type PipelineOptions,
} from "./device/gpu.ts";
export {
  createPsa,
  type ForwardOptions,
  type ForwardResult,
  Psa,
  type PsaSetup,
  type QkvBuffers,
  type StageName,
  type StageTimings,
} from "./psa.ts";
export type { Timing, TimingOptions } from "./device/timing.ts";
export { createSlicedPsa, type SlicedPsa } from "./sliced.ts";
