/**
 * Pyramid Sparse Attention: the float64 reference, the same stages on the GPU, and functions that compare them.
 *
 * The rooms can be had one by one: `@psa/harness/reference`, `@psa/harness/kernels` and `@psa/harness/conformance`.
 *
 * @module
 */
export * from "./reference/mod.ts";
export * from "./kernels/mod.ts";
export {
  type FileDType,
  type ReadOptions,
  readSafetensors,
  type SafetensorsFile,
  type WriteOptions,
  writeSafetensors,
} from "./fixtures/safetensors.ts";
export type { WholeDType } from "./fixtures/whole_numbers.ts";
export { type Case, caseName, type CaseStage, matchesFilter, parseCase } from "./fixtures/cases.ts";
export {
  makeWorkload,
  type Workload,
  type WorkloadDType,
  type WorkloadName,
  type WorkloadOptions,
  WORKLOADS,
} from "./fixtures/workloads.ts";
export { loadTrace, type Trace } from "./fixtures/traces.ts";
export { type FileOptions, judgeFile } from "./fixtures/conformance/captures/file.ts";
export type { LargeOptions } from "./fixtures/conformance/captures/large.ts";
export { type CaptureOptions, diagnose, judge } from "./fixtures/conformance/captures/judge.ts";
export type { CaptureFile } from "./fixtures/conformance/captures/capture.ts";
export type { NamedMistake, Report } from "./fixtures/conformance/judge/report.ts";
