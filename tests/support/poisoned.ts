/**
 * Set-up of random calls on the device: random tensors, buffers that hold NaN before they are used, cases that print as JSON.
 *
 * @module
 */
import fc from "fast-check";
import type { Random, Tensor } from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poison } from "../../kernels/device/poison.ts";
import { replace } from "./small_call.ts";

/** Numbers that whatever does not see them must not feel. */
export type BadNumber = "NaN" | "Infinity" | "-Infinity";

/** One of the {@link BadNumber}s, at random. */
export const badNumbers: fc.Arbitrary<BadNumber> = fc.constantFrom("NaN", "Infinity", "-Infinity");

/** A case that fast-check prints as JSON when it fails. */
export function printed<T extends object>(made: T): T {
  return Object.defineProperty(made, fc.toStringMethod, { value: () => JSON.stringify(made) });
}

/** A tensor of normal numbers in an element type. */
export function normalTensor(
  shape: readonly number[],
  { dtype, random }: { readonly dtype: "f32" | "f16"; readonly random: Random },
): Tensor<Float32Array | Float16Array> {
  const size = shape.reduce((product, each) => product * each, 1);
  const data = new (dtype === "f16" ? Float16Array : Float32Array)(size);
  return { shape, data: data.map(() => random.normal()) };
}

/** A copy of a tensor [batch, heads, tokens, dimension] in which all tokens but the needed ones hold a bad number. */
export function spoiltTensor(
  { data, shape }: Tensor<Float32Array | Float16Array>,
  { bad, isNeeded }: { readonly bad: BadNumber; readonly isNeeded: (head: number, token: number) => boolean },
): Tensor<Float32Array | Float16Array> {
  const spoilt = data.slice(), [, , tokens, dim] = shape;
  for (let at = 0; at < data.length; at += dim) {
    if (!isNeeded(Math.floor(at / dim / tokens), at / dim % tokens)) spoilt.fill(Number(bad), at, at + dim);
  }
  return { data: spoilt, shape };
}

/**
 * Makes every new storage buffer of a device hold NaN.
 *
 * @param gpu the device
 * @param labels gets the label of each new buffer
 * @returns restores the device
 */
export function poisonNewBuffers(gpu: Gpu, labels: string[] = []): () => void {
  return replace(gpu, "createBuffer", (own) => (description) => {
    labels.push(description.label ?? "");
    const buffer = own(description), wanted = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    if ((description.usage & wanted) === wanted) poison(gpu, buffer);
    return buffer;
  });
}
