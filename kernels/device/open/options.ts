/**
 * The options of `openGpu`, checked before anything is opened.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { kindOf, requireOptions } from "../../door.ts";
import { MATRIX_NAMES } from "../probe/matrices.ts";

/** The names of the options. */
const NAMES = [
  ...["backend", "gpu", "robust", "subgroups", "matrices", "allowGl", "patience", "onError"],
];
/** Milliseconds that a timer can wait. */
const MOST_PATIENCE = 2 ** 31 - 1;

/**
 * Throws if options of `openGpu` are wrong.
 *
 * @param options the options
 * @throws {InputError} naming the option, its value and the allowed values
 */
export function requireGpuOptions(options: unknown): void {
  requireOptions(options, NAMES);
  const { gpu, matrices, patience, onError } = options as Record<string, unknown>;
  requireInput(
    gpu === undefined || typeof (gpu as { requestAdapter?: unknown } | null)?.requestAdapter === "function",
    () => `\`gpu\` is ${kindOf(gpu)}; it should be an implementation of WebGPU, as navigator.gpu is.`,
  );
  requireInput(
    matrices === undefined || typeof matrices === "boolean" || MATRIX_NAMES.includes(matrices as string),
    () =>
      `\`matrices\` is ${kindOf(matrices)}; it should be true, false or one of ${MATRIX_NAMES.join(", ")}.`,
  );
  requireInput(
    patience === undefined || typeof patience === "number" && patience > 0 && patience <= MOST_PATIENCE,
    () =>
      `\`patience\` is ${kindOf(patience)}; it should be milliseconds, above 0 and at most ${MOST_PATIENCE}.`,
  );
  requireInput(
    onError === undefined || typeof onError === "function",
    () => `\`onError\` is ${kindOf(onError)}; it should be a function that takes a sentence.`,
  );
}
