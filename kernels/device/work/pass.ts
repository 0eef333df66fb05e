/**
 * Work in passes: encodes it, and submits it without timing.
 *
 * @module
 */
import type { Gpu } from "../gpu.ts";

/** The part of a pass that kernels use. */
export type ComputePass = Pick<
  GPUComputePassEncoder,
  "setPipeline" | "setBindGroup" | "dispatchWorkgroups" | "dispatchWorkgroupsIndirect"
>;

/** Encodes the work once into a pass. */
export type Encode = (pass: ComputePass) => void;

/** Encodes one pass. */
export function encodePass(
  encoder: GPUCommandEncoder,
  encode: Encode,
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass(timestampWrites ? { timestampWrites } : {});
  encode(pass);
  pass.end();
}

/**
 * Submits pieces of work in one pass, one after the other.
 *
 * @param gpu the device
 * @param encodes the pieces
 * @param options a name for error messages
 */
export async function submitPass(
  gpu: Gpu,
  encodes: readonly Encode[],
  { label }: { readonly label: string },
): Promise<void> {
  await gpu.scoped(label, () => {
    const encoder = gpu.device.createCommandEncoder();
    encodePass(encoder, (pass) => encodes.forEach((encode) => encode(pass)));
    gpu.device.queue.submit([encoder.finish()]);
  });
}
