/**
 * Kernels with their buffers: the dispatches of a pass.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import type { Gpu } from "../gpu.ts";
import type { Encode } from "./pass.ts";

/** The buffers of one dispatch of a kernel, and its number of workgroups. */
export interface Dispatch {
  /** A name for error messages. */
  readonly label: string;
  /** The buffers of bindings 0, 1, 2, …. */
  readonly buffers: readonly GPUBuffer[];
  /** Workgroups along x, y and z. */
  readonly workgroups: readonly number[];
  /** A buffer that holds their number when the kernel runs, at most `workgroups`; left out: `workgroups`. */
  readonly indirect?: { readonly buffer: GPUBuffer; readonly offset: number };
}

/**
 * Builds a kernel and binds its buffers.
 *
 * @param gpu the device
 * @param code WGSL with an entry point `main` and bindings of group 0
 * @param options buffers, workgroups, and the values of the kernel's overrides
 * @returns encodes the dispatch into a pass
 * @throws {InputError} if there are more workgroups than the device allows
 */
export async function buildKernel(
  gpu: Gpu,
  code: string,
  { constants, ...dispatch }: Dispatch & { readonly constants?: Readonly<Record<string, number>> },
): Promise<Encode> {
  const pipeline = await gpu.createPipeline(code, { label: dispatch.label, constants });
  return await bindKernel(gpu, pipeline, dispatch);
}

/**
 * Binds buffers to a built kernel.
 *
 * @param gpu the device
 * @param pipeline the kernel
 * @param dispatch buffers and workgroups
 * @returns encodes the dispatch into a pass
 * @throws {InputError} if there are more workgroups than the device allows
 */
export async function bindKernel(
  gpu: Gpu,
  pipeline: GPUComputePipeline,
  { label, buffers, workgroups, indirect }: Dispatch,
): Promise<Encode> {
  const limit = gpu.info.limits.maxComputeWorkgroupsPerDimension;
  requireInput(
    workgroups.every((count) => count <= limit),
    () =>
      `${label} needs [${workgroups}] workgroups; the limit maxComputeWorkgroupsPerDimension of this adapter is ${limit}.`,
  );
  const [x, y = 1, z = 1] = workgroups;
  const bindings = await gpu.scoped(label, () =>
    gpu.device.createBindGroup({
      label,
      layout: pipeline.getBindGroupLayout(0),
      entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
    }));
  return (pass) => {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindings);
    if (indirect) pass.dispatchWorkgroupsIndirect(indirect.buffer, indirect.offset);
    else pass.dispatchWorkgroups(x, y, z);
  };
}

/** Workgroups in two dimensions, at least `count` of them, each dimension within what every device allows. */
export function spreadWorkgroups(count: number): [number, number] {
  const x = Math.min(count, 32768);
  return [x, Math.ceil(count / x)];
}
