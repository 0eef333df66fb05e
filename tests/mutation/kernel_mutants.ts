/**
 * Mistakes in kernels that no case of the conformance suites runs, or only on devices that have matrix units: masks and rules of
 * keys, corrections, keys that workgroups share, kernels with matrix units (emulated), tuned calls, and the float64 truth.
 * `deno task kill-matrix:gpu` has those of the other kernels.
 *
 * @module
 */
import type { Mutant } from "./mutant.ts";

const among = (tests: readonly string[], own: readonly Omit<Mutant, "tests">[]): readonly Mutant[] =>
  own.map((mutant) => ({ ...mutant, tests: tests.map((name) => `tests/kernels/${name}_test.ts`) }));

const masks = among(["attention/masked", "attention/rule", "attention/choice"], [
  {
    name: "masked: the second four of eight keys have the bits of the first four",
    file: "kernels/attention/masked/masked.wgsl",
    find: "tb#{j}, (vec4u(seen.y)",
    replace: "tb#{j}, (vec4u(seen.x)",
  },
  {
    name: "lists of masks: the second and the third of four rows are exchanged",
    file: "kernels/attention/masked/groups.wgsl",
    find: "(bits.y << 8u) | (bits.z << 16u)",
    replace: "(bits.z << 8u) | (bits.y << 16u)",
  },
  {
    name: "lists of masks: groups behind 8192 keys begin where the first ones do",
    file: "kernels/attention/masked/groups.wgsl",
    find: "at + upto - count); }",
    replace: "begin + upto - count); }",
  },
  {
    name: "careful kernel: the plain one runs as well",
    file: "kernels/attention/tiled/choice.wgsl",
    find: "atomicStore(&taken[0], 0u);",
    replace: "atomicStore(&taken[0], choice.workgroups.x);",
  },
]);

const rules = among(["attention/rule", "attention/nearest"], [
  {
    name: "best and nearest: all that equal the last one are taken",
    file: "kernels/attention/masked/ties.wgsl",
    find: "near | first_bits(ties, left - min(left, earlier))",
    replace: "near | ties",
  },
  {
    name: "best keys: heads that choose together choose by the last of them",
    file: "kernels/attention/masked/best.wgsl",
    find: "{ scores[row * UNITS + u] += share; }",
    replace: "{ scores[row * UNITS + u] = share; }",
  },
  {
    name: "best blocks: keys behind what a query sees are shown",
    file: "kernels/attention/masked/best.wgsl",
    find: "let rest = seen - min(seen, word * 32u);",
    replace: "let rest = 32u;",
  },
  {
    name: "best blocks: a query need not take its own",
    file: "kernels/attention/masked/best.wgsl",
    find: "(unit == own || (FIRST && unit == 0u))",
    replace: "(FIRST && unit == 0u)",
  },
  {
    name: "scores of a rule: queries of a later chunk are those of the first",
    file: "kernels/attention/masked/scores.wgsl",
    find: "chunk[1] + row / GROUP",
    replace: "row / GROUP",
  },
  {
    name: "best and nearest: of equals the first are taken in every word anew",
    file: "kernels/attention/masked/ties.wgsl",
    find: "left - min(left, earlier)",
    replace: "left",
  },
  {
    name: "adamas: the distance of codes counts the bits that both have",
    file: "kernels/attention/masked/nearest.wgsl",
    find: "own[w] ^ key_codes",
    replace: "own[w] & key_codes",
  },
  {
    name: "adamas: differences of the Hadamard transform have the other sign",
    file: "kernels/attention/masked/codes.wgsl",
    find: "select(mine + other, other - mine,",
    replace: "select(mine + other, mine - other,",
  },
]);

const shares = among(["attention/share_rules"], [
  {
    name: "softmax of scores: weights are not divided by their sum",
    file: "kernels/attention/masked/soften.wgsl",
    find: "- top) / sum;",
    replace: "- top);",
  },
]);

const corrections = among(["correction"], [
  {
    name: "rectified on the device: attention is not scaled down",
    file: "kernels/correction/means.wgsl",
    find: "(1.0 - share) * old + added",
    replace: "old + added",
  },
  {
    name: "rectified on the device: all query blocks have the weights of the first",
    file: "kernels/correction/means.wgsl",
    find: "(head * M + group.x) * N",
    replace: "head * M * N",
  },
  {
    name: "pisa on the device: the mean of a partial block counts as a whole block",
    file: "kernels/correction/first_order.wgsl",
    find: "f32(min(BLOCK_N, KEYS - j * BLOCK_N))",
    replace: "f32(BLOCK_N)",
  },
  {
    name: "pisa on the device: blocks that are read in full lean too",
    file: "kernels/correction/first_order.wgsl",
    find: "min(j, N - 1u)] <= 1)",
    replace: "min(j, N - 1u)] < 1)",
  },
  {
    name: "pisa on the device: keys lean away from the mean of the block before",
    file: "kernels/correction/leans.wgsl",
    find: "token / BLOCK) * DIM",
    replace: "max(token / BLOCK, 1u) - 1u) * DIM",
  },
]);

