/**
 * The best blocks by pooled queries and keys, and one mean token for every other block.
 *
 * @module
 */
import { pooledTopk } from "../mask/pooled_topk.ts";
import type { BlockMethod } from "../method.ts";
import { bestAndMeans } from "./block_topk_mean.ts";

/** A budget in which nothing is dropped, and whose choice costs nearly nothing: blocks are ranked by their means. */
export const pooledTopkMean: BlockMethod = {
  ...pooledTopk,
  name: "pooled-topk-mean",
  rule: "best blocks by mean query . mean key in full, every other block as one mean token",
  basis: "own",
  source: "this project",
  select: (inputs, density) => bestAndMeans(inputs, { kind: "pooled" }, density),
};
