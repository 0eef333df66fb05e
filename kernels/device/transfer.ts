/**
 * Moving data between typed arrays and buffers.
 *
 * @module
 */
import type { Gpu } from "./gpu.ts";

/** Bytes that one write may carry: larger ones are cut, so that staging memory stays small. */
const CHUNK = 1 << 26;

/**
 * Writes a typed array into a buffer.
 *
 * @param gpu the device
 * @param buffer where to
 * @param options the data, and the byte at which they begin in the buffer
 */
export function upload(
  gpu: Gpu,
  buffer: GPUBuffer,
  { data, offset = 0 }: { readonly data: ArrayBufferView<ArrayBuffer>; readonly offset?: number },
): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const whole = bytes.length - bytes.length % 4;
  for (let at = 0; at < whole; at += CHUNK) {
    gpu.device.queue.writeBuffer(buffer, offset + at, bytes.subarray(at, Math.min(whole, at + CHUNK)));
  }
  if (whole < bytes.length) {
    const last = new Uint8Array(4);
    last.set(bytes.subarray(whole));
    gpu.device.queue.writeBuffer(buffer, offset + whole, last);
  }
}

/**
 * A new buffer that holds some numbers.
 *
 * @param gpu the device
 * @param label its label
 * @param data the numbers; the buffer has their bytes
 */
export function uploaded(gpu: Gpu, label: string, data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
  const buffer = gpu.createBuffer(label, { size: data.byteLength });
  upload(gpu, buffer, { data });
  return buffer;
}

/**
 * Reads a buffer.
 *
 * @param gpu the device
 * @param buffer what to read; it needs COPY_SRC
 * @param options the byte at which to begin, and how many; default all
 */
export async function download(
  gpu: Gpu,
  buffer: GPUBuffer,
  { offset = 0, size = buffer.size - offset }: { readonly offset?: number; readonly size?: number } = {},
): Promise<ArrayBuffer> {
  const padded = Math.ceil(size / 4) * 4;
  const staging = gpu.createBuffer("read-back", {
    size: padded,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  try {
    await gpu.scoped(`reading ${buffer.label}`, () => {
      const encoder = gpu.device.createCommandEncoder();
      encoder.copyBufferToBuffer(buffer, offset, staging, 0, padded);
      gpu.device.queue.submit([encoder.finish()]);
    });
    // one promise: a device can be lost between the moment when bytes are there and that when they are looked at
    const read = staging.mapAsync(GPUMapMode.READ).then(() => {
      const bytes = staging.getMappedRange().slice(0, size);
      staging.unmap();
      return bytes;
    });
    return await gpu.wait(read, { label: `reading ${buffer.label}` });
  } finally {
    gpu.destroyBuffer(staging);
  }
}
