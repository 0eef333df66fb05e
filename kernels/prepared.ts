/**
 * Prepared calls: they can run until they are freed; a running call is freed when it has ended.
 *
 * @module
 */
import type { PreparedCall } from "./calls.ts";
import { GpuError } from "./device/errors.ts";
import { requireOptions, requireTiming, TIMING_OPTIONS } from "./door.ts";

/**
 * Refuses to use a call after it was freed, and frees its buffers only when it does not run.
 *
 * @param call the functions that run it and free it
 * @throws {GpuError} of kind `disposed`, from calls after `free`
 */
export function guardedCall({ stages, forward, run, time, free }: PreparedCall): PreparedCall {
  let running = 0, isFreed = false;
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (isFreed) {
      const message = "This call has been freed; prepare another one.";
      throw new GpuError(message, { kind: "disposed", label: "this call" });
    }
    running++;
    try {
      return await work();
    } finally {
      if (--running === 0 && isFreed) free();
    }
  };
  return {
    stages,
    forward: () => guarded(forward),
    run: () => guarded(run),
    time: (options) =>
      guarded(async () => {
        requireOptions(options, TIMING_OPTIONS);
        requireTiming(options ?? {});
        return await time(options);
      }),
    free: () => {
      if (isFreed) return;
      isFreed = true;
      if (running === 0) free();
    },
  };
}
