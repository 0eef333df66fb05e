/**
 * Rules of keys on the device: kernels make the bits of the keys that every query sees.
 *
 * @module
 */
import type { KeyRule } from "../../../reference/methods/method.ts";
import type { Gpu } from "../../device/gpu.ts";
import { buildBest } from "./best.ts";
import { buildChanged } from "./changed.ts";
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import { buildEither } from "./either.ts";
import { buildGated } from "./gated.ts";
import { buildListed } from "./listed.ts";
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
  switch (rule.kind) {
    case "nearest":
      return buildNearest(gpu, call, rule);
    case "best":
      return buildBest(gpu, call, rule);
    case "listed":
      return buildListed(gpu, call, rule);
    case "either":
      return buildEither(gpu, call, rule);
    case "changed":
      return buildChanged(gpu, call, rule);
    case "gated":
      return buildGated(gpu, call, rule);
  }
}
