/**
 * Software adapters, which run on the CPU: times on them say nothing about a GPU.
 *
 * @module
 */

/** How such adapters call themselves. */
const SOFTWARE = /llvmpipe|lavapipe|softpipe|swiftshader|basic render|warp/i;

/**
 * Whether an adapter is emulated on the CPU.
 *
 * @param description what the adapter calls itself
 *
 * @example
 * ```ts
 * import { isSoftware } from "./adapter.ts";
 * console.log(isSoftware("llvmpipe (LLVM 15.0.6, 256 bits)"), isSoftware("NVIDIA H200")); // true false
 * ```
 */
export function isSoftware(description: string): boolean {
  return SOFTWARE.test(description);
}
