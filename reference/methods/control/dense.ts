/**
 * Dense attention as a method: the baseline.
 *
 * @module
 */
import { causalBlocks } from "../../levels/causal.ts";
import type { BlockMethod } from "../method.ts";
import { levelShape, selectionOf } from "../select.ts";

/** Everything at level 1; if causal, everything that is not entirely in the future. */
export const dense: BlockMethod = {
  name: "dense",
  rule: "every block in full",
  granularity: "block",
  basis: "control",
  source: "scaled dot-product attention",
  causal: true,
  usesImportance: false,
  ownDensity: true,
  selectionCost: () => 0,
  select(inputs) {
    const shape = levelShape(inputs), [batch, heads, rows, columns] = shape;
    const isFuture = inputs.causal ? causalBlocks(inputs.sizes).isFuture : () => false;
    const level = (at: number) => isFuture(Math.floor(at / columns) % rows, at % columns) ? 0 : 1;
    const data = Int32Array.from({ length: batch * heads * rows * columns }, (_, at) => level(at));
    return selectionOf(inputs, { data, shape });
  },
};
