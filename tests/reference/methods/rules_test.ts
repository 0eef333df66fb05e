/** The rule of every method, worked out by hand on weights that are easy to follow. */
import {
  type BlockMethod,
  type MethodInputs,
  methodInputs,
  methodOf,
  spargeAttention,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertNotEquals } from "../../support/assert.ts";
import { BLOCK, randomInputs, rowsOf, weighted } from "../../support/method_tools.ts";

/** In descending order the blocks are 3, 1, 6, 4, 2, 7, 5, 0; cumulative: .30 .50 .65 .77 .87 .93 .97 1. */
const WEIGHTS = [0.03, 0.20, 0.10, 0.30, 0.12, 0.04, 0.15, 0.06];

/** A row that is flat, and one that has all but a tenth in its first block. */
const FLAT_AND_SHARP = [new Array(8).fill(1 / 8), [0.9, ...new Array(7).fill(0.1 / 7)]];

/** The levels that a method gives, row by row. */
function chosen(name: string, inputs: MethodInputs, density: number): string[] {
  return rowsOf(block(name).select(inputs, density).levels);
}

/** A method of blocks. */
function block(name: string): BlockMethod {
  const method = methodOf(name);
  assert(method.granularity === "block");
  return method;
}

Deno.test("methods: ranked masks take the best blocks", () => {
  for (const name of ["block-topk", "pooled-topk", "mass-topk"]) {
    assertEquals(chosen(name, weighted([WEIGHTS]), 0.25), ["0 1 0 1 0 0 0 0"], name);
    assertEquals(chosen(name, weighted([WEIGHTS]), 0.01), ["0 0 0 1 0 0 0 0"], `${name}: at least one`);
    assertEquals(chosen(name, weighted([WEIGHTS]), 1), ["1 1 1 1 1 1 1 1"], name);
  }
});

Deno.test("methods: psa spends shares on levels 1, 2, 4", () => {
  // Level 1: .6 * .5 * 8 = 2.4; level 2: .2 * .5 * 2 * 8 = 1.6; level 4: .2 * .5 * 4 * 8 = 3.2.
  assertEquals(chosen("psa", weighted([WEIGHTS]), 0.5), ["0 1 4 1 4 0 2 4"]);
});

Deno.test("methods: psa-1248 spends shares on levels 1, 2, 4, 8", () => {
  // Levels 1 and 2: .8 each; level 4: 1.6; level 8: 3.2.
  assertEquals(chosen("psa-1248", weighted([WEIGHTS]), 0.25), ["0 8 0 4 8 0 8 0"]);
});

Deno.test("methods: psa-threshold lets levels end at shares of the row", () => {
  // At most a quarter of 8 blocks: between the factors .625 and .75 the ends are 1, 2, 2, 3, which costs 1.625; at .75
  // level 1 gets a second block, which costs 2.125.
  const selection = block("psa-threshold").select(weighted([WEIGHTS]), 0.25);
  assertEquals(rowsOf(selection.levels), ["0 2 0 1 0 0 8 0"]);
  assertEquals([selection.status, selection.density], ["ok", 1.625 / 8]);
});

Deno.test("methods: psa-threshold at a density that reaches all of its levels", () => {
  // At most 3.2 of 8 blocks: up to the factor 1.2125, at which level 8 gets the last block, the ends are 2, 3, 4, 7.
  const selection = block("psa-threshold").select(weighted([WEIGHTS]), 0.4);
  assertEquals(rowsOf(selection.levels), ["0 1 8 1 4 8 2 8"]);
  assertEquals(selection.density, 3.125 / 8);
});

Deno.test("methods: psa-threshold cannot go below one block per row", () => {
  const selection = block("psa-threshold").select(weighted([WEIGHTS]), 0.1);
  assertEquals(rowsOf(selection.levels), ["0 0 0 1 0 0 0 0"]);
  assertEquals([selection.status, selection.density], ["unreachable", 0.125]);
});

