/**
 * The best blocks by pooled queries and keys.
 *
 * @module
 */
import type { BlockMethod } from "../method.ts";
import { importanceCost } from "../cost.ts";
import { rankedBy } from "../select.ts";

/** Blocks ranked by the scores of their means, as SpargeAttn's top-k, VSA's fine stage and SLA's sparse part do. */
export const pooledTopk: BlockMethod = {
  name: "pooled-topk",
  rule: "best blocks by mean query . mean key",
  granularity: "block",
  basis: "code",
  source: "SpargeAttn (top-k), VSA (fine stage), SLA (sparse part)",
  causal: true,
  usesImportance: false,
  selectionCost: ({ sizes }) => importanceCost({ kind: "pooled" }, sizes),
  select: (inputs, density) => rankedBy(inputs, { kind: "pooled" }, density),
};
