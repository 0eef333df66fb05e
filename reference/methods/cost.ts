/**
 * The cost of choosing levels or masks.
 *
 * @module
 */
import type { ImportanceConfig } from "../config/config.ts";

/**
 * The cost of scoring blocks, relative to dense attention (4 Lq Lk D): the products of queries and keys alone are half of that.
 *
 * @param config the importance
 * @param sizes block sizes
 *
 * @example
 * ```ts
 * import { importanceCost } from "./cost.ts";
 * console.log(importanceCost({ kind: "sampled", seed: 0 }, { blockM: 64, blockN: 64 })); // 0.03125
 * ```
 */
export function importanceCost(
  config: ImportanceConfig,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
): number {
  switch (config.kind) {
    case "sampled":
      return 1 / 32;
    case "full":
      return 1 / 2;
    case "antidiagonal":
      return 1 / (2 * config.stride);
    case "pooled":
      return 1 / (2 * blockM * blockN);
  }
}