const searches = among(["levels/search"], [
  {
    name: "search: an entry that spends the budget to the last is left out",
    file: "kernels/levels/search/bound.wgsl",
    find: "upto <= budget && upto + cost > budget)",
    replace: "upto < budget && upto + cost >= budget)",
  },
  {
    name: "search: of equal scores one more is taken",
    file: "kernels/levels/search/cut.wgsl",
    find: "at < bound.y",
    replace: "at <= bound.y",
  },
  {
    name: "search: shares of spargeattn lack the block's own part",
    file: "kernels/levels/search/entries.wgsl",
    find: "select(fixed(weight_of(base, m, j), factor), 0u, WITH)",
    replace: "fixed(weight_of(base, m, j), factor)",
  },
  {
    name: "search: ends of levels are taken for their inverse",
    file: "kernels/levels/search/keys.wgsl",
    find: "max(entry - SLACK, 0.0) / end",
    replace: "max(entry - SLACK, 0.0) * end",
  },
]);

const splits = among(["attention/splits", "attention/masked"], [
  {
    name: "shared keys: parts do not count with their sums",
    file: "kernels/attention/merge.wgsl",
    find: "exp2(sums.x - top) * sums.y;",
    replace: "exp2(sums.x - top);",
  },
  {
    name: "shared keys: rows that see nothing are divided by their total",
    file: "kernels/attention/merge.wgsl",
    find: "select(1.0 / total, 0.0, empty)",
    replace: "1.0 / total",
  },
]);

const matrices = among(["attention/matrix", "importance/matrix"], [
  {
    name: "matrix units: a row has the sum of the first half of its keys",
    file: "kernels/attention/matrix/steps.wgsl",
    find: "sum#{z} = shared_rows[row#{z}] + shared_rows[#{ROWS}u + row#{z}];",
    replace: "sum#{z} = shared_rows[row#{z}];",
  },
  {
    name: "matrix units: rows whose maximum the sample misses are not walked again",
    file: "kernels/attention/matrix/steps.wgsl",
    find: "again = 1u;",
    replace: "again = 0u;",
  },
  {
    name: "matrix units: values that are not finite are lost to the rows that see them",
    file: "kernels/attention/matrix/output.wgsl",
    find: "if (counts && end > first_position",
    replace: "if (counts && end < first_position",
  },
  {
    name: "importance by matrices: a query head has a key head of its own",
    file: "kernels/importance/matrix/kernel.wgsl",
    find: "head / GROUP * K_TOKENS",
    replace: "head * K_TOKENS",
  },
  {
    name: "importance by matrices: both groups of an antidiagonal ascend",
    file: "kernels/importance/matrix/memory.wgsl",
    find: "token + #{PARTS - 1}u - part",
    replace: "token + part",
  },
  {
    name: "importance by matrices: a causal query group does not see its own key group",
    file: "kernels/importance/matrix/kernel.wgsl",
    find: "i32(line) + SHIFT + 1,",
    replace: "i32(line) + SHIFT,",
  },
]);

const tuned = among(["tuned", "order/order"], [
  {
    name: "tuned: heads of a pass have the tokens of its first head",
    file: "kernels/tuned/call.ts",
    find: "head * tokens + (order[token] ?? token)",
    replace: "heads[0] * tokens + (order[token] ?? token)",
  },
  {
    name: "tuned: levels of a pass stand in the order of its heads",
    file: "kernels/tuned/call.ts",
    find: "(i + 1) * size), head * size)",
    replace: "(i + 1) * size), i * size)",
  },
  {
    name: "tuned: a pass reads each key head once, however its heads share it",
    file: "kernels/tuned/plan.ts",
    find: "return sizes.size === 1 ? [...counts.keys()] : each;",
    replace: "return [...counts.keys()];",
  },
  {
    name: "orders on the device: all heads take the order of the first",
    file: "kernels/order/order.wgsl",
    find: "order[head % ORDERS * ORDERED + token]",
    replace: "order[token]",
  },
]);

const truth = among(["truth/truth"], [
  {
    name: "truth on the device: a causal row does not see its own position",
    file: "kernels/truth/product.wgsl",
    find: "token.last <= i32(row) + call.shift",
    replace: "token.last < i32(row) + call.shift",
  },
  {
    name: "truth on the device: one term of the exponential is off by a hundredth",
    file: "kernels/truth/float64.wgsl",
    find: "1.0lf / 40320.0lf",
    replace: "1.01lf / 40320.0lf",
  },
  {
    name: "truth on the device: mass of a partial query block counts the rows that it lacks",
    file: "kernels/truth/blocks.wgsl",
    find: "min(call.block, call.rows - m * call.block)",
    replace: "call.block",
  },
  {
    name: "truth on the device: a row of a list ends after 64 tokens",
    file: "kernels/truth/lists.wgsl",
    find: "t < runs[run + 2u]; t += 64u",
    replace: "t < min(runs[run + 2u], 64u); t += 64u",
  },
]);

/** All of them. */
export const kernelMutants: readonly Mutant[] = [
  ...masks,
  ...rules,
  ...shares,
  ...corrections,
  ...searches,
  ...splits,
  ...matrices,
  ...tuned,
  ...truth,
];
