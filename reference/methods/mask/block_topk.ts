/**
 * PSA without its pyramid.
 *
 * @module
 */
import type { BlockMethod } from "../method.ts";
import { psa } from "../pyramid/psa.ts";
import { rankedBy } from "../select.ts";

/** The same importance and the same budget as PSA, spent on level 1 alone: what the pyramid has to beat. */
export const blockTopk: BlockMethod = {
  ...psa,
  name: "block-topk",
  rule: "best blocks in full, the others skipped",
  basis: "ablation",
  select: (inputs, density) => rankedBy(inputs, inputs.importance, density),
};
