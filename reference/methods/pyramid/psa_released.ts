/**
 * PSA with the quotas of its release.
 *
 * @module
 */
import type { Ratio } from "../../config/config.ts";
import { assignLevels } from "../../levels/assign.ts";
import type { BlockMethod } from "../method.ts";
import { selectionOf } from "../select.ts";
import { psa } from "./psa.ts";

/** The released default (docs/definition.md#levels). */
const RATIOS: readonly Ratio[] = [[1, 0, 0.1], [2, 0.1, 0.15], [4, 0.15, 0.15], [8, 0.15, 0.35], [
  0,
  0.35,
  1,
]];

/** {@link psa} with the released quotas as they are, aligned to the kernel's tile; it has a density of its own. */
export const psaReleased: BlockMethod = {
  ...psa,
  name: "psa-released",
  rule: "levels 1, 2, 8 for .1, .05, .2 of the blocks, aligned to the tile; its own density",
  ownDensity: true,
  select(inputs) {
    const importance = inputs.importanceOf(inputs.importance), { causal, sizes, tile } = inputs;
    const levels = assignLevels(importance, { mode: "topk", ratios: RATIOS, tile, causal, ...sizes });
    return selectionOf(inputs, levels);
  },
};
