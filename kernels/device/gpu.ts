/**
 * The one place that owns adapter, device, pipelines and buffers, and frees them.
 *
 * @module
 */
import { InputError, requireInput } from "../../reference/errors.ts";
import { probeSubgroups } from "./probe/subgroups.ts";
import { calibrateTimestamps } from "./timing.ts";

/** No WebGPU adapter was found: there is no driver that WebGPU can use. */
export class NoAdapterError extends InputError {}

/** Options of {@link openGpu}. */
export interface GpuOptions {
  /** The WebGPU implementation; default the built-in one. */
  readonly gpu?: GPU;
  /** Whether kernels may use subgroups where the device has them; default true. */
  readonly subgroups?: boolean;
  /** Called with a sentence when the device reports an error that no call was waiting for; default: thrown later. */
  readonly onError?: (sentence: string) => void;
}

/** What a device is and has; goes into every environment record. */
export interface GpuInfo {
  /** The adapter's description, or its vendor and architecture where it has none. */
  readonly description: string;
  /** The adapter's vendor. */
  readonly vendor: string;
  /** The features of the device. */
  readonly features: readonly string[];
  /** The limits of the device that kernels depend on. */
  readonly limits: Readonly<Record<string, number>>;
  /** Lanes of a subgroup that shuffles work in; 0 where there are none. */
  readonly subgroupSize: number;
  /** Nanoseconds a tick of a timestamp; 0 where there are no timestamps. */
  readonly nanosecondsPerTick: number;
}

/** How a compute pipeline is built. */
export interface PipelineOptions {
  /** A name for error messages. */
  readonly label: string;
  /** Values of the kernel's overrides. */
  readonly constants?: Readonly<Record<string, number>>;
}

const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBuffersPerShaderStage",
] as const;

const FEATURES = ["shader-f16", "timestamp-query"] as const;

/** Implementations in use, kept: some, as Dawn's package, take their devices with them when they are collected. */
const IMPLEMENTATIONS = new Set<GPU>();

/**
 * Opens a device with all limits that its adapter has, and the features that the kernels use.
 *
 * @param options the WebGPU implementation, and what kernels may use
 * @throws {NoAdapterError} if there is no adapter
 *
 * @example
 * ```ts
 * import { openGpu } from "./gpu.ts";
 * using gpu = await openGpu();
 * console.log(gpu.info.description);
 * ```
 */
export async function openGpu(options: GpuOptions = {}): Promise<Gpu> {
  const implementation = options.gpu ?? navigator.gpu;
  const adapter = await implementation?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) {
    throw new NoAdapterError("No WebGPU adapter was found; a Vulkan, Metal or Direct3D 12 driver is needed.");
  }
  const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
  const features = FEATURES.filter((name) => adapter.features.has(name));
  const device = await requestDevice(adapter, features, requiredLimits);
  IMPLEMENTATIONS.add(implementation);
  const gpu = new Gpu(device, infoOf(device, adapter), options);
  try {
    await gpu.probe(options.subgroups ?? true);
  } catch (error) {
    gpu[Symbol.dispose]();
    throw error;
  }
  return gpu;
}

/** Asks for subgroups although adapters do not list them, and does without where that is refused. */
async function requestDevice(
  adapter: GPUAdapter,
  features: readonly GPUFeatureName[],
  requiredLimits: Record<string, number>,
): Promise<GPUDevice> {
  try {
    const requiredFeatures = [...features, "subgroups" as GPUFeatureName];
    return await adapter.requestDevice({ requiredFeatures, requiredLimits });
  } catch {
    return await adapter.requestDevice({ requiredFeatures: [...features], requiredLimits });
  }
}

/** What a device tells of itself; shuffles and timestamps are found out by {@link Gpu.probe}. */
function infoOf(device: GPUDevice, { info: { description, vendor, architecture } }: GPUAdapter): GpuInfo {
  return {
    description: description || `${vendor} ${architecture}`.trim(),
    vendor,
    features: [...device.features as unknown as Iterable<string>].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, device.limits[name]])),
    subgroupSize: 0,
    nanosecondsPerTick: 0,
  };
}

/** What the device reported while nobody waited, and what was running then. */
interface DeviceState {
  trouble: string | null;
  running: string;
  disposed: boolean;
  subgroupDirective: string;
  /** Pipelines that are built, by text and constants: scopes share them. */
  readonly pipelines: Map<string, GPUComputePipeline>;
}

/** An open device, or a scope of one. Everything that it makes is freed when it is disposed of. */
export class Gpu implements Disposable {
  /** What the device is and has. */
  info: GpuInfo;
  /** The device itself. */
  readonly device: GPUDevice;
  #buffers = new Set<GPUBuffer>();
  #state: DeviceState;
  #isScope: boolean;
  #guard: number;

  /** Use {@link openGpu}, or {@link Gpu.scope}. */
  constructor(
    device: GPUDevice,
    info: GpuInfo,
    { onError, state, guard = 0 }: GpuOptions & { state?: DeviceState; guard?: number } = {},
  ) {
    this.#guard = guard;
    this.device = device;
    this.info = info;
    this.#isScope = state !== undefined;
    this.#state = state ??
      { trouble: null, running: "nothing", disposed: false, subgroupDirective: "", pipelines: new Map() };
    if (state === undefined) this.#listen(onError);
  }

