/** Levels from importance: examples by hand for every rule, and bad input. */
import {
  assignLevels,
  type AssignOptions,
  InputError,
  levelDensity,
  levelsForDensity,
  type Ratio,
  type Shares,
  tensor,
} from "../../../mod.ts";
import { alignment } from "../../../reference/levels/assign.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../../support/assert.ts";

/** Importance of one row, one head. */
const row = (...scores: number[]) => tensor(new Float64Array(scores), [1, 1, 1, scores.length]);
/** Twenty blocks, the most important first. */
const FALLING = row(...Array.from({ length: 20 }, (_, j) => 20 - j));
const RELEASED: readonly Ratio[] = [[1, 0, 0.1], [2, 0.1, 0.15], [4, 0.15, 0.15], [8, 0.15, 0.35], [
  0,
  0.35,
  1,
]];

/** The levels of an importance as one word. */
function assigned(importance: ReturnType<typeof row>, options: Partial<AssignOptions> = {}): string {
  const { data } = assignLevels(importance, {
    mode: "topk",
    ratios: RELEASED,
    blockN: 128,
    tile: 32,
    ...options,
  });
  return data.join("");
}

Deno.test("levels: quotas of the number of blocks, pooled ones in whole tiles", () => {
  // ends floor(20 * .1) = 2, floor(20 * .15) = 3 for one of level 2, none of 4, floor(20 * .35) = 7 for four of 8
  assertEquals(assigned(FALLING), "11288880000000000000");
  // blocks of 64: level 2 takes one tile in one block, level 8 a tile in four
  assertEquals(assigned(FALLING, { blockN: 64 }), "11288880000000000000");
  // blocks of 32: level 2 takes a tile in two blocks, level 8 in eight
  assertEquals(assigned(FALLING, { blockN: 32 }), "11228888888800000000");
});

Deno.test("levels: a length that reaches the room left takes the largest multiple that fits", () => {
  const ratios: Ratio[] = [[1, 0, 0.25], [4, 0.25, 1]];
  // 10 blocks: 2 of level 1; 8 are left and 8 is a multiple of 4
  assertEquals(assigned(row(...Array(10).fill(1)), { ratios, blockN: 32 }), "1144444444");
  // 9 blocks: 2 of level 1; 7 are left, 8 passes them, 4 fit
  assertEquals(assigned(row(...Array(9).fill(1)), { ratios, blockN: 32 }), "114444000");
});

Deno.test("levels: a quota is a floor, in doubles", () => {
  const ratios: Ratio[] = [[1, 0, 0.3], [0, 0.3, 1]];
  assertEquals(assigned(row(...Array(9).fill(1)), { ratios }), "110000000");
  assertEquals(assigned(row(...Array(10).fill(1)), { ratios }), "1110000000");
  // 100 * 0.29 is 28.999999999999996
  const hundred = assigned(row(...Array(100).fill(1)), { ratios: [[1, 0, 0.29], [0, 0.29, 1]] });
  assertEquals(hundred, "1".repeat(28) + "0".repeat(72));
});

Deno.test("levels: only ends count", () => {
  const ratios: Ratio[] = [[1, 0.7, 0.1], [2, 0, 0.15], [4, 0, 0.15], [8, 0.9, 0.35], [0, 0, 1]];
  assertEquals(assigned(FALLING, { ratios }), assigned(FALLING));
});

Deno.test("levels: among equals the lower index comes first, and order follows importance", () => {
  const ratios: Ratio[] = [[1, 0, 0.25], [2, 0.25, 0.75], [0, 0.75, 1]];
  assertEquals(assigned(row(1, 1, 1, 1), { ratios }), "1220");
  assertEquals(assigned(row(0.1, 0.4, 0.2, 0.3), { ratios }), "0122");
  assertEquals(assigned(row(0, 2, 2, 2), { ratios }), "0122");
});

