/**
 * Mistakes in importance, levels, caps, segments and budgets.
 *
 * @module
 */
import type { Mutant } from "./mutant.ts";

const importance: readonly Mutant[] = [
  {
    name: "sampled importance keeps the sum of the softmax",
    file: "reference/importance/importance.ts",
    find: "Math.exp(score - top)));",
    replace: "Math.exp(score - top) / largest.reduce((sum, each) => sum + Math.exp(each - top), 0)));",
  },
  {
    name: "a query block sums its queries instead of taking the largest",
    file: "reference/importance/importance.ts",
    find: "weights[j] = Math.max(weights[j], Math.exp(score - top))",
    replace: "weights[j] += Math.exp(score - top)",
  },
  {
    name: "rows of importance are not divided by their sum",
    file: "reference/importance/importance.ts",
    find: "m++) divideBySum(row(m));",
    replace: "m++) void divideBySum;",
  },
  {
    name: "offsets are drawn with replacement",
    file: "reference/importance/sample.ts",
    find: "const other = i + random.below(block - i);",
    replace: "const other = random.below(block);\n    if (i > 0) offsets[i] = offsets[other];",
  },
  {
    name: "all heads sample the same offsets",
    file: "reference/importance/sample.ts",
    find: "const random = randomStream(seed, batchHead);",
    replace: "const random = randomStream(seed, 0 * batchHead);",
  },
  {
    name: "antidiagonals are diagonals",
    file: "reference/importance/scores.ts",
    find: "descending ? stride - 1 - i : i",
    replace: "descending && i < 0 ? stride - 1 - i : i",
  },
  {
    name: "antidiagonal scores are not divided by the stride",
    file: "reference/importance/importance.ts",
    find: "1 / (Math.sqrt(headDim) * stride)",
    replace: "1 / Math.sqrt(headDim)",
  },
  {
    name: "a causal query group does not see its own key group",
    file: "reference/importance/importance.ts",
    find: "a + shift + 1",
    replace: "a + shift",
  },
  {
    name: "antidiagonal groups are aligned at the start of the sequences",
    file: "reference/importance/importance.ts",
    find: "Math.floor((seqK - seqQ) / stride)",
    replace: "0 * Math.floor((seqK - seqQ) / stride)",
  },
  {
    name: "the mean of a partial block is over the whole block",
    file: "reference/importance/scores.ts",
    find: "count = Math.min(block, tokens - m * block)",
    replace: "count = block",
  },
  {
    name: "sampled positions past the end read the first token",
    file: "reference/importance/scores.ts",
    find: "Math.min(m * block + offset, tokens - 1) * dim",
    replace: "(m * block + offset < tokens ? m * block + offset : 0) * dim",
  },
];