  #listen(onError?: (sentence: string) => void): void {
    const state = this.#state;
    this.device.addEventListener("uncapturederror", (event) => {
      const { message } = (event as GPUUncapturedErrorEvent).error;
      const sentence = `The GPU reported an error while ${state.running} ran: ${message}`;
      state.trouble ??= sentence;
      onError?.(sentence);
    });
    this.device.lost.then(({ message }) => {
      if (!state.disposed) state.trouble ??= `The GPU was lost while ${state.running} ran: ${message}`;
    });
  }

  /** Bytes of the buffers that were made here and are not freed. */
  get bytes(): number {
    return [...this.#buffers].reduce((sum, { size }) => sum + size, 0);
  }

  /**
   * A scope on the same device: what it makes is freed when the scope is disposed of, and the device lives on.
   *
   * @param options `guard`: bytes that every storage buffer gets behind its end, so that a kernel's writes beyond it are
   * seen instead of dropped; default those of this scope
   */
  scope({ guard = this.#guard }: { readonly guard?: number } = {}): Gpu {
    return new Gpu(this.device, this.info, { state: this.#state, guard });
  }

  /** What the device's compiler wants at the beginning of text that uses subgroups; found out by {@link Gpu.probe}. */
  get subgroupDirective(): string {
    return this.#state.subgroupDirective;
  }
  set subgroupDirective(directive: string) {
    this.#state.subgroupDirective = directive;
  }

  /** Finds out by running it what no feature tells: shuffles of subgroups, and the length of a tick. */
  async probe(subgroups: boolean): Promise<void> {
    const subgroupSize = subgroups ? await probeSubgroups(this) : 0;
    const nanosecondsPerTick = this.has("timestamp-query") ? await calibrateTimestamps(this) : 0;
    this.info = { ...this.info, subgroupSize, nanosecondsPerTick };
  }

  /** Whether the device has a feature. */
  has(feature: string): boolean {
    return this.info.features.includes(feature);
  }

  /**
   * Makes a buffer.
   *
   * @param label a name for error messages
   * @param options size in bytes, and usage; default storage that can be copied to and from
   * @throws {InputError} if the size is over a limit of the device, which is named
   */
  createBuffer(
    label: string,
    { size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST }: {
      readonly size: number;
      readonly usage?: number;
    },
  ): GPUBuffer {
    this.requireSize(label, size, usage);
    const guard = usage & GPUBufferUsage.STORAGE ? this.#guard : 0;
    const padded = Math.max(16, Math.ceil((size + guard) / 16) * 16);
    const buffer = this.device.createBuffer({ label, size: padded, usage });
    this.#buffers.add(buffer);
    return buffer;
  }

  /**
   * Throws unless a buffer of this size can be made and bound.
   *
   * @throws {InputError} naming the limit
   */
  requireSize(label: string, size: number, usage: number = GPUBufferUsage.STORAGE): void {
    const names = usage & GPUBufferUsage.STORAGE
      ? ["maxStorageBufferBindingSize", "maxBufferSize"]
      : ["maxBufferSize"];
    for (const name of names) {
      const limit = this.info.limits[name];
      requireInput(
        size <= limit,
        () => `${label} needs ${size} bytes; the limit ${name} of this adapter is ${limit}.`,
      );
    }
  }

  /** Frees a buffer before the device is disposed of. */
  destroyBuffer(buffer: GPUBuffer): void {
    if (this.#buffers.delete(buffer)) buffer.destroy();
  }

  /**
   * Builds a compute pipeline from WGSL with an entry point `main`; the same text is built once a device.
   *
   * @throws {Error} what the compiler says, with the label
   */
  async createPipeline(code: string, { label, constants }: PipelineOptions): Promise<GPUComputePipeline> {
    const text = code.includes("subgroup") ? this.subgroupDirective + code : code;
    const key = JSON.stringify([text, constants]), built = this.#state.pipelines.get(key);
    if (built !== undefined) return built;
    const pipeline = await this.scoped(label, () => {
      const module = this.device.createShaderModule({ label, code: text });
      const compute = { module, entryPoint: "main", constants: { ...constants } };
      return this.device.createComputePipeline({ label, layout: "auto", compute });
    });
    this.#state.pipelines.set(key, pipeline);
    return pipeline;
  }

  /** Runs WebGPU calls in error scopes, so that what they report is thrown with the label. */
  async scoped<Result>(label: string, calls: () => Result): Promise<Result> {
    this.throwTrouble();
    this.#state.running = label;
    for (const filter of ["validation", "out-of-memory", "internal"] as const) {
      this.device.pushErrorScope(filter);
    }
    let result: Result | undefined, thrown: unknown;
    try {
      result = calls();
    } catch (error) {
      thrown = error;
    }
    const errors = [];
    for (let i = 0; i < 3; i++) errors.push(await this.device.popErrorScope());
    const [error] = errors.filter((each) => each !== null);
    if (error) throw new Error(`${label}: ${error.message}`);
    if (thrown !== undefined) throw new Error(`${label}: ${(thrown as Error).message}`);
    this.throwTrouble();
    return result as Result;
  }

  /** Throws what the device reported while nobody waited. */
  throwTrouble(): void {
    if (this.#state.trouble !== null) throw new Error(this.#state.trouble);
  }

  /** Frees the buffers and, unless this is a scope, the device. */
  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.clear();
    if (this.#isScope) return;
    this.#state.disposed = true;
    this.device.destroy();
  }
}
