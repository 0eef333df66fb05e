/**
 * The implementations of WebGPU that a device can be opened with, behind one name.
 *
 * @module
 */
import { InputError } from "../../../reference/errors.ts";
import { findDawn, openDawn } from "./dawn.ts";

/**
 * An implementation of WebGPU: the one of this runtime (`builtin`), Dawn from the package `webgpu` (`dawn`), or Dawn
 * where it is installed and finds an adapter with matrix units, else the runtime's (`auto`).
 */
export type BackendName = "builtin" | "dawn" | "auto";

/** All names of backends. */
export const BACKENDS: readonly BackendName[] = ["builtin", "dawn", "auto"];

/** The feature of devices that multiply matrices in a subgroup. */
export const MATRIX_FEATURE = "chromium-experimental-subgroup-matrix" as GPUFeatureName;

/** An implementation with its name. */
export interface Backend {
  /** Which it is. */
  readonly implementation: "builtin" | "dawn";
  /** Its `GPU` object; undefined if the runtime has none. */
  readonly gpu: GPU | undefined;
}

/**
 * The implementation of a name.
 *
 * @param name which
 * @param options whether Dawn guards every index
 * @throws {InputError} if the name is unknown, or is Dawn and that is not installed
 */
export async function backendOf(
  name: BackendName,
  { robust }: { readonly robust?: boolean } = {},
): Promise<Backend> {
  if (!BACKENDS.includes(name)) {
    throw new InputError(
      `\`backend\` is ${JSON.stringify(name)}; it should be one of ${BACKENDS.join(", ")}.`,
    );
  }
  if (name === "dawn") return { implementation: "dawn", gpu: await openDawn({ robust }) };
  if (name === "auto" && await findDawn() !== undefined) {
    const gpu = await openDawn({ robust }).catch(() => undefined);
    const adapter = await gpu?.requestAdapter({ powerPreference: "high-performance" });
    if (adapter?.features.has(MATRIX_FEATURE)) return { implementation: "dawn", gpu };
  }
  return { implementation: "builtin", gpu: navigator.gpu };
}
