/**
 * SSA.
 *
 * @module
 */
import { blockMeans, forEachScoreRow, softmaxInPlace } from "../../importance/scores.ts";
import { setBit } from "../../masks/bits.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import {
  blockRule,
  ChosenBlocks,
  headsOf,
  keysFor,
  type QueryBlocks,
  queryBlocks,
  takeBlocks,
} from "../masks.ts";
import type { MaskMethod, MethodInputs } from "../method.ts";
import { gateCost } from "./moba.ts";

/** Tokens of a key block, and queries that are scored at a time. */
const BLOCK = 16, RUN = 64;

/**
 * Sparse sparse attention: small key blocks, scored for every query by the softmax over their means; the query heads of
 * a key head add up their scores and choose together, the query's own block first. Models are trained so that full and
 * sparse outputs agree: the loss of that training is the sweep's column `alignment_loss`.
 */
export const ssa: MaskMethod = {
  name: "ssa",
  rule:
    "for every query its own key block of 16, then the best by softmax of query . mean key, heads of a key head together",
  granularity: "query",
  basis: "code",
  source: "SSA",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: () => gateCost(BLOCK),
  select(inputs, density) {
    const blocks = queryBlocks(inputs, BLOCK), chosen = new ChosenBlocks(inputs, blocks);
    const countOf = (i: number) => keysFor(density, blocks.seen(i));
    for (const heads of Map.groupBy(headsOf(inputs), (head) => kvHeadOf(inputs.qkv, head)).values()) {
      forEachScore(inputs, heads, blocks, (i, scores) => {
        const rows = heads.map((head) => chosen.row(head, i));
        takeBlocks(scores, blocks.forced(i), {
          count: countOf(i),
          mark: (j) => rows.forEach((row) => setBit(row, j)),
        });
      });
    }
    const counts = Array.from({ length: inputs.sizes.seqQ }, (_, i) => countOf(i));
    return { ...chosen.select(), rule: blockRule(inputs, blocks, { counts, together: true }) };
  },
};

/** Calls `visit` with the scores of every query over the blocks that it may see, summed over some heads. */
function forEachScore(
  { qkv: { q, k }, scale, sizes: { seqQ } }: MethodInputs,
  heads: readonly number[],
  { columns, seen }: QueryBlocks,
  visit: (query: number, scores: Float64Array) => void,
): void {
  const dim = q.shape[3], means = blockMeans(toFloat64(headSlice(k, kvHeadOf({ q, k }, heads[0]))), BLOCK);
  const queries = heads.map((head) => toFloat64(headSlice(q, head)).data);
  for (let first = 0; first < seqQ; first += RUN) {
    const end = Math.min(seqQ, first + RUN), sums = new Float64Array((end - first) * columns);
    for (const data of queries) {
      const run = { data: data.subarray(first * dim, end * dim), shape: [1, 1, end - first, dim] };
      forEachScoreRow(run, means, {
        scale,
        visit: (row, scores) => {
          softmaxInPlace(scores, seen(first + row));
          for (let j = 0; j < columns; j++) sums[row * columns + j] += scores[j];
        },
      });
    }
    for (let i = first; i < end; i++) {
      const at = (i - first) * columns;
      visit(i, sums.subarray(at, at + seen(i)));
    }
  }
}
