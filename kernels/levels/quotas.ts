/**
 * How rows of importance are cut into levels: the table that the device reads.
 *
 * Where the number of blocks of each level does not depend on importance (`topk`, `density`), the reference computes it:
 * there is one source of truth.
 *
 * @module
 */
import type { AssignmentConfig, PsaConfig } from "../../reference/config/config.ts";
import { alignment, assignLevels } from "../../reference/levels/assign.ts";
import { budgetEnds } from "../../reference/levels/budget.ts";
import { causalBlocks } from "../../reference/levels/causal.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import { TILE_TOKENS } from "../lists/entry.ts";
import type { RowTokens } from "../lists/given.ts";

/** The part of a configuration that decides how rows are cut into levels. */
export type QuotaConfig = Omit<PsaConfig, "importance" | "order" | "scale" | "tail">;

/** How sorted rows are cut. */
export interface Quotas {
  /** In the order in which levels take their blocks. */
  readonly quotas: readonly { readonly level: number; readonly unit: number; readonly energy: number }[];
  /** Where each quota ends: for every query block of all heads or of one, or once for all; empty if importance decides. */
  readonly ends: readonly (readonly number[])[];
  /** The least number of blocks at level 1 if importance decides. */
  readonly minFull: number;
}

/** How an assignment cuts the sorted rows. */
export function quotasOf(
  { assignment, blockM, blockN, tile, causal = false }: QuotaConfig,
  { seqQ, seqK }: Pick<AttentionShape, "seqQ" | "seqK">,
): Quotas {
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN);
  const quota = (level: number) => ({ level, unit: alignment(level, { blockN, tile }), energy: 0 });
  switch (assignment.mode) {
    case "density": {
      const blocks = causal ? causalBlocks({ blockM, blockN, seqQ, seqK }) : null;
      const rows = budgetEnds(assignment.density, {
        ...{ rows: M, columns: N, shares: assignment.shares, blocks },
      });
      const [first] = rows;
      return {
        quotas: first.map(({ level }) => quota(level)),
        ends: rows.map((row) => row.map(({ end }) => end)),
        minFull: 0,
      };
    }
    case "topk": {
      const levels = assignment.ratios.map(([level]) => level);
      return {
        quotas: levels.map(quota),
        ends: [topkEnds(assignment, { blockN, tile, N })],
        minFull: 0,
      };
    }
    case "threshold": {
      const { minFullRatio = 0.06 } = assignment;
      const quotas = assignment.ratios.toSorted((a, b) => a[2] - b[2]).map(([level, , end]) => ({
        ...quota(level),
        energy: Math.floor((end + 1e-6) * 2 ** 31),
      }));
      return { quotas, ends: [], minFull: Math.floor(N * minFullRatio) + 1 };
    }
  }
}

/**
 * The pooled tokens that rows of selected levels can ask for, so that work lists need not have room for all keys at level 1.
 * Where that depends on importance, every row counts as the longest. A block counts for 8 at least. A cap can bring every block that is not skipped to level 1; text, the diagonal
 * and the first block are level 1.
 *
 * @param config the configuration
 * @param sizes query and key tokens
 */
export function selectedTokens(
  config: QuotaConfig,
  { seqQ, seqK }: Pick<AttentionShape, "seqQ" | "seqK">,
): RowTokens {
  const { blockM, blockN, textLength = 0, causal = false, similarityThresholds = {} } = config;
  const { quotas, ends } = quotasOf(config, { seqQ, seqK });
  const N = Math.ceil(seqK / blockN), isCapped = Object.keys(similarityThresholds).length > 0;
  const tokensAt = quotas.map(({ level }) =>
    level === 0 ? 0 : isCapped ? blockN : Math.max(8, blockN / level)
  );
  const diagonal = causal ? Math.ceil(blockM / blockN) + 2 : 0;
  const forced = blockN * (Math.ceil(textLength / blockN) + diagonal);
  const ofQuotas = ends.map((row) =>
    row.reduce((sum, end, i) => sum + (end - (i === 0 ? 0 : row[i - 1])) * tokensAt[i], 0)
  );
  const ofRows = (ends.length === 0 ? [Infinity] : ofQuotas).map((tokens) =>
    Math.min(N * blockN, tokens + forced)
  );
  return {
    most: ofRows.reduce((most, tokens) => Math.max(most, tokens), 0),
    meanTiles: ofRows.reduce((sum, tokens) => sum + Math.ceil(tokens / TILE_TOKENS), 0) / ofRows.length,
  };
}

/** Where the quotas of `topk` end: the reference's levels of a row whose importance descends. */
function topkEnds(
  { ratios }: Extract<AssignmentConfig, { mode: "topk" }>,
  { blockN, tile, N }: { blockN: number; tile: number; N: number },
): number[] {
  const descending = { data: Float64Array.from({ length: N }, (_, j) => N - j), shape: [1, 1, 1, N] };
  const { data } = assignLevels(descending, { mode: "topk", ratios, blockN, tile });
  let end = 0;
  return ratios.map(([level]) => {
    while (end < N && data[end] === level) end++;
    return end;
  });
}