const levels: readonly Mutant[] = [
  {
    name: "among equals the higher index comes first",
    file: "reference/levels/assign.ts",
    find: "scores[b] - scores[a] || a - b",
    replace: "scores[b] - scores[a] || b - a",
  },
  {
    name: "the least important blocks come first",
    file: "reference/levels/assign.ts",
    find: "scores[b] - scores[a] || a - b",
    replace: "scores[a] - scores[b] || a - b",
  },
  {
    name: "pooled quotas are not aligned to tiles",
    file: "reference/levels/assign.ts",
    find: "Math.ceil(level * tile / blockN)",
    replace: "1",
  },
  {
    name: "pooled quotas are aligned to their level",
    file: "reference/levels/assign.ts",
    find: "Math.ceil(level * tile / blockN)",
    replace: "level",
  },
  {
    name: "a quota that fills the room exactly takes one multiple less",
    file: "reference/levels/assign.ts",
    find: "return up >= room && length > 0 ? Math.floor(room / unit) * unit : up;",
    replace: "return up >= room && length > 0 ? Math.floor((room - 1) / unit) * unit : up;",
  },
  {
    name: "a quota rounds to the nearest number",
    file: "reference/levels/assign.ts",
    find: "Math.floor(columns * fraction)",
    replace: "Math.round(columns * fraction)",
  },
  {
    name: "the block that crosses a threshold is left out",
    file: "reference/levels/assign.ts",
    find: "return under > 0 ? under + 1 : previous;",
    replace: "return under > 0 ? under : previous;",
  },
  {
    name: "a row whose first block passes the threshold takes it",
    file: "reference/levels/assign.ts",
    find: "return under > 0 ? under + 1 : previous;",
    replace: "return under + 1;",
  },
  {
    name: "a threshold has no margin for rounding",
    file: "reference/levels/assign.ts",
    find: "share <= fraction + 1e-6",
    replace: "share <= fraction",
  },
  {
    name: "the least share of level 1 lacks its one more",
    file: "reference/levels/assign.ts",
    find: "Math.floor(columns * minFullRatio) + 1",
    replace: "Math.floor(columns * minFullRatio)",
  },
  {
    name: "a partial block of text is not text",
    file: "reference/levels/assign.ts",
    find: "Math.ceil(textLength / blockN)",
    replace: "Math.floor(textLength / blockN)",
  },
  {
    name: "text comes after causal, in the future too",
    file: "reference/levels/assign.ts",
    find: "  applyText(levels, options);\n  if (options.causal) applyCausal(levels, options);",
    replace: "  if (options.causal) applyCausal(levels, options);\n  applyText(levels, options);",
  },
  {
    name: "the cap is the least level",
    file: "reference/levels/assign.ts",
    find: "Math.min(data[at], cap.data",
    replace: "Math.max(data[at], cap.data",
  },
  {
    name: "all heads have the cap of the first key head",
    file: "reference/levels/assign.ts",
    find: "Math.floor(head % heads / (heads / kvHeads))",
    replace: "0 * Math.floor(head % heads / (heads / kvHeads))",
  },
  {
    name: "causal rows lose the sink",
    file: "reference/levels/assign.ts",
    find: "j === 0 || isDiagonal(m, j)",
    replace: "isDiagonal(m, j)",
  },
  {
    name: "a causal row sees blocks that begin where it ends",
    file: "reference/levels/causal.ts",
    find: "j * blockN > lastPosition(m)",
    replace: "j * blockN > lastPosition(m) + 1",
  },
  {
    name: "the diagonal is aligned at the start of the sequences",
    file: "reference/levels/causal.ts",
    find: "Math.min((m + 1) * blockM, seqQ) - 1 + seqK - seqQ",
    replace: "Math.min((m + 1) * blockM, seqQ) - 1",
  },
  {
    name: "the causal density counts the future",
    file: "reference/levels/density.ts",
    find: "at % columns)) continue;",
    replace: "at % columns)) void 0;",
  },
];

const budgets: readonly Mutant[] = [
  {
    name: "a share buys as many blocks at every level",
    file: "reference/levels/budget.ts",
    find: "share * density * level * blocks",
    replace: "share * density * blocks",
  },
  {
    name: "fractional means are rounded down in every row",
    file: "reference/levels/budget.ts",
    find: "Math.floor(after + 1e-9) - Math.floor(before + 1e-9)",
    replace: "Math.floor(mean + 1e-9)",
  },
  {
    name: "a row of a budget may be empty",
    file: "reference/levels/budget.ts",
    find: "every((count) => count === 0)",
    replace: "every((count) => count < 0)",
  },
  {
    name: "forced blocks are not counted",
    file: "reference/levels/budget.ts",
    find: "level === 1 ? blocksOfLevel - forced : blocksOfLevel",
    replace: "blocksOfLevel",
  },
  {
    name: "a high density skips blocks all the same",
    file: "reference/levels/budget.ts",
    find: "const full = density * widest > 1 && saved > 0;",
    replace: "const full = density * widest > 9 && saved > 0;",
  },
];

const formats: readonly Mutant[] = [
  {
    name: "similarity is that of neighbours",
    file: "reference/levels/similarity.ts",
    find: "keyAt(group + level - 1)",
    replace: "keyAt(group + 1)",
  },
  {
    name: "the smallest level above its threshold is the cap",
    file: "reference/levels/similarity.ts",
    find: ".sort((a, b) => b - a)",
    replace: ".sort((a, b) => a - b)",
  },
  {
    name: "a similarity at its threshold is enough",
    file: "reference/levels/similarity.ts",
    find: "}) > thresholds[level])",
    replace: "}) >= thresholds[level])",
  },
  {
    name: "the skipped blocks come first in segments",
    file: "reference/lists/segments.ts",
    find: "return [...levels, 0];",
    replace: "return [0, ...levels];",
  },
  {
    name: "a block may stand in two segments",
    file: "reference/lists/segments.ts",
    find: "entry < columns && levels[row * columns + entry] < 0",
    replace: "entry < columns",
  },
];

/** All of them. */
export const selectionMutants: readonly Mutant[] = [...importance, ...levels, ...budgets, ...formats];
