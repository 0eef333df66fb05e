/** Levels, caps and densities are what the definition says, with every rule crossed. */
import {
  type AssignmentConfig,
  levelDensity,
  levelsFromImportance,
  type Shares,
  similarityCap,
  type Tensor,
} from "../../../mod.ts";
import { naiveCap } from "../../../reference/naive/cap.ts";
import { naiveDensity } from "../../../reference/naive/density.ts";
import { naiveLevels } from "../../../reference/naive/levels.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import {
  capOf,
  importanceOf,
  queryKeyOf,
  ratiosOf,
  type SelectionCase,
  selectionFact,
} from "../../support/selection_case.ts";

/** Levels of a case both ways: without rules, with text and the causal pattern as drawn, and with a cap as well. */
function assertLevels(c: SelectionCase, assignment: AssignmentConfig): void {
  const { blockM, blockN, tile, seqQ, seqK, causal, text } = c, importance = importanceOf(c);
  const sizes = { blockM, blockN, tile, seqQ, seqK };
  const rules: { causal?: boolean; textLength?: number; cap?: Tensor<Int32Array> }[] = [
    {},
    { causal, textLength: text },
    { causal, textLength: text, cap: capOf(c) },
  ];
  for (const { cap, ...rest } of rules) {
    const got = levelsFromImportance(importance, { ...sizes, assignment, ...rest }, { seqQ, seqK, cap });
    assertEquals(got, naiveLevels(importance, assignment, { ...sizes, ...rest, cap }));
  }
}

selectionFact("topk and threshold: equal to the naive loops, every rule crossed", (c) => {
  assertLevels(c, { mode: c.mode, ratios: ratiosOf(c) });
}, { runs: 300 });

selectionFact("a budget of density: equal to the naive loops, every rule crossed", (c) => {
  assertLevels(c, { mode: "density", density: c.density });
}, { runs: 150 });

selectionFact("a budget of density with shares of its own: equal to the naive loops", (c) => {
  const several: readonly Shares[] = [{ 1: 1 }, { 1: 0.3, 4: 0.7 }, new Map([[4, 0.5], [2, 0.5]])];
  for (const shares of several) {
    assertLevels(c, { mode: "density", density: c.density, shares });
  }
}, { runs: 60 });

selectionFact("caps: equal to the naive loops", (c) => {
  const { k } = queryKeyOf(c), alike = { data: k.data.map((x) => x + 1.5), shape: k.shape };
  const thresholds = { 2: 0.6, 4: 0.5 };
  for (const keys of [k, alike]) {
    const options = { blockN: c.blockN, thresholds };
    assertEquals(similarityCap(keys, options), naiveCap(keys, options));
  }
});

selectionFact("density: equal to the naive loops", (c) => {
  const { blockM, blockN, seqQ, seqK } = c, { shape } = importanceOf(c);
  const sizes = { blockM, blockN, seqQ, seqK };
  const levels = {
    data: Int32Array.from(importanceOf(c).data, (x) => [0, 1, 2, 4][Math.floor(1e9 * x) % 4]),
    shape,
  };
  for (const causal of [false, true]) {
    const got = levelDensity(levels, { causal, ...sizes }),
      want = naiveDensity(levels, causal ? sizes : undefined);
    assert(Object.is(got, want) || Math.abs(got - want) <= 1e-12 * want, `${got}, it should be ${want}`);
  }
});
