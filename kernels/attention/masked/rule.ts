/**
 * Rules of keys on the device: kernels make the bits of the keys that every query sees.
 *
 * @module
 */
import type { KeyRule } from "../../../reference/methods/method.ts";
import type { Gpu } from "../../device/gpu.ts";
import { buildBest } from "./best.ts";
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import { buildNearest } from "./nearest.ts";

/**
 * Builds the choice of keys by a rule.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes and tokens
 * @param rule the rule
 * @throws {InputError} if the rule is for another call, or a buffer or a dispatch is beyond a limit of the device
 */
export function buildRule(gpu: Gpu, call: KeyRuleCall, rule: KeyRule): Promise<ChosenBits> {
  return rule.kind === "nearest" ? buildNearest(gpu, call, rule) : buildBest(gpu, call, rule);
}
