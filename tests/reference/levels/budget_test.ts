/** Budgets of density, by hand. */
import { BINARY_SHARES, levelDensity, levelsForDensity, tensor } from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";

const RISING = tensor(new Float64Array(40).map((_, at) => at % 10), [1, 2, 2, 10]);

Deno.test("budget: fractional means are spread over the rows of each head", () => {
  const { data } = levelsForDensity(RISING, 0.25, { shares: BINARY_SHARES });
  const counts = [0, 1, 2, 3].map((row) =>
    data.subarray(row * 10, row * 10 + 10).reduce((sum, x) => sum + x, 0)
  );
  assertEquals(counts, [2, 3, 2, 3]);
  assertEquals([...data.subarray(10, 20)], [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
});

Deno.test("budget: shares buy level r for r times as many blocks, finer levels for more important ones", () => {
  const { data } = levelsForDensity(RISING, 0.25, { shares: { 1: 0.4, 2: 0.4, 4: 0.2 } });
  assertEquals([...data.subarray(0, 10)], [0, 0, 0, 0, 0, 4, 4, 2, 2, 1]);
});

Deno.test("budget: a row that would get nothing gets one block at the first level", () => {
  assertEquals([...levelsForDensity(RISING, 0.01).data.subarray(0, 10)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  const coarse = levelsForDensity(RISING, 0.01, { shares: { 2: 0.5, 8: 0.5 } }).data;
  assertEquals([...coarse.subarray(0, 10)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
});

Deno.test("budget: where shares would pass the row nothing is skipped, and level 1 takes the rest", () => {
  const { data } = levelsForDensity(RISING, 0.8, { shares: { 1: 0.6, 2: 0.2, 4: 0.2 } });
  // level 2: 10 * 0.2 * 0.4 / 0.8 = 1 block per row, level 4: 10 * 0.2 * 0.8 / 0.8 = 2
  assertEquals([...data.subarray(0, 10)], [4, 4, 2, 1, 1, 1, 1, 1, 1, 1]);
  assertAlmostEquals(levelDensity(levelsForDensity(RISING, 1)), 1, 0);
});

Deno.test("budget: a share of nothing changes nothing", () => {
  const want = levelsForDensity(RISING, 0.01, { shares: { 2: 1 } });
  assertEquals(levelsForDensity(RISING, 0.01, { shares: { 1: 0, 2: 1 } }), want);
});

Deno.test("budget: shares may come as a map in any order", () => {
  const map = new Map([[4, 0.2], [1, 0.6], [2, 0.2]]);
  assertEquals(levelsForDensity(RISING, 0.35, { shares: map }), levelsForDensity(RISING, 0.35));
});

Deno.test("budget: causal rows count what they see, the sink and the diagonal first", () => {
  const importance = tensor(new Float64Array(36).map((_, at) => at % 6 === 5 ? 9 : at % 6), [1, 1, 6, 6]);
  const sizes = { blockM: 4, blockN: 4, seqQ: 24, seqK: 24, causal: true, shares: BINARY_SHARES };
  const rows = (density: number) => [...levelsForDensity(importance, density, sizes).data].join("");
  assertEquals(rows(0.1), "100000110000101000100100100010100001");
  // half of 1, 2, 3, 4, 5, 6 blocks: running sums .5, 1.5, 3, 5, 7.5, 10.5 make 0, 1, 2, 2, 2, 3 blocks
  assertEquals(rows(0.5), "100000110000101000100100100010100011");
});

Deno.test("budget: queries before the first key get no block", () => {
  const importance = tensor(new Float64Array(6).fill(1), [1, 1, 3, 2]);
  const levels = levelsForDensity(importance, 0.5, { blockM: 4, blockN: 4, seqQ: 12, seqK: 8, causal: true });
  assertEquals([...levels.data.subarray(0, 2)], [0, 0]);
  assert(levels.data.some((level) => level > 0));
});
