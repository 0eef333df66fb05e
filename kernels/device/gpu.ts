/**
 * The owner of device, pipelines and buffers, which frees them.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import type { Capabilities } from "./capabilities.ts";
import { asGpuError, GpuError, scopeError } from "./errors.ts";
import {
  type GpuState,
  type LiveObjects,
  MOST_PIPELINES,
  newShared,
  NOTICE,
  type PipelineOptions,
  type Shared,
} from "./shared.ts";
export type { GpuState, LiveObjects, PipelineOptions } from "./shared.ts";

/** An open device, or a scope of one. Everything that it makes is freed when it is disposed of. */
export class Gpu implements Disposable {
  /** The capabilities of the device. */
  info: Capabilities;
  /** The device itself. */
  readonly device: GPUDevice;
  #buffers = new Set<GPUBuffer>();
  #shared: Shared;
  #isScope: boolean;
  #guard: number;

  /** Use {@link openGpu}, or {@link Gpu.scope}. */
  constructor(
    device: GPUDevice,
    info: Capabilities,
    { onError, patience, shared, guard = 0 }: GpuState & { shared?: Shared; guard?: number } = {},
  ) {
    this.device = device;
    this.info = info;
    this.#guard = guard;
    this.#isScope = shared !== undefined;
    this.#shared = shared ?? newShared(patience);
    if (shared === undefined) this.#listen(onError);
  }