Deno.test("levels: a threshold takes the block that crosses it", () => {
  const importance = row(0.4, 0.3, 0.2, 0.1), binary = (end: number): Ratio[] => [[1, 0, end], [0, end, 1]];
  const kept = (end: number) =>
    assigned(importance, { mode: "threshold", ratios: binary(end), minFullRatio: 0 });
  assertEquals(kept(0.39), "1000"); // not even the first is under it: the least number, one
  assertEquals(kept(0.4), "1100"); // the first is not above it, so the second crosses
  assertEquals(kept(0.69), "1100");
  assertEquals(kept(0.7), "1110");
  assertEquals(kept(0.9), "1111");
});

Deno.test("levels: a sum may pass its threshold by a millionth", () => {
  const ratios: Ratio[] = [[1, 0, 0.5], [0, 0.5, 1]];
  const kept = (first: number) =>
    assigned(row(first, 0.3, 0.1, 0.6 - first), { mode: "threshold", ratios, minFullRatio: 0 });
  assertEquals(kept(0.5 + 9e-7), "1100");
  assertEquals(kept(0.5 + 2e-6), "1000");
});

Deno.test("levels: thresholds give level 1 its least share, after which others follow", () => {
  const importance = row(97, ...Array(19).fill(1)), mode = "threshold";
  const ratios: Ratio[] = [[1, 0, 0.1], [2, 0.1, 0.84], [0, 0.84, 1]];
  // floor(20 * .06) + 1 = 2 blocks; level 2: (97 + 2) / 116 = .853 is above .84, so its end is 2 as well
  assertEquals(assigned(importance, { mode, ratios }), "11000000000000000000");
  assertEquals(assigned(importance, { mode, ratios, minFullRatio: 0.2 }), "11111000000000000000");
  assertEquals(assigned(importance, { mode, ratios, minFullRatio: 1 }), "1".repeat(20));
});

Deno.test("levels: without level 1, a block that alone passes all thresholds is skipped", () => {
  const mode = "threshold", ratios: Ratio[] = [[2, 0, 0.3], [4, 0.3, 0.5], [0, 0.5, 1]];
  assertEquals(assigned(row(0.9, 0.1), { mode, ratios }), "00");
  assertEquals(assigned(row(0.4, 0.3, 0.2, 0.1), { mode, ratios }), "4400");
});

Deno.test("levels: thresholds of pooled levels fill whole tiles, and those of one block do not", () => {
  const mode = "threshold", importance = row(...Array(20).fill(1));
  const ratios: Ratio[] = [[1, 0, 0.2], [8, 0.2, 0.4], [0, 0.4, 1]];
  // level 1 ends at 4 + 1, level 8 at 8 + 1: a length of 4
  assertEquals(assigned(importance, { mode, ratios }), "11111888800000000000");
  assertEquals(assigned(importance, { mode, ratios, blockN: 32 }), "11111888888880000000");
});

Deno.test("levels: every power of two up to the block works", () => {
  const ratios: Ratio[] = [[1, 0, 0.05], [16, 0.05, 0.25], [64, 0.25, 0.5], [0, 0.5, 1]];
  const { data } = assignLevels(FALLING, { mode: "topk", ratios, blockN: 64, tile: 8 });
  assertEquals([...data], [1, 16, 16, 16, 16, ...Array(8).fill(64), ...Array(7).fill(0)]);
  assertEquals([1, 2, 4, 8, 16, 32, 64].map((level) => alignment(level, { blockN: 64, tile: 32 })), [
    1,
    1,
    2,
    4,
    8,
    16,
    32,
  ]);
  assertEquals(alignment(0, { blockN: 64, tile: 64 }), 1);
});

Deno.test("levels: text at the end is level 1, in whole blocks", () => {
  const seqK = 20 * 128 - 100; // the last block holds 28 tokens
  assertEquals(assigned(FALLING, { textLength: 28, seqK }), "11288880000000000001");
  assertEquals(assigned(FALLING, { textLength: 129, seqK }), "11288880000000000011");
  assertEquals(assigned(FALLING, { textLength: 0, seqK }), "11288880000000000000");
});

