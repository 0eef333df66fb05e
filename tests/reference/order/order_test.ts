import fc from "fast-check";
import {
  type Box,
  gilbertOrder,
  InputError,
  invertOrder,
  makeWorkload,
  permuteTokens,
  semanticOrder,
  tensor,
  tileOrder,
} from "../../../mod.ts";
import { type GoldenCase, goldenTensor, loadGolden } from "../../../fixtures/golden.ts";
import { kMeans } from "../../../reference/order/cluster.ts";
import type { Order } from "../../../reference/order/order.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import { TEST_SEED } from "../../support/seed.ts";

const side = fc.integer({ min: 1, max: 12 });
const anyBox: fc.Arbitrary<Box> = fc.record({ width: side, height: side, depth: side });
const evenBox: fc.Arbitrary<Box> = anyBox.map(({ width, height, depth }) => ({
  width: 2 * width,
  height: 2 * height,
  depth: 2 * depth,
}));
const anyTokens = fc.record({
  batch: fc.integer({ min: 1, max: 2 }),
  heads: fc.integer({ min: 1, max: 2 }),
  seqQ: fc.integer({ min: 2, max: 40 }),
  headDim: fc.integer({ min: 1, max: 4 }),
  seed: fc.nat(),
}).map((sizes) => makeWorkload("gaussian", { ...sizes, dtype: "f64" }).qkv.q);

/** Whether every row of an order holds all positions. */
function isPermutation({ data, shape }: Order): boolean {
  const length = shape[shape.length - 1];
  for (let row = 0; row < data.length; row += length) {
    const sorted = data.slice(row, row + length).sort();
    if (sorted.some((position, i) => position !== i)) return false;
  }
  return true;
}

/** Steps between two raster positions along the axes, added up. */
function distance(a: number, b: number, { width, height }: Box): number {
  const along = (size: number, sides: number) =>
    Math.abs(Math.floor(a / size) % sides - Math.floor(b / size) % sides);
  return along(1, width) + along(width, height) + along(width * height, Infinity);
}

/** The box of a golden case. */
function boxOf({ parameters: { width, height, depth } }: GoldenCase): Box {
  return { width: Number(width), height: Number(height), depth: Number(depth) };
}

Deno.test("order: gilbert is the released index for every stored box", async () => {
  const cases = (await loadGolden("order")).filter(({ name }) => name.startsWith("gilbert"));
  assertEquals(cases.length, 4);
  for (const golden of cases) {
    assertEquals(
      gilbertOrder(boxOf(golden), { kind: "released" }).data,
      goldenTensor(golden, "index", Int32Array).data,
      golden.name,
    );
  }
});

Deno.test("order: tile is the released index for every stored box", async () => {
  const cases = (await loadGolden("order")).filter(({ name }) => name.startsWith("tile"));
  assertEquals(cases.length, 2);
  for (const golden of cases) {
    const [depth, height, width] = golden.parameters.tile as number[];
    const want = goldenTensor(golden, "index", Int32Array).data;
    assertEquals(tileOrder(boxOf(golden), { width, height, depth }).data, want, golden.name);
  }
});

Deno.test("order: the stored gilbert indices list neighbours, so a gather by them visits tokens along the curve", async () => {
  for (const golden of await loadGolden("order")) {
    const box = boxOf(golden), { data } = goldenTensor(golden, "index", Int32Array);
    const even = [box.width, box.height, box.depth].every((length) => length % 2 === 0);
    if (!golden.name.startsWith("gilbert") || !even) continue;
    for (let n = 1; n < data.length; n++) assertEquals(distance(data[n - 1], data[n], box), 1, golden.name);
  }
});

Deno.test("order: the curve visits every token of any box once, and never jumps far", () => {
  const property = fc.property(anyBox, (box) => {
    const order = gilbertOrder(box, { kind: "curve" });
    assert(isPermutation(order));
    assertEquals(order.data[0], 0);
    for (let n = 1; n < order.data.length; n++) {
      assert(distance(order.data[n - 1], order.data[n], box) <= 4, JSON.stringify(box));
    }
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 200 });
});

