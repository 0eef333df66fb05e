/**
 * PSA's threshold mode, brought to a density.
 *
 * @module
 */
import type { Ratio } from "../../config/config.ts";
import { assignLevels } from "../../levels/assign.ts";
import { THRESHOLDS } from "../../levels/thresholds.ts";
import { headSlice } from "../../heads.ts";
import type { BlockMethod } from "../method.ts";
import { bisected } from "../bisect.ts";
import { levelRule } from "../select.ts";
import { psa } from "./psa.ts";

/** Cumulative importance at which levels 1, 2, 4 and 8 end, before the factor; the greatest factor. */
const { ends: ENDS, most: MOST } = THRESHOLDS["psa-threshold"];

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
    const cut = { kind: "threshold", family: "psa-threshold", density } as const;
    return {
      ...bisected(inputs, density, { most: MOST, levelsAt }),
      rule: levelRule(inputs, { importance: inputs.importance, cut }),
    };
  },
};

/** The quotas at a factor; what is left is skipped. */
function ratiosAt(factor: number): Ratio[] {
  const quotas = ENDS.map(([level, end]): Ratio => [level, 0, Math.min(1, end * factor)]);
  return [...quotas, [0, 0, 1]];
}