Deno.test("levels: causal rows see the sink, the diagonal and nothing after it", () => {
  const importance = tensor(new Float64Array(12).fill(1), [1, 1, 3, 4]);
  const sizes = { blockM: 4, seqQ: 12, seqK: 32, causal: true }, ratios: Ratio[] = [[0, 0, 1]];
  // query 0 stands at position 20: rows end at 23, 27 and 31, with blocks of 8 keys
  const { data } = assignLevels(importance, { mode: "topk", ratios, blockN: 8, tile: 8, ...sizes });
  assertEquals([...data], [1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1]);
});

Deno.test("levels: text in the future stays skipped", () => {
  const importance = tensor(new Float64Array(9).fill(1), [1, 1, 3, 3]);
  const sizes = { blockM: 8, seqQ: 24, seqK: 24, causal: true, textLength: 16 },
    ratios: Ratio[] = [[0, 0, 1]];
  const { data } = assignLevels(importance, { mode: "topk", ratios, blockN: 8, tile: 8, ...sizes });
  assertEquals([...data], [1, 0, 0, 1, 1, 0, 1, 1, 1]);
});

Deno.test("levels: the cap of a key head holds for every head of its group", () => {
  const importance = tensor(new Float64Array(8).fill(1), [1, 4, 1, 2]);
  const cap = tensor(new Int32Array([8, 2, 1, 4]), [1, 2, 2]);
  const ratios: Ratio[] = [[4, 0, 0.5], [8, 0.5, 1]];
  const { data } = assignLevels(importance, { mode: "topk", ratios, blockN: 8, tile: 1, cap });
  assertEquals([...data], [4, 2, 4, 2, 1, 4, 1, 4]);
  const skipped = assignLevels(importance, { mode: "topk", ratios: [[0, 0, 1]], blockN: 8, tile: 1, cap });
  assertEquals([...skipped.data], Array(8).fill(0));
});

Deno.test("levels: density is the mean of 1 / level, causal over what is not in the future", () => {
  const levels = tensor(new Int32Array([1, 0, 0, 2, 1, 0, 4, 0, 1]), [1, 1, 3, 3]);
  assertAlmostEquals(levelDensity(levels), 3.75 / 9, 1e-15);
  const sizes = { causal: true, blockM: 8, blockN: 8, seqQ: 24, seqK: 24 };
  assertAlmostEquals(levelDensity(levels, sizes), 3.75 / 6, 1e-15);
});

