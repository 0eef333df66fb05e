/**
 * PSA with a budget of density.
 *
 * @module
 */
import { DEFAULT_SHARES } from "../../levels/budget.ts";
import type { BlockMethod } from "../method.ts";
import { importanceCost } from "../cost.ts";
import { rankedBy } from "../select.ts";

/** Pyramid Sparse Attention with the paper's best allocation: levels 1, 2 and 4 get .6, .2 and .2 of the density. */
export const psa: BlockMethod = {
  name: "psa",
  rule: "best blocks first at levels 1, 2, 4; they get .6, .2, .2 of the density",
  granularity: "block",
  basis: "code",
  source: "Pyramid Sparse Attention, arXiv 2512.04025",
  causal: true,
  usesImportance: true,
  selectionCost: ({ importance, sizes }) => importanceCost(importance, sizes),
  select: (inputs, density) => rankedBy(inputs, inputs.importance, density, DEFAULT_SHARES),
};
