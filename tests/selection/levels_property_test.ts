/** Facts about levels, caps, segments and budgets that hold for every input. */
import {
  assignLevels,
  BINARY_SHARES,
  fromSegments,
  levelDensity,
  levelsForDensity,
  similarityCap,
  type Tensor,
  tensor,
  toSegments,
} from "../../mod.ts";
import { causalBlocks } from "../../reference/causal.ts";
import { alignment } from "../../reference/levels.ts";
import { headOf, headPyramid, visibleBlock } from "../../reference/visible.ts";
import { assert, assertAlmostEquals, assertEquals } from "../assert.ts";
import { mapTensor, permutation, permuteRows } from "../tensor_tools.ts";
import {
  capOf,
  importanceOf,
  queryKeyOf,
  quotaOptions,
  ratiosOf,
  rowsOf,
  type SelectionCase,
  selectionFact,
} from "./selection_case.ts";
import { twinRow } from "./twin.ts";

/** The ways to turn importance into levels. */
const WAYS: readonly ((importance: Tensor, c: SelectionCase) => Tensor<Int32Array>)[] = [
  (importance, c) => assignLevels(importance, quotaOptions(c)),
  (importance, c) => levelsForDensity(importance, c.density),
  (importance, c) => levelsForDensity(importance, c.density, { shares: BINARY_SHARES }),
];
const THRESHOLDS = { 2: 0.3, 4: 0.1, 8: 0 };
const range = (length: number) => Array.from({ length }, (_, i) => i);
/** How coarse a level is; skipped blocks are coarser than all. */
const coarseness = (level: number) => level || Infinity;
/** Row and column of an entry. */
const place = ({ shape: [, , rows, columns] }: Tensor, at: number) => ({
  m: Math.floor(at / columns) % rows,
  j: at % columns,
});

selectionFact("levels are what the definition says, row by row", (c) => {
  const importance = importanceOf(c), options = quotaOptions(c);
  const levels = rowsOf(assignLevels(importance, options));
  rowsOf(importance).forEach((row, at) => assertEquals([...levels[at]], twinRow([...row], options)));
}, { runs: 300 });

selectionFact("a more important block never has a coarser level", (c) => {
  const importance = importanceOf(c);
  for (const way of WAYS) {
    const levels = rowsOf(way(importance, c));
    rowsOf(importance).forEach((row, at) => {
      const order = range(row.length).sort((a, b) => row[b] - row[a]);
      const ascending = order.map((j) => coarseness(levels[at][j]));
      assertEquals(ascending, ascending.toSorted((a, b) => a - b));
    });
  }
});

selectionFact("among equals the lower index never has the coarser level", (c) => {
  const equal = mapTensor(importanceOf(c), () => 0.25);
  for (const way of WAYS) {
    for (const row of rowsOf(way(equal, c))) {
      assertEquals([...row].map(coarseness), [...row].map(coarseness).sort((a, b) => a - b));
    }
  }
});

selectionFact("permuting key blocks permutes their levels", (c) => {
  const importance = importanceOf(c), N = importance.shape[3], order = permutation(N, c.seed);
  const moved = {
    ...importance,
    data: importance.data.map((_, i) => importance.data[i - i % N + order[i % N]]),
  };
  for (const way of WAYS) {
    const want = way(importance, c);
    assertEquals(way(moved, c).data, want.data.map((_, i) => want.data[i - i % N + order[i % N]]));
  }
});

selectionFact("a power of two on all of a row's importance changes no level", (c) => {
  const importance = importanceOf(c), N = importance.shape[3];
  const scaled = mapTensor(importance, (x, i) => x * 2 ** (Math.floor(i / N) % 7 - 3));
  for (const way of WAYS) assertEquals(way(scaled, c), way(importance, c));
});

selectionFact("heads and rows do not matter to each other in released modes", (c) => {
  const importance = importanceOf(c), options = { ...quotaOptions(c), seqQ: undefined };
  const whole = rowsOf(assignLevels(importance, options));
  rowsOf(importance).forEach((row, at) => {
    const alone = assignLevels(tensor(row, [1, 1, 1, row.length]), options);
    assertEquals(alone.data, whole[at]);
  });
}, { runs: 30 });

selectionFact("quotas of pooled levels fill whole tiles", (c) => {
  const importance = importanceOf(c), options = quotaOptions(c);
  for (const row of rowsOf(assignLevels(importance, options))) {
    for (const [level] of ratiosOf(c)) {
      const unit = alignment(level, options), blocks = row.filter((each) => each === level).length;
      if (level > 1) assertEquals(blocks % unit, 0, `${blocks} blocks of level ${level}`);
    }
  }
});

selectionFact("a higher threshold keeps all that a lower one keeps", (c) => {
  const importance = importanceOf(c);
  const kept = (end: number) =>
    assignLevels(importance, { ...quotaOptions(c), mode: "threshold", ratios: [[1, 0, end], [0, end, 1]] })
      .data;
  const few = kept(c.density * 0.8), many = kept(c.density);
  few.forEach((level, at) => assert(level <= many[at]));
});

