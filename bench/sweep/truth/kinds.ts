/**
 * Where the truth of a sweep comes from: the CPU, a device with float64, or some rows of the CPU's.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { InputError, requireInput } from "../../../reference/errors.ts";
import type { MethodFacts } from "../../../reference/methods/method.ts";
import type { AttentionShape } from "../../../reference/tensor.ts";

/** The values of `--truth`. */
export const TRUTHS = ["auto", "cpu", "gpu", "rows"] as const;

/** A value of `--truth`. */
export type AskedTruth = typeof TRUTHS[number];

/** All rows on the CPU, all rows on the device, or sampled rows on the CPU. */
export type TruthKind = Exclude<AskedTruth, "auto">;

/** Pairs of tokens, all heads together, up to which the CPU is fast enough: dense attention takes about a minute. */
export const MOST_PAIRS = 2 ** 28;

/** The facts on which the choice of a truth depends. */
export interface TruthChoice {
  /** The name of the input, for messages. */
  readonly name: string;
  /** Its sizes. */
  readonly shape: AttentionShape;
  /** The methods that run on it. */
  readonly methods: readonly Pick<MethodFacts, "name" | "needsAllRows">[];
  /** The device; null without kernels. */
  readonly gpu: Pick<Gpu, "has" | "info"> | null;
  /** Whether nothing runs, and so no device is needed; default false. */
  readonly isListed?: boolean;
}

/**
 * The truth that an input gets. `auto`: the CPU's up to 2^28 pairs of tokens; above, that of the device, if it has
 * float64 and is none in software; else the CPU's if a method needs all rows; else that of sampled rows.
 *
 * @param asked the requested kind
 * @param choice the input, its methods, and the device
 * @throws {InputError} if the requested kind is not possible
 *
 * @example
 * ```ts
 * import { chooseTruth } from "./kinds.ts";
 * const shape = { batch: 1, heads: 12, kvHeads: 12, seqQ: 32760, seqK: 32760, headDim: 128, valueDim: 128 };
 * console.log(chooseTruth("auto", { name: "video", shape, methods: [], gpu: null })); // rows
 * ```
 */
export function chooseTruth(
  asked: AskedTruth,
  { name, shape, methods, gpu, isListed }: TruthChoice,
): TruthKind {
  const needy = methods.find(({ needsAllRows }) => needsAllRows === true);
  const hasFloat64 = gpu !== null && gpu.has("wgpu-shader-f64");
  if (asked === "auto") {
    if (pairsOf(shape) <= MOST_PAIRS) return "cpu";
    if (hasFloat64 && gpu.info.subgroupSize > 0) return "gpu";
    return needy === undefined ? "rows" : "cpu";
  }
  requireInput(
    asked !== "rows" || needy === undefined,
    () => `--truth is rows; ${needy?.name} needs all rows of ${name}: leave it out, or take --truth cpu.`,
  );
  if (asked === "gpu" && !hasFloat64 && !isListed) {
    const lack = gpu === null
      ? "--no-gpu leaves no device"
      : `${gpu.info.description} has no float64 in shaders`;
    throw new InputError(`--truth is gpu; ${lack}: take --truth rows, or --truth cpu for short inputs.`);
  }
  return asked;
}

/**
 * Pairs of a query and a key, all heads together.
 *
 * @example
 * ```ts
 * import { pairsOf } from "./kinds.ts";
 * console.log(pairsOf({ batch: 1, heads: 2, seqQ: 4096, seqK: 4096 }) === 2 ** 25); // true
 * ```
 */
export function pairsOf(
  { batch, heads, seqQ, seqK }: Pick<AttentionShape, "batch" | "heads" | "seqQ" | "seqK">,
): number {
  return batch * heads * seqQ * seqK;
}
