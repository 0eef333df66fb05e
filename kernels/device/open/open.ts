/**
 * Opens a device: reads its features and limits, and tests capabilities that no feature lists.
 *
 * @module
 */
import { InputError } from "../../../reference/errors.ts";
import { type BackendName, backendOf, MATRIX_FEATURE } from "./backend.ts";
import { type Capabilities, FEATURES, LIMITS, toldCapabilities } from "../capabilities.ts";
import { NoAdapterError } from "../errors.ts";
import { Gpu } from "../gpu.ts";
import { requireGpuOptions } from "./options.ts";
import { probeMatrices } from "../probe/matrices.ts";
import { probeRoom } from "../probe/room.ts";
import { probeSubgroups } from "../probe/subgroups.ts";
import { probeTick } from "../probe/tick.ts";

/** Options of {@link openGpu}. */
export interface GpuOptions {
  /** The WebGPU implementation, by name; default `builtin`. */
  readonly backend?: BackendName;
  /** A WebGPU implementation without a name. */
  readonly gpu?: GPU;
  /**
   * Whether Dawn guards every index of a kernel; default true. Without, kernels with matrices are a quarter faster, and
   * a kernel that is wrong can read and write anywhere in the memory of this device.
   */
  readonly robust?: boolean;
  /** Whether kernels may use subgroups where the device has them; default true. */
  readonly subgroups?: boolean;
  /**
   * Whether kernels may use matrix units where the device has them; default true. A name such as `16x8x16`, M x N x K, is the
   * product that they have to use.
   */
  readonly matrices?: boolean | string;
  /** Whether OpenGL is accepted if there is no Vulkan driver; default false: it is slow, and known to hang. */
  readonly allowGl?: boolean;
  /** Milliseconds that one wait for the device may take before it counts as hanging; default ten minutes. */
  readonly patience?: number;
  /** Called with a sentence when the device reports an error that no call was waiting for; default: thrown later. */
  readonly onError?: (sentence: string) => void;
}

/** Implementations in use. They are kept, because devices of Dawn's package stop working once it is garbage-collected. */
const IMPLEMENTATIONS = new Set<GPU>();

/**
 * Opens a device with all limits that its adapter has, and the features that the kernels use.
 *
 * @param options the WebGPU implementation, and what kernels may use
 * @throws {NoAdapterError} if there is no adapter
 * @throws {InputError} if the only adapter is OpenGL's and `allowGl` is not set, Dawn is requested and not installed, or kernels cannot use the
 * requested product of matrices
 *
 * @example
 * ```ts
 * import { openGpu } from "./open.ts";
 * using gpu = await openGpu();
 * console.log(gpu.info.limits.maxBufferSize > 0); // true
 * ```
 */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  requireGpuOptions(options);
  const { implementation, gpu: door } = options.gpu
    ? { implementation: "given" as const, gpu: options.gpu }
    : await backendOf(options.backend ?? "builtin", options);
  const adapter = await door?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    const of = implementation === "dawn" ? "of Dawn " : "";
    throw new NoAdapterError(
      `No WebGPU adapter ${of}was found; a Vulkan, Metal or Direct3D 12 driver is needed.`,
    );
  }
  const device = await requestDevice(adapter);
  const told = toldCapabilities(adapter, device, implementation);
  if (told.backend === "gl" && options.allowGl !== true) {
    device.destroy();
    throw new InputError(
      `The only WebGPU adapter is OpenGL's (${told.description}), on which kernels can hang; install a Vulkan driver, or ` +
        "call openGpu({ allowGl: true }).",
    );
  }
  IMPLEMENTATIONS.add(door!);
  const gpu = new Gpu(device, told, options);
  try {
    gpu.info = await probe(gpu, options);
  } catch (error) {
    gpu[Symbol.dispose]();
    throw error;
  }
  return gpu;
}

/** Features that implementations grant without listing them: shuffles, and float64 in shaders, which only the truth needs. */
const UNLISTED = ["subgroups", "wgpu-shader-f64"] as GPUFeatureName[];

/** Requests features that adapters do not list, without those that are refused. */
async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  const listed: GPUFeatureName[] = [...FEATURES, MATRIX_FEATURE].filter((name) => adapter.features.has(name));
  for (const unlisted of [UNLISTED, ...UNLISTED.map((name) => [name])]) {
    try {
      return await adapter.requestDevice({ requiredFeatures: [...listed, ...unlisted], requiredLimits });
    } catch {
      continue; // one of them is unknown or refused
    }
  }
  return await adapter.requestDevice({ requiredFeatures: listed, requiredLimits });
}

/** Tests capabilities that no feature lists: shuffles of subgroups, products of matrices, and the length of a tick. */
async function probe(
  gpu: Gpu,
  { subgroups = true, matrices = true }: Pick<GpuOptions, "subgroups" | "matrices">,
): Promise<Capabilities> {
  const shuffles = subgroups ? await probeSubgroups(gpu) : { size: 0, directive: "" };
  const isTimed = gpu.has("timestamp-query");
  // Dawn's timestamps are nanoseconds. They cannot be compared with a clock of the CPU: Dawn answers late at times
  const nanosecondsPerTick = !isTimed ? 0 : gpu.info.implementation === "dawn" ? 1 : await probeTick(gpu);
  return {
    ...gpu.info,
    nanosecondsPerTick,
    subgroupSize: shuffles.size,
    busyWorkgroups: shuffles.size > 0 ? await probeRoom(gpu) : 1,
    subgroupDirective: shuffles.directive,
    matrices: subgroups && matrices !== false ? await probeMatrices(gpu, matrices) : null,
  };
}
