/**
 * PSA with the quotas of its release.
 *
 * @module
 */
import type { Ratio } from "../../config/config.ts";
import { levelsFromImportance } from "../../levels/by_config.ts";
import { similarityCap } from "../../levels/similarity.ts";
import type { BlockMethod, ReleasedQuotas } from "../method.ts";
import { levelRule, selectionOf } from "../select.ts";
import { psa } from "./psa.ts";

/** The released default (docs/definition.md#levels). */
const RATIOS: readonly Ratio[] = [[1, 0, 0.1], [2, 0.1, 0.15], [4, 0.15, 0.15], [8, 0.15, 0.35], [
  0,
  0.35,
  1,
]];
const DEFAULT: ReleasedQuotas = { assignment: { mode: "topk", ratios: RATIOS } };

/**
 * {@link psa} with the released quotas as they are, aligned to the kernel's tile; it has a density of its own. Inputs may
 * name the quotas, the similarity cap and the text of a released model in place of the default.
 */
export const psaReleased: BlockMethod = {
  ...psa,
  name: "psa-released",
  rule: "levels 1, 2, 8 for .1, .05, .2 of the blocks, aligned to the tile; its own density",
  ownDensity: true,
  select(inputs) {
    const importance = inputs.importanceOf(inputs.importance), { causal, sizes, tile, qkv: { k } } = inputs;
    const { released: { assignment, textLength, similarityThresholds: thresholds } = DEFAULT } = inputs;
    const cap = thresholds && similarityCap(k, { blockN: sizes.blockN, thresholds });
    const config = { ...sizes, tile, causal, assignment, textLength };
    const quotas = { assignment, textLength, similarityThresholds: thresholds };
    return {
      ...selectionOf(inputs, levelsFromImportance(importance, config, { ...sizes, cap })),
      rule: levelRule(inputs, { importance: inputs.importance, cut: { kind: "quotas", tile, quotas } }),
    };
  },
};
