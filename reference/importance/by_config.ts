/**
 * The importance stage of the method: the importance that a configuration asks for (docs/definition.md#importance).
 *
 * @module
 */
import type { ImportanceConfig, PsaConfig } from "../config/config.ts";
import { InputError } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import {
  antidiagonalImportance,
  fromAll,
  fromAntidiagonals,
  fromMeans,
  fromSample,
  fullImportance,
  pooledImportance,
  sampledImportance,
} from "./importance.ts";
import type { QueryKey } from "./scores.ts";

/** The inputs of importance, and the index of their first head in the whole call: samples differ by head. */
export type ImportanceOf = Omit<PsaConfig, "assignment" | "tile"> & { readonly firstHead?: number };

/**
 * The second stage of `psa`: the importance of key blocks to query blocks (docs/definition.md#importance).
 *
 * @param qk queries and keys in the order of the blocks
 * @param config block sizes, importance, causal and scale
 * @returns [batch, heads, query blocks, key blocks]
 * @throws {InputError} if tensors disagree or a stride does not divide the blocks
 *
 * @example
 * ```ts
 * import { blockImportance, makeWorkload, presets } from "../../mod.ts";
 * const { qkv } = makeWorkload("sinks", { seqQ: 512, headDim: 16 });
 * console.log(blockImportance(qkv, presets["Qwen2.5-VL"].config).shape); // [1, 1, 4, 4]
 * ```
 */
export function blockImportance(
  qk: QueryKey,
  { blockM, blockN, importance, causal, scale, firstHead = 0 }: ImportanceOf,
): Tensor<Float64Array> {
  const blocks = { blockM, blockN, scale };
  switch (importance?.kind) {
    case "sampled":
      return sampledImportance(qk, { ...blocks, seed: importance.seed, firstHead });
    case "full":
      return fullImportance(qk, blocks);
    case "antidiagonal":
      return antidiagonalImportance(qk, { blockM, blockN, stride: importance.stride, causal });
    case "pooled":
      return pooledImportance(qk, blocks);
    default:
      return refuseKind(importance);
  }
}

/** {@link blockImportance} of inputs that have been checked. */
export function importanceOfChecked(
  qk: QueryKey,
  { blockM, blockN, importance, causal, scale, firstHead }: ImportanceOf,
): Tensor<Float64Array> {
  const blocks = { blockM, blockN, scale };
  switch (importance?.kind) {
    case "sampled":
      return fromSample(qk, { ...blocks, seed: importance.seed, firstHead });
    case "full":
      return fromAll(qk, blocks);
    case "antidiagonal":
      return fromAntidiagonals(qk, { blockM, blockN, stride: importance.stride, causal });
    case "pooled":
      return fromMeans(qk, blocks);
    default:
      return refuseKind(importance);
  }
}

/** Throws: there is no such importance. */
function refuseKind(importance: Partial<ImportanceConfig> | undefined): never {
  throw new InputError(
    `\`importance.kind\` is ${importance?.kind}; it should be "sampled", "full", "antidiagonal" or "pooled".`,
  );
}
