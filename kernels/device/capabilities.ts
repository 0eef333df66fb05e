/**
 * The capabilities of a device: the one record from which kernels decide.
 *
 * @module
 */

/** The description, features and limits of a device; goes into every environment record. */
export interface Capabilities {
  /** The adapter's description, or its vendor and architecture where it has none. */
  readonly description: string;
  /** The adapter's vendor. */
  readonly vendor: string;
  /** Which implementation of WebGPU it is: the runtime's own, Dawn, or one that the caller gave. */
  readonly implementation: "builtin" | "dawn" | "given";
  /** The driver below WebGPU: `vulkan`, `gl`, `metal`, `d3d12`, or `unknown`. */
  readonly backend: string;
  /** The features of the device. */
  readonly features: readonly string[];
  /** The limits of the device that kernels depend on. */
  readonly limits: Readonly<Record<string, number>>;
  /** Lanes of a subgroup that shuffles work in; 0 where there are none, or where they are not guaranteed 32 lanes. */
  readonly subgroupSize: number;
  /** The least and the most lanes that a subgroup of any pipeline can have, as the adapter says; 0 if it does not. */
  readonly subgroupSizes: { readonly least: number; readonly most: number };
  /** The line that WGSL with subgroups has to begin with for this compiler; may be empty. */
  readonly subgroupDirective: string;
  /** The products of matrices that a subgroup can do at once, as the adapter lists them. */
  readonly matrixShapes: readonly MatrixShape[];
  /** The one of them that kernels use, after a test of it was right; null where there is none. */
  readonly matrices: MatrixShape | null;
  /**
   * Workgroups of attention that the device runs at once: below that, keys of a query block are shared. It is counted where
   * there are subgroups (probe/room.ts), and 1 where there are none, which is software.
   */
  readonly busyWorkgroups: number;
  /** Nanoseconds per tick of a timestamp; 0 where there are no timestamps. */
  readonly nanosecondsPerTick: number;
}

/** A product of matrices that a subgroup can do at once: M x K by K x N. */
export interface MatrixShape {
  /** Rows of the left factor and of the result. */
  readonly M: number;
  /** Columns of the right factor and of the result. */
  readonly N: number;
  /** Columns of the left factor, rows of the right one. */
  readonly K: number;
  /** Type of the factors, such as `f16`. */
  readonly component: string;
  /** Type of the result, such as `f32`. */
  readonly result: string;
}

/** The limits that a device is asked for, all that its adapter has. */
export const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBuffersPerShaderStage",
] as const;

/** The features that kernels use where the adapter has them. */
export const FEATURES = ["shader-f16", "timestamp-query"] as const;

/** Facts that implementations give of an adapter beside the standard. */
type Told = GPUAdapterInfo & {
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly backend?: string;
  readonly subgroupMatrixConfigs?: readonly {
    readonly M: number;
    readonly N: number;
    readonly K: number;
    readonly componentType: string;
    readonly resultComponentType: string;
  }[];
};

/** The facts that adapter and device report; shuffles and timestamps are tested by running them. */
export function toldCapabilities(
  adapter: GPUAdapter,
  device: GPUDevice,
  implementation: Capabilities["implementation"],
): Capabilities {
  const { description, vendor, architecture } = adapter.info;
  return {
    description: description || `${vendor} ${architecture}`.trim(),
    vendor,
    implementation,
    backend: driverOf(adapter),
    features: [...device.features as unknown as Iterable<string>].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, device.limits[name]])),
    subgroupSize: 0,
    subgroupSizes: subgroupSizesOf(adapter),
    subgroupDirective: "",
    matrixShapes: matrixShapesOf(adapter),
    matrices: null,
    busyWorkgroups: 1,
    nanosecondsPerTick: 0,
  };
}

/** The products of matrices that an adapter lists; may be empty. */
function matrixShapesOf({ info }: GPUAdapter): MatrixShape[] {
  return [...(info as Told).subgroupMatrixConfigs ?? []].map(
    ({ M, N, K, componentType: component, resultComponentType: result }) => ({ M, N, K, component, result }),
  );
}

/** The sizes that WebGPU allows for a subgroup; adapters that give just this know nothing of their own. */
const ANY_LEAST = 4, ANY_MOST = 128;

/** The least and the most lanes of a subgroup; 0 where the adapter does not know. */
export function subgroupSizesOf({ info }: GPUAdapter): Capabilities["subgroupSizes"] {
  const { subgroupMinSize: least = 0, subgroupMaxSize: most = 0 } = info as Told;
  return least === ANY_LEAST && most === ANY_MOST ? { least: 0, most: 0 } : { least, most };
}

/**
 * The driver below WebGPU. Only some implementations say it. On Linux it is Vulkan or, where no driver was found,
 * OpenGL; the latter knows no sizes of subgroups, has no float16 and never stores into BGRA textures, which drivers of
 * Vulkan do.
 */
export function driverOf(adapter: GPUAdapter, platform: string = navigator.platform ?? ""): string {
  const told = (adapter.info as Told).backend;
  if (told) return told.toLowerCase();
  if (/mac|iphone|ipad/i.test(platform)) return "metal";
  if (!/linux/i.test(platform)) return "unknown";
  const lacks = !adapter.features.has("shader-f16") && !adapter.features.has("bgra8unorm-storage");
  return lacks && subgroupSizesOf(adapter).least === 0 ? "gl" : "vulkan";
}
