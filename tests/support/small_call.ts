/**
 * A small call for tests of how the kernels are used, and its inputs.
 *
 * @module
 */
import { makeWorkload, type PsaSetup, type Qkv } from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";

/** Small enough for a driver in software, with tails in both directions and two heads. */
export const SMALL: PsaSetup = {
  shape: { batch: 1, heads: 2, kvHeads: 1, seqQ: 70, seqK: 90, headDim: 16, valueDim: 8 },
  config: {
    ...{ blockM: 32, blockN: 32, tile: 16, importance: { kind: "pooled" } },
    assignment: { mode: "density", density: 0.5 },
  },
};

/** Seeded inputs of a setup, in the element type of its kernels. */
export function inputsOf({ shape, dtype }: PsaSetup, seed = 1): Qkv<Float32Array> {
  const { qkv } = makeWorkload("gaussian", { ...shape, seed, dtype: dtype === "f16" ? "f16" : "f32" });
  return qkv as Qkv<Float32Array>;
}

/** Puts a function in the place of one of the device's, which is handed to it; gives what puts it back. */
export function replace<
  Name extends "popErrorScope" | "createBuffer" | "createShaderModule" | "createComputePipelineAsync",
>(
  { device }: Gpu,
  name: Name,
  make: (own: GPUDevice[Name]) => GPUDevice[Name],
): () => void {
  const own = device[name].bind(device) as GPUDevice[Name];
  Object.defineProperty(device, name, { value: make(own), configurable: true });
  return () => delete (device as { [key in Name]?: unknown })[name];
}

/**
 * The same device, said to keep so many workgroups busy at once: with one, no call shares its keys among workgroups, with
 * very many, every call does. So a test means the same on a large GPU and in software.
 */
export function withRoom(gpu: Gpu, busyWorkgroups: number): Gpu {
  const scope = gpu.scope();
  scope.info = { ...gpu.info, busyWorkgroups };
  return scope;
}
