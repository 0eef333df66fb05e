/**
 * Mistakes in methods, in the true mass and in what levels drop.
 *
 * @module
 */
import type { Mutant } from "./mutant.ts";

const shared: readonly Mutant[] = [
  {
    name: "methods: a search keeps the value that does not fit",
    file: "reference/methods/bisect.ts",
    find: "  return least;",
    replace: "  return most;",
  },
  {
    name: "methods: a search ends early",
    file: "reference/methods/bisect.ts",
    find: "const HALVINGS = 40;",
    replace: "const HALVINGS = 2;",
  },
  {
    name: "methods: what passes the density is said to be ok",
    file: "reference/methods/bisect.ts",
    find: 'if (parameter === null) status = "unreachable";',
    replace: "",
  },
  {
    name: "methods: forced blocks of causal rows do not count towards a threshold",
    file: "reference/methods/entries.ts",
    find: "let taken = forced.reduce((sum, j) => sum + scores[j], 0);",
    replace: "let taken = 0;",
  },
  {
    name: "methods: dropped mass ignores what was put back",
    file: "reference/methods/select.ts",
    find: "selection.represented ?? selection.levels",
    replace: "selection.levels",
  },
  {
    name: "methods: true mass sees the future",
    file: "reference/judge/mass.ts",
    find: "const seen = causal ?",
    replace: "const seen = causal && scale === Infinity ?",
  },
  {
    name: "methods: true mass of a partial query block is a mean over a whole one",
    file: "reference/judge/mass.ts",
    find: "rows = Math.min(blockM, seqQ - m * blockM);\n      ",
    replace: "rows = blockM;\n      ",
  },
  {
    name: "methods: dropped mass weighs a partial query block like a whole one",
    file: "reference/judge/mass.ts",
    find: "mass.data[at] * Math.min(blockM, seqQ - m * blockM)",
    replace: "mass.data[at] * blockM",
  },
];

const rules: readonly Mutant[] = [
  {
    name: "methods: psa-threshold ends level 8 too early",
    file: "reference/levels/thresholds.ts",
    find: "[4, 0.6], [8, 0.8]]",
    replace: "[4, 0.6], [8, 0.7]]",
  },
  {
    name: "methods: block-topk-mean does not pay for its mean tokens",
    file: "reference/methods/pyramid/block_topk_mean.ts",
    find: "(density - 1 / blockN) * blockN / (blockN - 1)",
    replace: "density",
  },
  {
    name: "methods: xattention does not always read key block 0",
    file: "reference/methods/mask/xattention.ts",
    find: "if (entries.data[at] < Infinity) entries.data[at] = -Infinity;",
    replace: "",
  },
  {
    name: "methods: xattention leaves out the block that crosses tau",
    file: "reference/methods/mask/xattention.ts",
    find: "(before) => before)",
    replace: "(_, after) => after)",
  },
  {
    name: "methods: spargeattn takes the block that crosses its bound",
    file: "reference/methods/mask/spargeattn.ts",
    find: "(_, after) => after)",
    replace: "(before) => before)",
  },
  {
    name: "methods: spargeattn may leave a row empty",
    file: "reference/methods/mask/spargeattn.ts",
    find: "      forceBest(entries.data, entries.shape[3]);\n",
    replace: "",
  },
  {
    name: "methods: spargeattn forces blocks whose tokens are alike",
    file: "reference/methods/mask/spargeattn.ts",
    find: "(queries[m] > similarity && keys[j] > similarity)",
    replace: "(queries[m] <= similarity && keys[j] <= similarity)",
  },
  {
    name: "methods: draft leaves rows empty",
    file: "reference/methods/mask/draft.ts",
    find: "if (!row.includes(1)) row",
    replace: "if (row.includes(2)) row",
  },
  {
    name: "methods: sta lets windows run over the border",
    file: "reference/methods/mask/sta.ts",
    find: "Math.min(Math.max(at, half), n - 1 - half)",
    replace: "at",
  },
  {
    name: "methods: sta takes the window of most error",
    file: "reference/methods/mask/sta.ts",
    find: "errors[head][b] < errors[head][a]",
    replace: "errors[head][b] > errors[head][a]",
  },
  {
    name: "methods: rectified does not scale attention down",
    file: "reference/methods/mask/rectified.ts",
    find: "data[at] = (1 - share) * data[at]",
    replace: "data[at] = data[at]",
  },
  {
    name: "methods: rectified has no gate",
    file: "reference/methods/mask/rectified.ts",
    find: "level === 0 && reliable[at] === 1 &&",
    replace: "level === 0 &&",
  },
  {
    name: "methods: rectified takes the spread of queries only",
    file: "reference/methods/mask/rectified.ts",
    find: "const spread = size(queries.spreads, keys.means) + size(queries.means, keys.spreads);",
    replace: "const spread = size(queries.spreads, keys.means);",
  },
  {
    name: "methods: random drops a query block's own keys",
    file: "reference/methods/control/random.ts",
    find: "? 1",
    replace: "? 0",
  },
  {
    name: "methods: every head draws the same blocks",
    file: "reference/methods/control/random.ts",
    find: "seededRandom(inputs.seed, inputs.firstHead + head)",
    replace: "seededRandom(inputs.seed)",
  },
  {
    name: "methods: token-topk lets the future take places",
    file: "reference/methods/control/token_topk.ts",
    find: "scores.subarray(0, seenBy(first + r))",
    replace: "scores",
  },
];

const masks: readonly Mutant[] = [
  {
    name: "masks: a query sees what its neighbours see",
    file: "reference/masks/rows.ts",
    find: "if ((row[key >>> 5] >>> (key & 31) & 1) === 0) scores[at] = -Infinity;\n    else if",
    replace: "if",
  },
  {
    name: "masks: the keys of four queries before are kept",
    file: "reference/masks/rows.ts",
    find: "changed ||= joined !== union[word];",
    replace: "",
  },
  {
    name: "masks: a causal mask shows the future",
    file: "reference/masks/mask.ts",
    find: "clearFrom(row, seenKeys(i, { seqQ, seqK, causal }));",
    replace: "clearFrom(row, seenKeys(i, { seqQ, seqK, causal: false }));",
  },
  {
    name: "masks: dropped mass is what is kept",
    file: "reference/masks/loss.ts",
    find: "-Math.expm1(sparse.data[row] - dense.data[row])",
    replace: "Math.exp(sparse.data[row] - dense.data[row])",
  },
  {
    name: "masks: of equal scores the later is taken",
    file: "reference/masks/largest.ts",
    find: "for (let j = 0; j < scores.length; j++) {\n    if",
    replace: "for (let j = scores.length - 1; j >= 0; j--) {\n    if",
  },
  {
    name: "masks: a query need not take its own block",
    file: "reference/methods/masks.ts",
    find: "for (const j of forced) ranked[j] = Infinity;",
    replace: "",
  },
  {
    name: "methods: the sink of svg is counted on one side of the band",
    file: "reference/methods/grid/svg.ts",
    find: " + Math.max(0, sink - end)",
    replace: "",
  },
  {
    name: "methods: places of the grid are taken for tokens",
    file: "reference/methods/grid/places.ts",
    find: "setBit(row, tokenAt[place])",
    replace: "setBit(row, place)",
  },
];

/** All of them. */
export const methodMutants: readonly Mutant[] = [...shared, ...rules, ...masks];
