/**
 * The best keys of every query.
 *
 * @module
 */
import { forEachScoreRow } from "../../importance/scores.ts";
import { setBit, wordsOf } from "../../masks/bits.ts";
import { markLargest } from "../../masks/largest.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import { keyCounts, ruleSelection } from "../masks.ts";
import type { MaskMethod } from "../method.ts";

/**
 * Every query attends to the keys of its largest exact scores, a share `density` of those it sees, at least one. It
 * needs all scores: a yardstick of what a choice by scores can reach at all.
 */
export const tokenTopk: MaskMethod = {
  name: "token-topk",
  rule: "the keys of the largest exact scores, for every query separately",
  granularity: "query",
  basis: "control",
  source: "this project",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: () => 1 / 2,
  select(inputs, density) {
    const { qkv: { q, k }, scale, sizes: { seqQ, seqK } } = inputs, words = wordsOf(seqK), dim = q.shape[3];
    const { seenBy, countOf, density: reached } = keyCounts(inputs, density);
    const fill = (bits: Uint32Array, head: number, first: number, end: number) => {
      const queries = headSlice(q, head).data.subarray(first * dim, end * dim);
      const run = { data: Float64Array.from(queries), shape: [1, 1, end - first, dim] };
      forEachScoreRow(run, toFloat64(headSlice(k, kvHeadOf({ q, k }, head))), {
        scale,
        visit: (r, scores) => {
          const row = bits.subarray(r * words, (r + 1) * words);
          markLargest(scores.subarray(0, seenBy(first + r)), countOf(first + r), (j) => setBit(row, j));
        },
      });
    };
    const perQuery = (of: (query: number) => number) => Int32Array.from({ length: seqQ }, (_, i) => of(i));
    const taken = {
      seen: perQuery(seenBy),
      counts: perQuery(countOf),
      own: perQuery(() => -1),
      first: false,
    };
    return {
      ...ruleSelection(inputs, reached, { fill }),
      rule: { kind: "best", unit: 1, together: false, ...taken },
    };
  },
};
