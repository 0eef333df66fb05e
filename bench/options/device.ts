/**
 * The options of commands that run kernels: which WebGPU they run on.
 *
 * @module
 */
import { type BackendName, BACKENDS } from "../../kernels/device/open/backend.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { openGpu } from "../../kernels/device/open/open.ts";
import { MATRIX_NAMES } from "../../kernels/device/probe/matrices.ts";
import type { OptionHelp } from "./command_line.ts";
import { type OptionReader, requireName } from "./reader.ts";

/** The implementation of WebGPU. */
export const BACKEND: OptionHelp = {
  name: "backend",
  value: "NAME",
  help: "WebGPU: builtin, dawn (npm's webgpu, if installed) or auto (builtin)",
};

/** Kernels without guards. */
export const UNGUARDED: OptionHelp = {
  name: "unguarded",
  value: "",
  help: "with dawn: indices of kernels are not guarded, which is faster",
};

/** The product of matrix units. */
export const MATRIX: OptionHelp = {
  name: "matrix",
  value: "MxNxK",
  help: "the product of matrix units, such as 16x8x16 (the largest that can be used)",
};

/** Which device a command runs on. */
export interface DeviceChoice {
  /** The implementation of WebGPU. */
  readonly backend: BackendName;
  /** Whether it guards indices. */
  readonly robust: boolean;
  /** The name of the product of matrices that kernels have to use; left out: the largest. */
  readonly matrices?: string;
}

/**
 * The requested device.
 *
 * @param read the options that were given
 * @throws {InputError} if there is no such backend or product
 *
 * @example
 * ```ts
 * import { deviceChoice } from "./device.ts";
 * import { OptionReader } from "./reader.ts";
 * console.log(deviceChoice(new OptionReader({ backend: "dawn" })).backend); // dawn
 * ```
 */
export function deviceChoice(read: OptionReader): DeviceChoice {
  const matrix = read.text("matrix", "");
  return {
    backend: requireName("backend", read.text("backend", "builtin"), BACKENDS),
    robust: !read.flag("unguarded"),
    ...(matrix === "" ? {} : { matrices: requireName("matrix", matrix, MATRIX_NAMES) }),
  };
}

/**
 * Opens the requested device.
 *
 * @param read the options that were given
 * @throws {InputError} if there is no such backend or product, or it is not there
 */
export async function openChosen(read: OptionReader): Promise<Gpu> {
  return await openGpu(deviceChoice(read));
}