Deno.test("order: in a box of even sides the curve goes from neighbour to neighbour", () => {
  const property = fc.property(evenBox, (box) => {
    const { data } = gilbertOrder(box, { kind: "curve" });
    for (let n = 1; n < data.length; n++) assertEquals(distance(data[n - 1], data[n], box), 1);
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 100 });
});

Deno.test("order: a run along the curve fills a compact part of the video", () => {
  const box = { width: 16, height: 16, depth: 16 }, { data } = gilbertOrder(box, { kind: "curve" });
  const spread = (order: ArrayLike<number>) => {
    let sum = 0;
    for (let n = 0; n < 4096; n++) sum += distance(order[n], order[n - n % 64], box) / 4096;
    return sum;
  };
  assert(spread(data) <= 0.5 * spread(Int32Array.from(data, (_, i) => i)), `${spread(data)}`);
});

Deno.test("order: tiles hold their tokens together, also where they do not divide the box", () => {
  const property = fc.property(anyBox, anyBox, (box, tile) => {
    const order = tileOrder(box, tile);
    assert(isPermutation(order));
    const tileOf = (position: number) =>
      [
        Math.floor(position % box.width / tile.width),
        Math.floor(Math.floor(position / box.width) % box.height / tile.height),
        Math.floor(Math.floor(position / box.width / box.height) / tile.depth),
      ].join();
    const tiles = Array.from(order.data, tileOf);
    const changes = tiles.filter((name, n) => n === 0 || name !== tiles[n - 1]);
    assertEquals(changes.length, new Set(tiles).size);
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 100 });
});

Deno.test("order: a tile as large as the box, or of one token, leaves raster order", () => {
  const property = fc.property(anyBox, (box) => {
    for (const tile of [box, { width: 1, height: 1, depth: 1 }]) {
      assert(tileOrder(box, tile).data.every((position, n) => position === n));
    }
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 50 });
});

Deno.test("order: an order and its inverse undo each other, and the tail stays", () => {
  const property = fc.property(anyTokens, fc.nat(100), fc.nat(), (tokens, share, seed) => {
    const textLength = Math.floor(share / 101 * tokens.shape[2]);
    const order = semanticOrder(tokens, {
      clusters: 1 + seed % (tokens.shape[2] - textLength),
      seed,
      iterations: 2,
      textLength,
    });
    const permuted = permuteTokens(tokens, order);
    assertEquals(permuteTokens(permuted, invertOrder(order)), tokens);
    assertEquals(invertOrder(invertOrder(order)), order);
    const [, , length, dim] = tokens.shape;
    for (let at = 0; at < tokens.data.length; at++) {
      if (Math.floor(at / dim) % length >= length - textLength) {
        assertEquals(permuted.data[at], tokens.data[at]);
      }
    }
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 100 });
});

Deno.test("order: permuting moves token order[n] of every head to n", () => {
  const tokens = tensor(Int32Array.from({ length: 24 }, (_, i) => i), [2, 2, 3, 2]);
  const shared = permuteTokens(tokens, tensor(new Int32Array([2, 0, 1]), [3]));
  assertEquals([...shared.data.subarray(0, 12)], [4, 5, 0, 1, 2, 3, 10, 11, 6, 7, 8, 9]);
  const each = tensor(new Int32Array([1, 0, 0, 1, 1, 0, 0, 1]), [2, 2, 2]);
  const own = permuteTokens(
    tensor(new Float64Array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]), [2, 2, 3]),
    each,
  );
  assertEquals([...own.data], [1, 0, 2, 3, 4, 5, 7, 6, 8, 9, 10, 11]);
});

Deno.test("order: semantic puts tokens of a group together, in their old order, head by head", () => {
  const data = new Float64Array(2 * 60);
  for (let i = 0; i < 120; i++) data[i] = 100 * ((i * 7 + (i >> 2)) % 2) + (i % 5) / 10;
  const order = semanticOrder(tensor(data, [1, 2, 60, 1]), { clusters: 2, seed: 1, iterations: 10 });
  assert(isPermutation(order));
  for (let head = 0; head < 2; head++) {
    const row = order.data.subarray(head * 60, (head + 1) * 60);
    const groups = Array.from(row, (position) => Math.round(data[head * 60 + position] / 100));
    assertEquals(groups.filter((group, n) => n === 0 || group !== groups[n - 1]).length, 2);
    row.forEach((position, n) => assert(n === 0 || groups[n] !== groups[n - 1] || position > row[n - 1]));
  }
  const again = semanticOrder(tensor(data, [1, 2, 60, 1]), { clusters: 2, seed: 1, iterations: 10 });
  assertEquals(order, again);
});