Deno.test("levels: bad input is refused in one sentence", () => {
  const ratios = (...list: Ratio[]) => ({ ratios: list });
  const cap = (shape: number[], fill = 2) => ({
    cap: tensor(new Int32Array(shape.reduce((a, b) => a * b)).fill(fill), shape),
  });
  const refused: [Partial<AssignOptions>, string][] = [
    [{ mode: "best" as "topk" }, '`mode` is "best"; it should be "topk" or "threshold".'],
    [ratios(), "`ratios` is empty"],
    [
      ratios([1, 0, 0.5], [2, 0.5, 0.2], [0, 0.2, 1]),
      "`ratios` has the ends 0.5, 0.2, 1; they should ascend.",
    ],
    [ratios([1, 0, 0.5], [2, 0.5, 0.9]), "`ratios` ends at 0.9; the last end should be 1."],
    [ratios([1, 0, 0.5], [3, 0.5, 1]), "`ratios` has level 3; a level should be 0 or a power of two"],
    [ratios([1, 0, 0.5], [256, 0.5, 1]), "`ratios` has level 256; a level should be 0 or a power of two"],
    [ratios([1, 0, 0.5], [1, 0.5, 1]), "`ratios` has level 1 2 times; it should have it once."],
    [ratios([1, 0, -0.5], [0, 0, 1]), "`ratios` has the end -0.5; ends should be fractions from 0 to 1."],
    [ratios([1, 0, NaN], [0, 0, 1]), "`ratios` holds NaN; it should hold numbers."],
    [{ minFullRatio: 1.5 }, "`minFullRatio` is 1.5; it should be a fraction from 0 to 1."],
    [{ tile: 48 }, "`tile` is 48; it should be a power of two that divides `blockN`, 128."],
    [{ tile: 256 }, "`tile` is 256; it should be a power of two that divides `blockN`, 128."],
    [{ blockN: 0 }, "`blockN` is 0; it should be a positive number of tokens."],
    [{ textLength: 2561 }, "`textLength` is 2561; it should be a number of tokens from 0 to the 2560 keys."],
    [{ textLength: 101, seqK: 100 }, "`importance` has 20 key blocks; 100 keys in blocks of 128 make 1."],
    [{ textLength: -1 }, "`textLength` is -1"],
    [cap([1, 20]), "`cap` has shape [1,20]; it should be [1, a divisor of 1, 20]."],
    [cap([1, 2, 20]), "`cap` has shape [1,2,20]"],
    [cap([1, 1, 19]), "`cap` has shape [1,1,19]"],
    [cap([1, 1, 20], 0), "`cap` holds 0; it should hold powers of two."],
    [{ causal: true }, "`blockM` is missing; `causal` needs blockM, blockN, seqQ and seqK."],
    [
      { causal: true, blockM: 128, seqQ: 256, seqK: 2560 },
      "`importance` has 1 query blocks; 256 queries in blocks of 128 make 2.",
    ],
  ];
  for (const [options, sentence] of refused) {
    assertThrows(() => assigned(FALLING, options), InputError, sentence);
  }
  const scores = (...data: number[]) => () => assigned(row(...data));
  assertThrows(scores(1, NaN), InputError, "`importance` holds NaN; it should hold finite numbers");
  assertThrows(scores(1, Infinity), InputError, "`importance` holds Infinity");
  assertThrows(scores(1, -1), InputError, "`importance` holds -1");
  const flat = tensor(new Float64Array(4), [2, 2]);
  assertThrows(() => assigned(flat), InputError, "`importance` has shape [2,2]");
  const levels = tensor(new Int32Array(4), [1, 1, 2, 2]);
  assertThrows(() => levelDensity(levels, { causal: true }), InputError, "`blockM` is missing");
});

Deno.test("levels: budgets that cannot be are refused in one sentence", () => {
  const refused: [number, Shares, string][] = [
    [0, { 1: 1 }, "`density` is 0; it should be above 0 and at most 1."],
    [1.01, { 1: 1 }, "`density` is 1.01"],
    [NaN, { 1: 1 }, "`density` is NaN"],
    [0.5, { 1: 0.5, 2: 0.4 }, "`shares` sum to 0.9; they should sum to 1."],
    [0.5, {}, "`shares` sum to 0; they should sum to 1."],
    [0.5, { 1: 1.5, 2: -0.5 }, "`shares` gives level 1 the share 1.5; it should be a fraction from 0 to 1."],
    [0.5, { 1: 0.5, 3: 0.5 }, "`shares` has level 3; it should be a power of two."],
    [0.5, { 1: 0.5, 256: 0.5 }, "`shares` has level 256; it should divide `blockN`, 128."],
  ];
  for (const [density, shares, sentence] of refused) {
    assertThrows(() => levelsForDensity(FALLING, density, { shares, blockN: 128 }), InputError, sentence);
  }
  assertThrows(() => levelsForDensity(FALLING, 0.5, { causal: true }), InputError, "`blockM` is missing");
  assertThrows(() => levelsForDensity(row(NaN), 0.5), InputError, "`importance` holds NaN");
});
