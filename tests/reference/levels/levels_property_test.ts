/** Facts about levels and segments that hold for every input. */
import {
  assignLevels,
  BINARY_SHARES,
  fromSegments,
  levelDensity,
  levelsForDensity,
  type Tensor,
  tensor,
  toSegments,
} from "../../../mod.ts";
import { causalBlocks } from "../../../reference/levels/causal.ts";
import { alignment } from "../../../reference/levels/assign.ts";
import { headOf } from "../../../reference/heads.ts";
import { headPyramid, visibleBlock } from "../../../reference/attention/visible.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";
import { mapTensor, permutation } from "../../support/tensor_tools.ts";
import {
  capOf,
  importanceOf,
  queryKeyOf,
  quotaOptions,
  ratiosOf,
  rowsOf,
  type SelectionCase,
  selectionFact,
} from "../../support/selection_case.ts";

/** The ways to turn importance into levels. */
const WAYS: readonly ((importance: Tensor, c: SelectionCase) => Tensor<Int32Array>)[] = [
  (importance, c) => assignLevels(importance, quotaOptions(c)),
  (importance, c) => levelsForDensity(importance, c.density),
  (importance, c) => levelsForDensity(importance, c.density, { shares: BINARY_SHARES }),
];
const range = (length: number) => Array.from({ length }, (_, i) => i);
/** How coarse a level is; skipped blocks are coarser than all. */
const coarseness = (level: number) => level || Infinity;
/** Row and column of an entry. */
const place = ({ shape: [, , rows, columns] }: Tensor, at: number) => ({
  m: Math.floor(at / columns) % rows,
  j: at % columns,
});

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