  #listen(onError?: (sentence: string) => void): void {
    const shared = this.#shared;
    this.device.addEventListener("uncapturederror", (event) => {
      const { error } = event as GPUUncapturedErrorEvent;
      const { kind } = scopeError(error, { label: shared.running });
      const sentence = `The GPU reported an error while ${shared.running} ran: ${error.message}`;
      shared.trouble ??= new GpuError(sentence, { kind, label: shared.running });
      onError?.(sentence);
    });
    this.device.lost.then(({ message }) => {
      const sentence = `The GPU was lost while ${shared.running} ran: ${message}`;
      shared.gone ??= new GpuError(sentence, { kind: "lost", label: shared.running });
    });
  }

  /** Bytes of the buffers that were made here and are not freed. */
  get bytes(): number {
    return [...this.#buffers].reduce((sum, { size }) => sum + size, 0);
  }

  /** Counts of the objects alive on the device, in all scopes: a growing count shows objects that calls did not free. */
  get live(): LiveObjects {
    const { live, pipelines } = this.#shared;
    const bytes = [...live].reduce((sum, { size }) => sum + size, 0);
    return { buffers: live.size, bytes, pipelines: pipelines.size };
  }

  /**
   * A scope on the same device: its objects are freed when the scope is disposed of; the device stays open.
   *
   * @param options `guard`: bytes that every storage buffer gets behind its end, so that a kernel's writes beyond it are
   * seen instead of dropped; default those of this scope
   */
  scope({ guard = this.#guard }: { readonly guard?: number } = {}): Gpu {
    return new Gpu(this.device, this.info, { shared: this.#shared, guard });
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
   * @throws {InputError} naming the limit of the device that the size exceeds
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
    this.device.pushErrorScope("out-of-memory");
    const buffer = this.device.createBuffer({ label, size: padded, usage });
    const shared = this.#shared;
    shared.allocations.push(
      this.device.popErrorScope().then((error) => {
        if (error === null) return;
        const message = `There is no memory for ${label}, ${size} bytes: ${error.message}`;
        shared.trouble ??= new GpuError(message, { kind: "out-of-memory", label });
      }, () => {}),
    );
    this.#buffers.add(buffer);
    shared.live.add(buffer);
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
    if (this.#buffers.delete(buffer)) this.#destroy(buffer);
  }

  #destroy(buffer: GPUBuffer): void {
    this.#shared.live.delete(buffer);
    buffer.destroy();
  }

  /**
   * Builds a compute pipeline from WGSL with an entry point `main`; the same text is built once per device.
   *
   * @throws {GpuError} the message of the compiler, with the label
   */
  async createPipeline(code: string, { label, constants }: PipelineOptions): Promise<GPUComputePipeline> {
    const key = JSON.stringify([code, constants]), { pipelines } = this.#shared;
    const built = pipelines.get(key) ?? this.#compile(code, { label, constants });
    pipelines.delete(key);
    pipelines.set(key, built);
    if (pipelines.size > MOST_PIPELINES) pipelines.delete(pipelines.keys().next().value!);
    try {
      return await built;
    } catch (error) {
      pipelines.delete(key);
      throw error;
    }
  }

  async #compile(code: string, { label, constants }: PipelineOptions): Promise<GPUComputePipeline> {
    const { device } = this;
    // Dawn's package asks for the end of asynchronous work all the time, which takes the lock that its compiler needs:
    // kernels were compiled in twice the time when it did so without a pause (open/dawn_wait.ts).
    const waits = this.info.implementation !== "dawn" &&
      typeof device.createComputePipelineAsync === "function";
    try {
      const { pipeline } = await this.scoped(label, () => {
        const module = device.createShaderModule({ label, code });
        const compute = { module, entryPoint: "main", constants: { ...constants } };
        const description = { label, layout: "auto" as const, compute };
        const pipeline = waits
          ? device.createComputePipelineAsync(description)
          : Promise.resolve(device.createComputePipeline(description));
        pipeline.catch(() => {}); // it is awaited below, unless the scope has an error of its own
        return { pipeline };
      });
      return await this.wait(pipeline, { label });
    } catch (error) {
      const { kind, label: of } = asGpuError(error, { kind: "compile", label }) as GpuError;
      const isOurs = of === label && (kind === "compile" || kind === "validation" || kind === "internal");
      if (!isOurs) throw error; // lost, late, or reported of something that ran before
      const message = (error as Error).message;
      throw new GpuError(message.startsWith(label) ? message : `${label}: ${message}`, {
        kind: "compile",
        label,
      });
    }
  }

  /**
   * Runs WebGPU calls in error scopes, so that their errors are thrown with the label. Scopes are opened and closed
   * before anything is awaited, so simultaneous calls do not get each other's errors.
   *
   * @throws {GpuError} an error that the device reports
   */
  async scoped<Result>(label: string, calls: () => Result): Promise<Result> {
    this.throwTrouble();
    this.#shared.running = label;
    for (const filter of ["validation", "out-of-memory", "internal"] as const) {
      this.device.pushErrorScope(filter);
    }
    let result: Result | undefined, thrown: Error | undefined;
    try {
      result = calls();
    } catch (error) {
      thrown = asGpuError(error, { kind: "validation", label });
    }
    const popped = [1, 2, 3].map(() => this.device.popErrorScope());
    const made = this.#shared.allocations;
    this.#shared.allocations = [];
    const [errors] = await this.wait(Promise.all([Promise.all(popped), ...made]), { label });
    const error = errors.find((each) => each !== null);
    this.throwTrouble();
    if (error) throw scopeError(error, { label });
    if (thrown !== undefined) throw thrown;
    return result as Result;
  }

  /**
   * Waits for the device, but not forever.
   *
   * @param promise work of the device
   * @param options the name of the work, for the error
   * @throws {GpuError} if the device is lost, fails, or takes longer than `openGpu` was told to wait
   */
  async wait<Result>(promise: Promise<Result>, { label }: { readonly label: string }): Promise<Result> {
    const { patience } = this.#shared;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `${label} did not finish within ${
          patience / 1000
        } seconds; the device hangs or is far too slow.`;
        reject(new GpuError(message, { kind: "timeout", label }));
      }, patience);
    });
    try {
      return await Promise.race([promise, late]);
    } catch (error) {
      await this.#noticeLoss();
      this.#throwGone();
      throw asGpuError(error, { kind: "internal", label });
    } finally {
      clearTimeout(timer);
    }
  }

  /** An error that a lost device causes may be reported before the loss itself: waits a moment for the loss. */
  async #noticeLoss(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const enough = new Promise((done) => timer = setTimeout(done, NOTICE));
    await Promise.race([this.device.lost, enough]);
    clearTimeout(timer);
  }

  /** Throws an error that the device reported while no call waited: once, or always if the device is lost. */
  throwTrouble(): void {
    this.#throwGone();
    const { trouble } = this.#shared;
    this.#shared.trouble = null;
    if (trouble !== null) throw trouble;
  }

  #throwGone(): void {
    if (this.#shared.gone !== null) throw this.#shared.gone;
  }

  /** Frees the buffers and, unless this is a scope, the device. */
  [Symbol.dispose](): void {
    for (const buffer of this.#buffers) this.#destroy(buffer);
    this.#buffers.clear();
    if (this.#isScope) return;
    const message = "The GPU was closed; open another one with openGpu.";
    this.#shared.gone ??= new GpuError(message, { kind: "disposed", label: this.#shared.running });
    for (const buffer of [...this.#shared.live]) this.#destroy(buffer); // those of scopes that are still open
    this.#shared.pipelines.clear();
    this.device.destroy();
  }
}
