/**
 * The arithmetic in which attention is computed.
 *
 * @module
 */
import type { PsaPlan } from "../plan.ts";
import { usesMatrices } from "./matrix/code.ts";
import type { AttentionDevice, AttentionKernelOptions } from "./options.ts";

/**
 * The name, in the ladder of the element type, of the arithmetic of every call without a mask: in float16, products are
 * added up in half precision unless all calls have matrix units.
 */
export function arithmeticOfPlan(
  device: AttentionDevice,
  { shape, config: { blockM, causal = false }, dtype }: Pick<PsaPlan, "shape" | "config" | "dtype">,
): string {
  if (dtype === "f32") return "f32";
  const sizes = { shape, blockM, dtype, causal, partial: false };
  const kernels: readonly AttentionKernelOptions[] = [
    { ...sizes, dense: true, group: 8 },
    { ...sizes, dense: false, group: 8 },
    { ...sizes, dense: false, group: 4 },
  ];
  return kernels.every((one) => usesMatrices(device, one)) ? "queries in f16" : "sums of 64 in f16";
}
