/**
 * Compares importance computed by a device with the reference, on some query blocks of every head.
 *
 * @module
 */
import { headOf } from "../../../reference/heads.ts";
import type { ImportanceConfig } from "../../../reference/config/config.ts";
import { blockImportance } from "../../../reference/importance/by_config.ts";
import { sortedBlocks } from "../../../reference/levels/assign.ts";
import type { Tensor } from "../../../reference/tensor.ts";
import type { TruthCall } from "./maker.ts";

/** The result of the check. */
export interface ImportanceCheck {
  /** Largest distance from the reference, relative to the largest importance of the row. */
  readonly error: number;
  /** Key blocks with another rank than in the reference: those of equal importance, as far as the device can tell. */
  readonly ties: number;
}

/** Query blocks of a head that are compared. */
const BLOCKS = 2;

/**
 * Compares the last query blocks of every head: of a causal call, these see all keys.
 *
 * @param call the tokens, and the blocks that are cut
 * @param importance [batch, heads, query blocks, key blocks], from the device
 * @param config what it is
 *
 * @example
 * ```ts
 * import { blockImportance, makeWorkload } from "../../../mod.ts";
 * import { checkImportance } from "./importance_check.ts";
 * const { qkv } = makeWorkload("gaussian", { seqQ: 128, headDim: 8 });
 * const options = { blockM: 32, blockN: 16 }, importance = { kind: "full" } as const;
 * const scores = blockImportance(qkv, { ...options, importance });
 * console.log(checkImportance({ qkv, options, firstHead: 0 }, scores, importance).ties); // 0
 * ```
 */
export function checkImportance(
  { qkv, options, firstHead }: TruthCall,
  { data, shape: [batch, heads, M, N] }: Tensor<Float64Array>,
  config: ImportanceConfig,
): ImportanceCheck {
  const levels = { data: new Int32Array(batch * heads), shape: [batch, heads, 1, 1] }, { blockM } = options;
  const [, , seqQ, dim] = qkv.q.shape, taken = Math.min(BLOCKS, M), first = (M - taken) * blockM;
  let error = 0, ties = 0;
  for (let head = 0; head < batch * heads; head++) {
    const { q, k } = headOf(qkv, levels, head).qkv;
    const queries = { data: q.data.subarray(first * dim), shape: [1, 1, seqQ - first, dim] } as typeof q;
    const want = blockImportance({ q: queries, k }, {
      ...options,
      importance: config,
      firstHead: firstHead + head,
    });
    for (let m = 0; m < taken; m++) {
      const own = want.data.subarray(m * N, (m + 1) * N), at = (head * M + M - taken + m) * N;
      const got = data.subarray(at, at + N), most = own.reduce((top, score) => Math.max(top, score), 0);
      own.forEach((score, j) => error = Math.max(error, Math.abs(got[j] - score) / (most || 1)));
      const ranks = sortedBlocks(got);
      ties += sortedBlocks(own).filter((block, rank) => block !== ranks[rank]).length;
    }
  }
  return { error, ties };
}

/** The result over several groups of heads. */
export function joinChecks(groups: readonly (ImportanceCheck | null)[]): ImportanceCheck | null {
  const known = groups.filter((group) => group !== null);
  if (known.length === 0) return null;
  return {
    error: Math.max(...known.map(({ error }) => error)),
    ties: known.reduce((sum, { ties }) => sum + ties, 0),
  };
}
