/**
 * NaN in buffers, so that whoever checks kernels sees an element that nobody wrote. Calls do not do this themselves.
 *
 * @module
 */
import type { Gpu } from "./gpu.ts";
import type { Stage } from "./stage.ts";
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

/** Fills what attention writes, and what a call gives, with {@link POISON}. */
export function poisonOutputs(gpu: Gpu, stages: readonly Stage[]): void {
  const buffers = stages.flatMap(({ outputs }) =>
    Object.entries(outputs).filter(([name]) => name === "out" || name === "lse").map(([, buffer]) => buffer)
  );
  for (const buffer of new Set(buffers)) poison(gpu, buffer);
}