selectionFact("kept blocks hold the share of importance that a threshold asks for", (c) => {
  const importance = importanceOf(c), end = c.density;
  const options = { ...quotaOptions(c), mode: "threshold", ratios: [[1, 0, end], [0, end, 1]] } as const;
  const levels = rowsOf(assignLevels(importance, options));
  rowsOf(importance).forEach((row, at) => {
    const total = row.reduce((sum, x) => sum + x, 0);
    const kept = row.reduce((sum, x, j) => sum + (levels[at][j] > 0 ? x : 0), 0);
    assert(kept / total >= end - 1e-9, `${kept / total} of ${end}`);
  });
});

selectionFact("caps never raise a level, and are kept", (c) => {
  const importance = importanceOf(c), cap = capOf(c), group = c.heads / c.kvHeads;
  const levels = assignLevels(importance, quotaOptions(c));
  const capped = assignLevels(importance, { ...quotaOptions(c), cap });
  const [, heads, rows, columns] = levels.shape;
  capped.data.forEach((level, at) => {
    const head = Math.floor(at / (rows * columns)), kvHead = Math.floor(head % heads / group);
    const limit = cap.data[(Math.floor(head / heads) * c.kvHeads + kvHead) * columns + at % columns];
    assertEquals(level, Math.min(levels.data[at], limit));
  });
  assert(levelDensity(capped) >= levelDensity(levels));
});

selectionFact("text blocks are level 1, and other blocks do not notice", (c) => {
  const importance = importanceOf(c), N = importance.shape[3], text = Math.ceil(c.text / c.blockN);
  const levels = assignLevels(importance, quotaOptions(c));
  const withText = assignLevels(importance, { ...quotaOptions(c), textLength: c.text });
  withText.data.forEach((level, at) => assertEquals(level, at % N >= N - text ? 1 : levels.data[at]));
});

selectionFact("causal rows skip the future and read the sink and the diagonal in full", (c) => {
  const importance = importanceOf(c), { isFuture, isDiagonal } = causalBlocks(c);
  const sizes = { ...quotaOptions(c), causal: true };
  for (const levels of [assignLevels(importance, sizes), levelsForDensity(importance, c.density, sizes)]) {
    levels.data.forEach((level, at) => {
      const { m, j } = place(levels, at);
      if (isFuture(m, j)) assertEquals(level, 0);
      else if (j === 0 || isDiagonal(m, j)) assertEquals(level, 1);
    });
  }
});

selectionFact("future and diagonal are what positions say, token by token", (c) => {
  const { isFuture, isDiagonal } = causalBlocks(c);
  for (const m of range(Math.ceil(c.seqQ / c.blockM))) {
    for (const j of range(Math.ceil(c.seqK / c.blockN))) {
      let seen = 0, pairs = 0;
      for (let i = m * c.blockM; i < Math.min((m + 1) * c.blockM, c.seqQ); i++) {
        for (let t = j * c.blockN; t < Math.min((j + 1) * c.blockN, c.seqK); t++, pairs++) {
          if (t <= i + c.seqK - c.seqQ) seen++;
        }
      }
      assertEquals([isFuture(m, j), isDiagonal(m, j)], [seen === 0, seen > 0 && seen < pairs]);
    }
  }
}, { runs: 40 });

selectionFact("density is the share of tokens that are really read", (given) => {
  const seqK = Math.ceil(given.seqK / given.blockN) * given.blockN, seqQ = given.seqQ;
  const c = { ...given, seqK, seqQ: Math.ceil(seqQ / given.blockM) * given.blockM };
  const { q, k } = queryKeyOf(c), { blockM, blockN } = c;
  const levels = assignLevels(importanceOf(c), quotaOptions(c));
  let read = 0;
  for (const index of range(c.batch * c.heads)) {
    const head = headOf({ q, k, v: k }, levels, index), pyramid = headPyramid(head, { blockM, blockN });
    for (const m of range(levels.shape[2])) {
      read += visibleBlock(head, pyramid, { blockM, blockN, m }).tokens.counts.length * blockM;
    }
  }
  assertAlmostEquals(read / (c.batch * c.heads * c.seqQ * c.seqK), levelDensity(levels), 1e-12);
}, { runs: 40 });

selectionFact("segments are read back as they were, and name each block once", (c) => {
  const importance = importanceOf(c), levels = assignLevels(importance, quotaOptions(c));
  for (const segments of [toSegments(levels), toSegments(levels, { importance })]) {
    assertEquals(fromSegments(segments), levels);
    for (const row of rowsOf(segments)) {
      const named = [...row].filter((entry) => entry >= 0).sort((a, b) => a - b);
      assertEquals(named, range(levels.shape[3]));
      assertEquals(row.length - named.length, 5);
    }
  }
});

/** Facts about budgets are about these shares. */
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
