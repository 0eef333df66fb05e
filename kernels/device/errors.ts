/**
 * The errors of a device.
 *
 * @module
 */
import { InputError } from "../../reference/errors.ts";

/** No WebGPU adapter was found: there is no driver that WebGPU can use. */
export class NoAdapterError extends InputError {}

/**
 * The kind of an error: the device was lost, has no memory left, refused a shader or a call (`validation`), did not
 * finish in time, failed otherwise (`internal`), or the object was disposed of.
 */
export type GpuErrorKind =
  | "lost"
  | "out-of-memory"
  | "compile"
  | "validation"
  | "timeout"
  | "internal"
  | "disposed";

/** An error of the device, or of its use. */
export class GpuError extends Error {
  /** The kind of the error. */
  readonly kind: GpuErrorKind;
  /** The work that was running: a kernel, a transfer, a call. */
  readonly label: string;
  /** The stage of the method that it belongs to; undefined outside of any. */
  readonly stage: string | undefined;

  /** Makes an error. */
  constructor(
    message: string,
    { kind, label, stage }: { readonly kind: GpuErrorKind; readonly label: string; readonly stage?: string },
  ) {
    super(message);
    this.name = "GpuError";
    [this.kind, this.label, this.stage] = [kind, label, stage];
  }
}

/** The error of an error scope, typed. */
export function scopeError(error: GPUError, { label }: { readonly label: string }): GpuError {
  const name = error.constructor.name; // implementations have classes of their own
  const kind = name === "GPUOutOfMemoryError"
    ? "out-of-memory"
    : name === "GPUValidationError"
    ? "validation"
    : "internal";
  return new GpuError(`${label}: ${error.message}`, { kind, label });
}

/** Turns any error into a {@link GpuError}; a {@link GpuError} or an {@link InputError} is returned as it is. */
export function asGpuError(
  error: unknown,
  { kind, label }: { readonly kind: GpuErrorKind; readonly label: string },
): Error {
  if (error instanceof GpuError || error instanceof InputError) return error;
  return new GpuError(`${label}: ${(error as Error)?.message ?? error}`, { kind, label });
}

/** Runs the work of a stage, whose errors then name it. */
export async function inStage<Result>(stage: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof GpuError) || error.stage !== undefined) throw error;
    throw new GpuError(error.message, { kind: error.kind, label: error.label, stage });
  }
}
