/**
 * The best blocks in full, and one mean token for every other block.
 *
 * @module
 */
import { causalBlocks } from "../../levels/causal.ts";
import type { BlockMethod, BlockSelection, MethodInputs } from "../method.ts";
import type { ImportanceConfig } from "../../config/config.ts";
import { BINARY_SHARES } from "../../levels/budget.ts";
import { levelRule, ranked, selectionOf } from "../select.ts";
import { psa } from "./psa.ts";

/** A binary budget in which nothing is dropped: every block that is not read in full is read as one token. */
export const blockTopkMean: BlockMethod = {
  ...psa,
  name: "block-topk-mean",
  rule: "best blocks in full, every other block as one mean token",
  basis: "own",
  source: "this project",
  select: (inputs, density) => bestAndMeans(inputs, inputs.importance, density),
};

/**
 * A ranked budget in which nothing is dropped: the best blocks in full, every other block that can be seen as one token.
 *
 * @param inputs the call
 * @param importance how key blocks are scored
 * @param density the mean of 1 / level to spend, mean tokens included
 */
export function bestAndMeans(
  inputs: MethodInputs,
  importance: ImportanceConfig,
  density: number,
): BlockSelection {
  const { sizes, causal } = inputs, { blockN } = sizes;
  const { levels } = ranked(inputs, inputs.importanceOf(importance), fullDensity(density, inputs));
  const [, , rows, columns] = levels.shape;
  const isFuture = causal ? causalBlocks(sizes).isFuture : () => false;
  const data = levels.data.map((level, at) => {
    return level === 0 && !isFuture(Math.floor(at / columns) % rows, at % columns) ? blockN : level;
  });
  const cut = { kind: "ranked", shares: BINARY_SHARES, rest: "mean", density } as const;
  return {
    ...selectionOf(inputs, { data, shape: levels.shape }),
    rule: levelRule(inputs, { importance, cut }),
  };
}

/** The share of blocks to read in full so that these and the mean tokens of the others make the density. */
function fullDensity(density: number, { sizes: { blockN, seqK } }: MethodInputs): number {
  if (blockN === 1) return density;
  return Math.max((density - 1 / blockN) * blockN / (blockN - 1), 1 / Math.ceil(seqK / blockN));
}
