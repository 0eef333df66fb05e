/**
 * The best blocks in full, and one mean token for every other block.
 *
 * @module
 */
import { causalBlocks } from "../../levels/causal.ts";
import { requireDensity } from "../../levels/budget.ts";
import type { BlockMethod } from "../method.ts";
import { ranked, selectionOf } from "../select.ts";
import { psa } from "./psa.ts";

/** A binary budget in which nothing is dropped: every block that is not read in full is read as one token. */
export const blockTopkMean: BlockMethod = {
  ...psa,
  name: "block-topk-mean",
  rule: "best blocks in full, every other block as one mean token",
  basis: "own",
  source: "this project",
  select(inputs, density) {
    requireDensity(density);
    const { sizes, causal } = inputs, { blockN } = sizes;
    const { levels } = ranked(
      inputs,
      inputs.importanceOf(inputs.importance),
      fullDensity(density, { blockN, keyBlocks: Math.ceil(sizes.seqK / blockN) }),
    );
    const [, , rows, columns] = levels.shape;
    const isFuture = causal ? causalBlocks(sizes).isFuture : () => false;
    const data = levels.data.map((level, at) => {
      return level === 0 && !isFuture(Math.floor(at / columns) % rows, at % columns) ? blockN : level;
    });
    return selectionOf(inputs, { data, shape: levels.shape });
  },
};

/** The share of blocks to read in full so that these and the mean tokens of the others make the density. */
function fullDensity(
  density: number,
  { blockN, keyBlocks }: { readonly blockN: number; readonly keyBlocks: number },
): number {
  if (blockN === 1) return density;
  return Math.max((density - 1 / blockN) * blockN / (blockN - 1), 1 / keyBlocks);
}
