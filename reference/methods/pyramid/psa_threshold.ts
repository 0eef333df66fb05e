/**
 * PSA's threshold mode, brought to a density.
 *
 * @module
 */
import type { Ratio } from "../../config/config.ts";
import { assignLevels } from "../../levels/assign.ts";
import { headSlice } from "../../heads.ts";
import type { BlockMethod } from "../method.ts";
import { bisected } from "../bisect.ts";
import { psa } from "./psa.ts";

/** Cumulative importance at which levels 1, 2, 4 and 8 end, before the factor. */
const ENDS: readonly (readonly [level: number, end: number])[] = [[1, 0.4], [2, 0.5], [4, 0.6], [8, 0.8]];
const MOST = 1.25;

/** {@link psa} with a budget per row: levels end at shares of the importance, times one factor per head. */
export const psaThreshold: BlockMethod = {
  ...psa,
  name: "psa-threshold",
  rule: "levels 1, 2, 4, 8 end at .4, .5, .6, .8 of a row's importance, times a factor that is bisected",
  select(inputs, density) {
    const importance = inputs.importanceOf(inputs.importance), { causal, sizes } = inputs;
    const levelsAt = (factor: number, head: number) =>
      assignLevels(headSlice(importance, head), {
        mode: "threshold",
        ratios: ratiosAt(factor),
        tile: 1, // nothing to align to
        minFullRatio: 0,
        causal,
        ...sizes,
      }).data;
    return bisected(inputs, density, { most: MOST, levelsAt });
  },
};

/** The quotas at a factor; what is left is skipped. */
function ratiosAt(factor: number): Ratio[] {
  const quotas = ENDS.map(([level, end]): Ratio => [level, 0, Math.min(1, end * factor)]);
  return [...quotas, [0, 0, 1]];
}
