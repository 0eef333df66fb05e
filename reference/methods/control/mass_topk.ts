/**
 * The best blocks by their true mass.
 *
 * @module
 */
import type { BlockMethod } from "../method.ts";
import { ranked } from "../select.ts";

/**
 * Blocks ranked by their true softmax mass. It needs all scores, so it is too expensive for practice; it is not a bound
 * either, because the mass of a mask does not determine its error. A yardstick.
 */
export const massTopk: BlockMethod = {
  name: "mass-topk",
  rule: "best blocks by true softmax mass",
  granularity: "block",
  basis: "control",
  source: "this project",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: () => 1 / 2,
  select: (inputs, density) => ranked(inputs, inputs.mass(), density),
};