Deno.test("order: every round of k-means brings points nearer to their centres, and one round by hand", () => {
  const property = fc.property(anyTokens, fc.integer({ min: 1, max: 2 }), (tokens, clusters) => {
    const dim = tokens.shape[3], points = Float64Array.from(tokens.data);
    const spread = (iterations: number) => {
      const start = Int32Array.from({ length: clusters }, (_, c) => c);
      const { labels, centres } = kMeans(points, { dim, start, iterations });
      return points.reduce(
        (sum, x, i) => sum + (x - centres[labels[Math.floor(i / dim)] * dim + i % dim]) ** 2,
        0,
      );
    };
    const spreads = [0, 1, 2, 5].map(spread);
    spreads.forEach((value, i) => assert(i === 0 || value <= spreads[i - 1] * (1 + 1e-12)));
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 50 });
  const points = new Float64Array([0, 4, 5, 9, 2]);
  const { labels, centres } = kMeans(points, { dim: 1, start: new Int32Array([0, 1, 1]), iterations: 1 });
  assertEquals([...centres], [1, 6, 4]);
  assertEquals([...labels], [0, 2, 1, 1, 0]);
});

const box = { width: 2, height: 2, depth: 1 };
const four = tensor(new Float64Array(4), [1, 1, 4, 1]);
const options = { clusters: 2, seed: 0, iterations: 1 };
const REFUSALS: [name: string, call: () => unknown, sentence: string][] = [
  ["a box without height", () => gilbertOrder({ ...box, height: 0 }, { kind: "curve" }), "0 high"],
  ["half a frame", () => tileOrder({ ...box, depth: 0.5 }, box), "0.5 deep"],
  ["a tile without width", () => tileOrder(box, { ...box, width: -1 }), "`tile` is -1 wide"],
  ["an unknown kind", () => gilbertOrder(box, { kind: "hilbert" as "curve" }), '"hilbert"'],
  ["no clusters", () => semanticOrder(four, { ...options, clusters: 0 }), "`clusters` is 0"],
  ["more clusters than tokens", () => semanticOrder(four, { ...options, clusters: 5 }), "1 to the 4 tokens"],
  [
    "more clusters than tokens that move",
    () => semanticOrder(four, { ...options, clusters: 3, textLength: 2 }),
    "1 to the 2 tokens",
  ],
  ["nothing but text", () => semanticOrder(four, { ...options, textLength: 4 }), "`textLength` is 4"],
  ["half a round", () => semanticOrder(four, { ...options, iterations: 0.5 }), "`iterations` is 0.5"],
  ["a seed below 0", () => semanticOrder(four, { ...options, seed: -1 }), "`seed` is -1"],
  ["tokens of two axes", () => semanticOrder(tensor(new Float64Array(4), [4, 1]), options), "four axes"],
  [
    "an order with a position twice",
    () => permuteTokens(four, tensor(new Int32Array([0, 0]), [2])),
    "holds 0 in row 0",
  ],
  [
    "an order with a position beyond",
    () => invertOrder(tensor(new Int32Array([0, 2]), [2])),
    "holds 2 in row 0",
  ],
  [
    "an order longer than the sequence",
    () => permuteTokens(four, gilbertOrder({ ...box, depth: 2 }, { kind: "curve" })),
    "moves 8 tokens",
  ],
  [
    "an order of other heads",
    () => permuteTokens(four, tensor(new Int32Array([0, 0]), [1, 2, 1])),
    "[1, 1, tokens]",
  ],
  [
    "a box of more tokens than positions",
    () => tileOrder({ width: 1e6, height: 1e6, depth: 2 }, box),
    "product below 2^31",
  ],
  [
    "tokens of one axis",
    () => permuteTokens(tensor(new Float64Array(4), [4]), tensor(new Int32Array(1), [1])),
    "batch, heads",
  ],
];

for (const [name, call, sentence] of REFUSALS) {
  Deno.test(`order: ${name} is refused`, () => {
    assertThrows(call, InputError, sentence);
  });
}
