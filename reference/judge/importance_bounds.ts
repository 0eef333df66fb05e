/**
 * Bounds on each entry of importance, for tests of whether an error can decide between two blocks.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import type { PsaConfig } from "../config/config.ts";
import { headSlice, kvHeadOf } from "../heads.ts";
import { offsetsOfHead } from "../importance/sample.ts";
import { type QueryKey, tokensAt } from "../importance/scores.ts";
import { type Tensor, toFloat64 } from "../tensor.ts";
import { importanceErrors, type ImportanceKind } from "./rounding/importance.ts";
import { storeError2 } from "./rounding/pooled.ts";
import { arithmeticOf } from "./arithmetic.ts";
import { extreme } from "./concentration.ts";
import type { ToleranceOptions } from "./tolerance.ts";

/**
 * Bounds on the error of every entry of the importance of a configuration. Together they fail with the
 * probability of docs/tolerance.md.
 *
 * @param qk queries and keys as the kernel reads them, in the order of the blocks
 * @param config block sizes, importance and causal
 * @param options the arithmetic of the kernel
 * @returns [batch, heads, query blocks, key blocks], of absolute errors
 *
 * @example
 * ```ts
 * import { importanceBounds } from "./importance_bounds.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 32, 8]);
 * const config = { blockM: 16, blockN: 8, importance: { kind: "pooled" } } as const;
 * const { data } = importanceBounds({ q: x, k: x }, config, { dtype: "f32" });
 * console.log(data.every((bound) => bound < 1e-5)); // true
 * ```
 */
export function importanceBounds(
  { q, k }: QueryKey,
  config: Pick<PsaConfig, "blockM" | "blockN" | "importance" | "causal" | "scale">,
  options: Pick<ToleranceOptions, "dtype" | "accumulate" | "arithmetic">,
): Tensor<Float64Array> {
  const { blockM, blockN, importance, causal, scale = defaultScale(q.shape[3]) } = config;
  const arithmetic = arithmeticOf(options), [batch, heads, seqQ] = q.shape;
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(k.shape[2] / blockN)];
  const data = new Float64Array(shape.reduce((product, size) => product * size, 1));
  const deviations = extreme(data.length), length = data.length / (batch * heads);
  for (let head = 0; head < batch * heads; head++) {
    let queries = toFloat64(headSlice(q, head)), keys = toFloat64(headSlice(k, kvHeadOf({ q, k }, head)));
    let kind: ImportanceKind;
    if (importance.kind === "pooled") kind = { kind: "pooled", blockM, blockN };
    else if (importance.kind === "antidiagonal") {
      kind = { kind: "antidiagonal", blockM, blockN, stride: importance.stride, causal };
    } else {
      const all = (block: number) => Array.from({ length: block }, (_, i) => i);
      const offsets = importance.kind === "full"
        ? { query: all(blockM), key: all(blockN) }
        : offsetsOfHead({ blockM, blockN, seed: importance.seed, batchHead: head });
      queries = tokensAt(queries, blockM, offsets.query);
      keys = tokensAt(keys, blockN, offsets.key);
      kind = { kind: "groupmax", groupQ: offsets.query.length, groupK: offsets.key.length };
    }
    const errors = importanceErrors(queries, keys, { ...kind, scale, arithmetic });
    errors.importance.forEach((value, i) => {
      const variance = errors.variance[i] + storeError2(arithmetic.storage, value);
      data[head * length + i] = deviations * Math.sqrt(variance);
    });
  }
  return { data, shape };
}
