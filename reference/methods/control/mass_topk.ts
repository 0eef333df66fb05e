/**
 * The best blocks by their true mass.
 *
 * @module
 */
import type { BlockMethod } from "../method.ts";
import { ranked } from "../select.ts";

/**
 * Blocks ranked by the true softmax mass they hold. It needs all scores, so nobody can afford it; it is no bound
 * either, for the mass of a mask does not decide its error. A yardstick.
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
