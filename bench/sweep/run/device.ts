/**
 * The device of a run, which continues when the device fails: a new one is opened, and the failed work is tried again.
 *
 * @module
 */
import { GpuError } from "../../../kernels/device/errors.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { openGpu } from "../../../kernels/device/open/open.ts";

/** The outcome of work: its result, or the fault that it met twice; null: no device could be opened any more. */
export type Attempt<Result> = { readonly result: Result } | { readonly fault: GpuError | null };

/** A device that is replaced when it fails. */
export class RunDevice implements Disposable {
  #gpu: Gpu | null;
  #own: Gpu | undefined;
  readonly #open: () => Promise<Gpu>;
  readonly #onReplaced: () => void;

  /**
   * Begins with a device that is open.
   *
   * @param gpu the device, which stays the caller's to close
   * @param options what to do once a device is closed and before another is in its place, and what opens one
   *
   * @example
   * ```ts
   * import { openGpu } from "../../../kernels/device/open/open.ts";
   * import { RunDevice } from "./device.ts";
   * using gpu = await openGpu();
   * using device = new RunDevice(gpu, { onReplaced: () => {} });
   * console.log(await device.attempt((gpu) => Promise.resolve(gpu.info.limits.maxBufferSize > 0))); // { result: true }
   * ```
   */
  constructor(
    gpu: Gpu,
    { onReplaced, open = openGpu }: {
      readonly onReplaced: () => void;
      readonly open?: () => Promise<Gpu>;
    },
  ) {
    [this.#gpu, this.#onReplaced, this.#open] = [gpu, onReplaced, open];
  }

  /**
   * Works on the device. If it fails, another is opened and the work is done once more; if that fails too, another is
   * opened for the work that comes next.
   *
   * @param work what to do; it may be called twice
   * @returns its result, or the fault
   */
  async attempt<Result>(work: (gpu: Gpu) => Promise<Result>): Promise<Attempt<Result>> {
    let fault: GpuError | null = null;
    for (let round = 0; round < 2; round++) {
      if (this.#gpu === null) return { fault };
      try {
        return { result: await work(this.#gpu) };
      } catch (error) {
        if (!(error instanceof GpuError)) throw error;
        fault = error;
        await this.#replace();
      }
    }
    return { fault };
  }

  async #replace(): Promise<void> {
    this.#onReplaced();
    this.#own?.[Symbol.dispose]();
    this.#own = undefined;
    try {
      this.#own = await this.#open();
    } catch {
      this.#own = undefined; // what is left of the run is told as skipped
    }
    this.#gpu = this.#own ?? null;
  }

  /** Closes the device that replaced the first; the first is closed by its opener. */
  [Symbol.dispose](): void {
    this.#own?.[Symbol.dispose]();
  }
}

/** The status of a row whose kernel met a fault twice. */
export function statusOfFault(fault: GpuError | null): "lost" | "failed" | "skipped" {
  if (fault === null) return "skipped";
  return fault.kind === "lost" || fault.kind === "disposed" ? "lost" : "failed";
}