Deno.test("methods: psa-released has the released quotas, aligned to the tile, at any density", () => {
  const descending = [Array.from({ length: 20 }, (_, j) => 20 - j)];
  const want = ["1 1 2 2 8 8 8 8 8 8 8 8 0 0 0 0 0 0 0 0"]; // two; one, in twos; none; four, in eights
  assertEquals(chosen("psa-released", weighted(descending, { tile: 8 }), 0.1), want);
  assertEquals(chosen("psa-released", weighted(descending, { tile: 8 }), 0.9), want);
  assertEquals(chosen("psa-released", weighted(descending, { tile: 1 }), 0.5), [
    "1 1 2 8 8 8 8 0 0 0 0 0 0 0 0 0 0 0 0 0",
  ]);
});

Deno.test("methods: block-topk-mean reads every block that is not full as one token", () => {
  // (.5 - 1/8) * 8/7 = .4286 of 8 blocks are 3.
  const selection = block("block-topk-mean").select(weighted([WEIGHTS]), 0.5);
  assertEquals(rowsOf(selection.levels), ["8 1 8 1 8 8 1 8"]);
  assertEquals(selection.density, (3 + 5 / 8) / 8);
  assertEquals(chosen("block-topk-mean", weighted([WEIGHTS]), 0.01), ["8 8 8 1 8 8 8 8"], "at least one");
});

Deno.test("methods: xattention always reads key block 0, and spends a threshold where it is needed", () => {
  assertEquals(chosen("xattention", weighted([WEIGHTS]), 0.5), ["1 1 0 1 0 0 1 0"]);
  assertEquals(chosen("xattention", weighted(FLAT_AND_SHARP), 5 / 16), [
    "1 1 1 1 0 0 0 0",
    "1 0 0 0 0 0 0 0",
  ]);
});

Deno.test("methods: xattention asks for the mass before a block, spargeattn for the mass with it", () => {
  // For a third block: before the second ones lie .4 and .5, with them .8 and .62.
  const rows = [[0.4, 0.4, 0.06, 0.05, 0.05, 0.04], [0.5, 0.12, 0.11, 0.1, 0.09, 0.08]];
  assertEquals(chosen("xattention", weighted(rows), 3 / 12), ["1 1 0 0 0 0", "1 0 0 0 0 0"]);
  assertEquals(chosen("spargeattn", weighted(rows), 3 / 12), ["1 0 0 0 0 0", "1 1 0 0 0 0"]);
});

Deno.test("methods: thresholds of causal rows begin with the mass of what is forced", () => {
  // Key block 0 and the diagonal are 9 of 15 blocks; their mass is .6 in row 2, .85 in row 3 and .2 in row 4.
  const rows = [
    [1, 1, 1, 1, 1],
    [1, 1, 1, 1, 1],
    [0.3, 0.4, 0.3, 1, 1],
    [0.6, 0.1, 0.05, 0.25, 1],
    [0.1, 0.5, 0.2, 0.1, 0.1],
  ];
  const forced = ["1 0 0 0 0", "1 1 0 0 0", "1 0 1 0 0", "1 0 0 1 0"];
  for (const name of ["xattention", "spargeattn"]) {
    const inputs = weighted(rows, { causal: true }), method = block(name);
    assertEquals(chosen(name, inputs, 10.5 / 15), [...forced, "1 1 0 0 1"], name);
    const { status, density } = method.select(inputs, 8.5 / 15);
    assertEquals([status, density], ["unreachable", 9 / 15], name);
  }
});

Deno.test("methods: spargeattn takes blocks while their sum stays under the bound, at least one", () => {
  assertEquals(chosen("spargeattn", weighted([WEIGHTS]), 0.5), ["0 1 0 1 1 0 1 0"]);
  assertEquals(chosen("spargeattn", weighted(FLAT_AND_SHARP), 5 / 16), [
    "1 1 1 1 0 0 0 0",
    "1 0 0 0 0 0 0 0",
  ]);
  const { status, density } = block("spargeattn").select(weighted(FLAT_AND_SHARP), 1 / 16);
  assertEquals([status, density], ["unreachable", 1 / 8]);
});

