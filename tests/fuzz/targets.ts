/**
 * All that is fuzzed.
 *
 * @module
 */
import { attention, method, unseen } from "./kernels.ts";
import { csv, declaration, manifest, outputs } from "./readers/folders.ts";
import { capture, raw, safetensors, trace } from "./readers/tensors.ts";
import { caseText, commandLine, setup, sweepConfig } from "./readers/words.ts";
import type { Target } from "./target.ts";

/** Targets as such, whatever their cases are: each draws and checks its own. */
function listed(...targets: readonly unknown[]): readonly Target[] {
  return targets as readonly Target[];
}

/** Readers of what strangers hand over. */
export const READERS: readonly Target[] = [
  ...listed(safetensors, raw, capture, trace, manifest, outputs, declaration, csv),
  ...listed(sweepConfig, setup, caseText, commandLine),
];

/** Kernels on the device. */
export const KERNELS: readonly Target[] = listed(attention, method, unseen);
