/**
 * XAttention.
 *
 * @module
 */
import { THRESHOLDS } from "../../levels/thresholds.ts";
import type { BlockMethod } from "../method.ts";
import { bisectedEntries } from "../bisect.ts";
import { importanceCost } from "../cost.ts";
import { massEntries } from "../entries.ts";
import { levelRule } from "../select.ts";

const IMPORTANCE = THRESHOLDS.xattention.importance!;

/**
 * XAttention: antidiagonal scores, and in every row the best blocks while those before them hold less than a share tau
 * of the row. Published tau: .9 and .95; here it is bisected. Key block 0 is always read, an effect of how the released
 * code lists blocks.
 */
export const xattention: BlockMethod = {
  name: "xattention",
  rule: "best blocks by antidiagonal scores while the share before them is below tau; tau is bisected",
  granularity: "block",
  basis: "code",
  source: "XAttention (x-attention)",
  causal: true,
  usesImportance: false,
  selectionCost: ({ sizes }) => importanceCost(IMPORTANCE, sizes),
  select(inputs, density) {
    const importance = inputs.importanceOf(IMPORTANCE), columns = importance.shape[3];
    const entries = massEntries(inputs, importance, (before) => before);
    for (let at = 0; at < entries.data.length; at += columns) {
      if (entries.data[at] < Infinity) entries.data[at] = -Infinity;
    }
    const cut = { kind: "threshold", family: "xattention", density } as const;
    return {
      ...bisectedEntries(inputs, density, { entries, inclusive: false }),
      rule: levelRule(inputs, { importance: IMPORTANCE, cut }),
    };
  },
};
