/**
 * How rows of heads are cut into levels, and the pooled tokens that they then ask for.
 *
 * @module
 */
import type { Choice } from "../../reference/config/tuned.ts";
import { causalBlocks, type CausalSizes } from "../../reference/levels/causal.ts";
import { choiceEnds } from "../../reference/levels/means.ts";
import type { Quotas } from "../levels/quotas.ts";
import { TILE_TOKENS } from "../lists/entry.ts";
import type { RowTokens } from "../lists/given.ts";

/** The sizes of a call whose rows are cut. */
export interface CutSizes extends CausalSizes {
  /** Whether a query sees only keys up to its own position. */
  readonly causal: boolean;
}

/** A choice by rank, and the density to ask for. */
export interface CutHead {
  /** Shares of levels, and what stands for the rest. */
  readonly choice: Pick<Choice, "shares" | "rest">;
  /** The density. */
  readonly asked: number;
}

/** Where levels end in the rows of some heads, as one table, and the pooled tokens that rows ask for. */
export function cutOf(
  { seqQ, seqK, causal, blockM, blockN }: CutSizes,
  heads: readonly CutHead[],
): { readonly cut: Quotas; readonly tokens: RowTokens } {
  const rows = Math.ceil(seqQ / blockM), columns = Math.ceil(seqK / blockN);
  const blocks = causal ? causalBlocks({ blockM, blockN, seqQ, seqK }) : null;
  const all = heads.flatMap((head) => choiceEnds(head, { rows, columns, blockN, blocks }));
  const levels = [...new Set(all.flatMap((row) => row.map(({ level }) => level)))].sort((a, b) => a - b);
  const ends = all.map((row) =>
    levels.map((level) => row.reduce((end, each) => each.level <= level ? Math.max(end, each.end) : end, 0))
  );
  const tokensOfRow = (row: readonly number[]) =>
    levels.reduce((sum, level, i) => {
      const count = row[i] - (i === 0 ? 0 : row[i - 1]);
      return sum + tokensOf(count, { perBlock: blockN / level, columns });
    }, 0);
  const tokens = ends.map((row) => Math.min(columns * blockN, tokensOfRow(row)));
  return {
    cut: { quotas: levels.map((level) => ({ level, unit: 1, energy: 0 })), ends, minFull: 0 },
    tokens: {
      most: tokens.reduce((most, each) => Math.max(most, each), 0),
      meanTiles: tokens.reduce((sum, each) => sum + Math.ceil(each / TILE_TOKENS), 0) / tokens.length,
    },
  };
}

/** Tokens of a group of the work lists at most. */
const GROUP = 8;

/** Pooled tokens of some blocks of a level in whole groups: blocks of fewer tokens share groups with their neighbours. */
function tokensOf(
  count: number,
  { perBlock, columns }: { readonly perBlock: number; readonly columns: number },
): number {
  if (perBlock >= GROUP) return count * perBlock;
  return GROUP * Math.min(count, Math.ceil(columns * perBlock / GROUP));
}

/**
 * The pooled tokens that rows may ask for if a bound is searched: all keys at most, and a share of them on average.
 *
 * @param sizes key tokens, and the key block size
 * @param density the share
 */
export function searchedTokens(
  { seqK, blockN }: Pick<CausalSizes, "seqK" | "blockN">,
  density: number,
): RowTokens {
  const most = Math.ceil(seqK / blockN) * blockN;
  return { most, meanTiles: Math.max(1, density * most / TILE_TOKENS) };
}
