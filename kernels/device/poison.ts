/**
 * Fills buffers with NaN, so that tests of kernels see elements that were not written. Calls do not do this themselves.
 *
 * @module
 */
import type { Gpu } from "./gpu.ts";
import type { Stage } from "./work/stage.ts";
import { upload } from "./transfer.ts";

/** NaN, as f32 and as f16. */
export const POISON = 0x7fff7fff;

/** Bytes that are written at a time. */
const CHUNK = 1 << 26;

/** Fills a buffer with {@link POISON}. */
export function poison(gpu: Gpu, buffer: GPUBuffer): void {
  const size = Math.min(buffer.size, CHUNK);
  const nans = new Uint32Array(size / 4).fill(POISON);
  for (let offset = 0; offset < buffer.size; offset += size) {
    upload(gpu, buffer, { data: nans.subarray(0, Math.min(size, buffer.size - offset) / 4), offset });
  }
}

/** Fills the outputs of attention, and of the call, with {@link POISON}. */
export function poisonOutputs(gpu: Gpu, stages: readonly Stage[]): void {
  const buffers = stages.flatMap(({ outputs }) =>
    Object.entries(outputs).filter(([name]) => name === "out" || name === "lse").map(([, buffer]) => buffer)
  );
  for (const buffer of new Set(buffers)) poison(gpu, buffer);
}