Deno.test("methods: spargeattn forces blocks whose tokens are unlike", () => {
  const { qkv: { q, k, v } } = weighted(FLAT_AND_SHARP), unlike = k.data.slice();
  for (let i = 0; i < BLOCK; i++) unlike[(5 * BLOCK + i) * 2] *= i % 2 === 0 ? 40 : -40; // of key block 5
  const inputs = methodInputs({ q, k: { data: unlike, shape: k.shape }, v }, {
    blockM: BLOCK,
    blockN: BLOCK,
  });
  const { levels, status } = spargeAttention({ similarity: 0.5 }).select(inputs, 0.5);
  assertEquals([status, levels.data[5], levels.data[8 + 5]], ["ok", 1, 1]);
  const all = spargeAttention({ similarity: 1.1 }).select(inputs, 0.5);
  assertEquals([all.status, all.density], ["unreachable", 1]);
});

Deno.test("methods: draft ranks all pairs of a head, and leaves no row empty", () => {
  const grid = { width: 16, height: 8, depth: 2 };
  const weights = [[0.4, 0.3, 0.2, 0.1], [0.24, 0.26, 0.25, 0.25], [0.01, 0.09, 0.1, 0.8], [
    0.2,
    0.2,
    0.28,
    0.32,
  ]];
  const inputs = weighted(weights, { block: 64, grid });
  assertEquals(chosen("draft", inputs, 0.25), ["1 1 0 0", "0 1 0 0", "0 0 0 1", "0 0 0 1"]);
  assertEquals(
    chosen("draft", inputs, 4 / 16),
    chosen("draft", inputs, 4.4 / 16),
    "a rounded number of pairs",
  );
});

Deno.test("methods: random keeps a query block's own keys and draws the others evenly", () => {
  const runs = 400, taken = new Array(8).fill(0);
  for (let seed = 0; seed < runs; seed++) {
    const rows = chosen("random", randomInputs({ heads: 1, seed }), 0.5);
    rows.forEach((row, m) =>
      assertEquals([row[4 * m], row[4 * m + 2]], ["1", "1"], "two key blocks per query block")
    );
    rows[0].split(" ").forEach((level, j) => taken[j] += Number(level));
  }
  for (const count of taken.slice(2)) assertAlmostEquals(count / runs, 2 / 6, 5 * Math.sqrt(2 / 9 / runs));
  const levels = (seed: number) => chosen("random", randomInputs({ heads: 1, seed }), 0.5);
  assertEquals(levels(3), levels(3));
  assertNotEquals(levels(3), levels(4));
  const { data } = block("random").select(randomInputs({ heads: 2 }), 0.5).levels;
  assertNotEquals(data.slice(0, data.length / 2), data.slice(data.length / 2), "heads draw for themselves");
});

Deno.test("methods: dense reads everything, and if causal everything but the future", () => {
  assertEquals(chosen("dense", weighted([WEIGHTS]), 0.1), ["1 1 1 1 1 1 1 1"]);
  const causal = randomInputs({ heads: 1, causal: true, blockM: 32, blockN: 32 });
  assertEquals(chosen("dense", causal, 0.1), ["1 0", "1 1"]);
  assertEquals(block("dense").select(causal, 0.1).density, 1);
});

Deno.test("methods: the cost of choosing", () => {
  const sizes = { blockM: 64, blockN: 32, seqQ: 1, seqK: 1 };
  const cost = (name: string, kind: "full" | "pooled" = "full") =>
    methodOf(name).selectionCost({ sizes, importance: { kind } });
  assertEquals(cost("psa"), 0.5);
  assertEquals(cost("psa", "pooled"), 1 / 4096);
  assertEquals(methodOf("psa").selectionCost({ sizes, importance: { kind: "sampled", seed: 1 } }), 1 / 32);
  assertEquals([cost("xattention"), cost("sta"), cost("random"), cost("mass-topk")], [1 / 16, 0, 0, 0.5]);
});
