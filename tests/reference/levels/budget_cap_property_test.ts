/** Facts about budgets of density and similarity caps that hold for every input. */
import { BINARY_SHARES, levelDensity, levelsForDensity, similarityCap } from "../../../mod.ts";
import { causalBlocks } from "../../../reference/levels/causal.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { mapTensor, permutation, permuteRows } from "../../support/tensor_tools.ts";
import {
  importanceOf,
  queryKeyOf,
  quotaOptions,
  rowsOf,
  selectionFact,
} from "../../support/selection_case.ts";

const THRESHOLDS = { 2: 0.3, 4: 0.1, 8: 0 };
const range = (length: number) => Array.from({ length }, (_, i) => i);

/** The shares that budgets are tried with. */
const BUDGETS: readonly Readonly<Record<number, number>>[] = [
  { 1: 1 },
  { 1: 0.6, 2: 0.2, 4: 0.2 },
  { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 },
  { 2: 0.5, 8: 0.5 },
];

selectionFact(
  "a budget is passed by at most a block a row, and missed by what rounding leaves of a head",
  (c) => {
    const importance = importanceOf(c), [, , M, N] = importance.shape;
    for (const shares of BUDGETS) {
      const widest = Object.entries(shares).reduce((sum, [level, share]) => sum + Number(level) * share, 0);
      const asked = Math.min(c.density, 1 / widest); // above that nothing is skipped, which is another rule
      const density = levelDensity(levelsForDensity(importance, asked, { shares }));
      const left = Object.keys(shares).length / (M * N);
      assert(density <= asked + 1 / N + 1e-12, `${density} of ${asked}`);
      assert(density >= asked - left - 1e-9, `${density} of ${asked}`);
    }
  },
  { runs: 200 },
);

selectionFact("a budget that skips nothing is met to a block of each level a row", (c) => {
  const importance = importanceOf(c), N = importance.shape[3];
  for (const shares of BUDGETS) {
    const widest = Object.entries(shares).reduce((sum, [level, share]) => sum + Number(level) * share, 0);
    const asked = Math.min(1, 1 / widest + 1e-9 + c.density * (1 - 1 / widest));
    const levels = levelsForDensity(importance, asked, { shares }), density = levelDensity(levels);
    assert(Math.abs(density - asked) <= Object.keys(shares).length / N, `${density} of ${asked}`);
    if (shares[1] !== undefined) assert(levels.data.every((level) => level > 0));
  }
}, { runs: 200 });

selectionFact("each share of a budget is spent on its level", (c) => {
  const importance = importanceOf(c), [, , M, N] = importance.shape, shares = { 1: 0.5, 2: 0.25, 8: 0.25 };
  const density = c.density / 3; // shares stay below the row: 0.5 + 0.5 + 2 is 3
  const perHead = M * N, { data } = levelsForDensity(importance, density, { shares });
  for (const head of range(c.batch * c.heads)) {
    const levels = data.subarray(head * perHead, (head + 1) * perHead);
    for (const [level, share] of Object.entries(shares)) {
      const blocks = levels.filter((each) => each === Number(level)).length;
      const want = Math.floor(share * density * Number(level) * perHead + 1e-9);
      assert(blocks >= want - M && blocks <= want + (level === "1" ? M : 0), `${blocks}, not ${want}`);
      if (level === "1") assert(blocks >= want);
    }
  }
});

selectionFact("a budget of 1 reads everything, and no row reads nothing", (c) => {
  const importance = importanceOf(c);
  for (const shares of BUDGETS) {
    assert(levelsForDensity(importance, 1, { shares }).data.every((level) => level === 1));
    const least = levelsForDensity(importance, c.density, { shares });
    for (const row of rowsOf(least)) assert(row.some((level) => level > 0));
  }
});

selectionFact("a budget on a causal call counts what each row sees", (c) => {
  const importance = importanceOf(c), { isFuture, isDiagonal } = causalBlocks(c);
  const levels = levelsForDensity(importance, c.density, {
    ...quotaOptions(c),
    causal: true,
    shares: BINARY_SHARES,
  });
  const [, , M] = levels.shape, N = levels.shape[3];
  let before = 0, after = 0;
  rowsOf(levels).slice(0, M).forEach((row, m) => {
    const seen = range(N).filter((j) => !isFuture(m, j)).length;
    const forced = range(N).filter((j) => !isFuture(m, j) && (j === 0 || isDiagonal(m, j))).length;
    after += c.density * seen;
    const count = Math.floor(after + 1e-9) - Math.floor(before + 1e-9);
    before = after;
    const taken = row.filter((level) => level > 0).length;
    assertEquals(taken, Math.min(seen, Math.max(forced, count || 1)), `row ${m}`);
  });
});

selectionFact("a lower threshold never lowers a cap", (c) => {
  const { k } = queryKeyOf(c);
  const cap = (less: number) => {
    const thresholds = Object.fromEntries(
      Object.entries(THRESHOLDS).filter(([r]) => c.blockN % Number(r) === 0).map(([r, t]) => [r, t - less]),
    );
    return similarityCap(k, { blockN: c.blockN, thresholds }).data;
  };
  const strict = cap(0), loose = cap(c.density / 2);
  strict.forEach((level, at) => assert(level <= loose[at]));
});

selectionFact("caps do not depend on the length of keys, and move with their blocks", (given) => {
  const c = { ...given, blockN: 8, seqK: Math.ceil(given.seqK / 8) * 8 },
    { k } = queryKeyOf(c),
    N = c.seqK / 8;
  const options = { blockN: 8, thresholds: THRESHOLDS }, cap = similarityCap(k, options);
  const longer = mapTensor(k, (x, i) => x * 2 ** (Math.floor(i / c.headDim) % 5));
  assertEquals(similarityCap(longer, options), cap);
  const order = permutation(N, c.seed), tokens = order.flatMap((block) => range(8).map((i) => block * 8 + i));
  const moved = similarityCap(permuteRows(k, tokens), options);
  assertEquals(moved.data, cap.data.map((_, i) => cap.data[i - i % N + order[i % N]]));
});
