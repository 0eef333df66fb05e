/** Masks and attention over them, pair by pair, and facts that hold for every method that chooses a mask. */
import fc from "fast-check";
import {
  blockMass,
  buildMask,
  denseAttention,
  droppedOfLse,
  type Mask,
  maskDensity,
  maskedAttention,
  maskedAttentionParallel,
  maskedBlockMass,
  type MaskMethod,
  maskOfLevels,
  type MethodInputs,
  methodInputs,
  METHODS,
  pyramidAttention,
  seededRandom,
  whyNot,
} from "../../../mod.ts";
import { markLargest } from "../../../reference/masks/largest.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../support/assert.ts";
import { assertClose } from "../../support/attention_case.ts";
import { bruteMask, reordered } from "../../support/mask_tools.ts";
import { randomInputs, randomQkv } from "../../support/method_tools.ts";
import { TEST_SEED } from "../../support/seed.ts";

/** All methods that choose a mask. */
const MASKED = METHODS.filter((method): method is MaskMethod => method.granularity !== "block");
/** A video that is no cube and whose sides are no multiples of a window. */
const GRID = { width: 6, height: 4, depth: 3 }, TOKENS = 72;

/** A random call and density. */
const cases = fc.record({
  kvHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.integer({ min: 1, max: 2 }),
  seqQ: fc.integer({ min: 1, max: 50 }),
  seqK: fc.integer({ min: 1, max: 70 }),
  density: fc.integer({ min: 1, max: 20 }).map((twentieth) => twentieth / 20),
  causal: fc.boolean(),
  seed: fc.nat(9999),
});

/** Calls that a case makes: one of any lengths, and one of a video for methods that need it. */
function callsOf({ group, kvHeads, seed, ...drawn }: typeof cases extends fc.Arbitrary<infer T> ? T : never) {
  const heads = { heads: kvHeads * group, kvHeads, dim: 8, seed };
  const free = randomInputs({ ...heads, ...drawn });
  const video = randomInputs({ ...heads, seqQ: TOKENS, grid: GRID });
  return { free, video };
}

/** The call of a case that a method can have; causal calls only if it has a causal form. */
function inputsFor(method: MaskMethod, { free, video }: ReturnType<typeof callsOf>): MethodInputs {
  const { causal, sizes: { seqQ, seqK }, qkv: { q } } = free;
  return whyNot(method, { causal, seqQ, seqK, headDim: q.shape[3] }) === null ? free : video;
}

/** Registers a test that a fact holds for every method that chooses a mask. */
function fact(
  name: string,
  check: (method: MaskMethod, inputs: MethodInputs, density: number) => void,
  numRuns = 12,
) {
  const property = fc.property(cases, (drawn) => {
    const calls = callsOf(drawn);
    for (const method of MASKED) check(method, inputsFor(method, calls), drawn.density);
  });
  Deno.test(`masks: ${name}`, () => fc.assert(property, { seed: TEST_SEED, numRuns }));
}

fact(
  "the density that is said is that of the pairs that are shown, and none lies in the future",
  (method, inputs, density) => {
    const { mask, density: said } = method.select(inputs, density),
      { causal, sizes: { seqQ, seqK } } = inputs;
    assertAlmostEquals(said, maskDensity(mask, { causal }), 1e-12, method.name);
    for (let i = 0; causal && i < seqQ; i++) {
      for (let j = i + seqK - seqQ + 1; j < seqK; j++) assert(!mask.visible(0, i, j), method.name);
    }
  },
);

fact(
  "output, log-sum-exp and dropped mass, pair by pair, and SSA's bound for every query",
  (method, inputs, density) => {
    const { qkv, causal } = inputs, { mask } = method.select(inputs, density);
    const made = maskedAttention(qkv, mask), want = bruteMask(inputs, mask), full = inputs.dense();
    assertClose(made.out, want.out);
    assertClose(made.lse, want.lse);
    const mean = want.dropped.reduce((sum, each) => sum + each, 0) / want.dropped.length;
    assertAlmostEquals(droppedOfLse(made.lse, full.lse), mean, 1e-9, `${method.name} ${causal}`);
    const dim = full.out.shape[3], values = Float64Array.from(qkv.v.data);
    const norm = (data: Float64Array, row: number) =>
      Math.hypot(...data.subarray(row * dim, (row + 1) * dim));
    let longest = 0;
    for (let j = 0; j < values.length / dim; j++) longest = Math.max(longest, norm(values, j));
    const away = full.out.data.map((value, at) => value - made.out.data[at]);
    want.dropped.forEach((mass, row) => {
      const bound = mass * (longest + norm(made.out.data, row)) + 1e-9;
      assert(
        norm(away, row) <= bound,
        `${method.name}: query ${row} is ${norm(away, row)} away, not ${bound}`,
      );
    });
  },
  6,
);

fact(
  "more density shows as many pairs or more, and all of it shows everything",
  (method, inputs, density) => {
    const less = method.select(inputs, density / 2), more = method.select(inputs, density);
    // The windows of moga change at a density of .15; clusters of other sizes are other clusters.
    if (method.name !== "moga") assert(less.density <= more.density + 1e-12, `${method.name} at ${density}`);
    const { density: all, status } = method.select(inputs, 1);
    const seesAll = inputs.sizes.seqQ <= inputs.sizes.seqK || !inputs.causal;
    if (seesAll) assertAlmostEquals(all, 1, 1e-12, method.name);
    assertEquals(status, "ok", method.name);
  },
  6,
);

Deno.test("masks: methods of the grid choose the same whatever order tokens come in", () => {
  const qkv = randomQkv({ heads: 2, kvHeads: 1, seqQ: TOKENS, dim: 8, seed: TEST_SEED >>> 0 });
  const random = seededRandom(TEST_SEED >>> 0), places = Int32Array.from({ length: TOKENS }, (_, i) => i);
  for (let i = TOKENS - 1; i > 0; i--) {
    const other = random.below(i + 1);
    [places[i], places[other]] = [places[other], places[i]];
  }
  const moved = { q: reordered(qkv.q, places), k: reordered(qkv.k, places), v: reordered(qkv.v, places) };
  const options = { blockM: 16, blockN: 8, grid: GRID };
  const raster = methodInputs(qkv, options), other = methodInputs(moved, { ...options, places });
  const ofGrid = MASKED.filter(({ usesGrid }) => usesGrid);
  assertEquals(ofGrid.length, 6);
  for (const method of ofGrid) {
    const a = method.select(raster, 0.4), b = method.select(other, 0.4);
    assertEquals([a.density, a.status], [b.density, b.status], method.name);
    assertClose(maskedAttention(moved, b.mask).out, reordered(maskedAttention(qkv, a.mask).out, places));
  }
  assertThrows(
    () => methodInputs(moved, { ...options, places: places.fill(3) }),
    Error,
    "`places`",
  );
});

/** A mask of random bits. */
function randomMask(shape: readonly number[], { causal, seed }: { causal: boolean; seed: number }): Mask {
  const rows = new Map<string, Uint32Array>(), words = Math.ceil(shape[3] / 32);
  const rowOf = (head: number, i: number) => {
    const random = seededRandom(seed, head, i);
    return Uint32Array.from({ length: words }, (_, word) => {
      const last = word === words - 1 && shape[3] % 32 > 0 ? (1 << shape[3] % 32) - 1 : -1;
      return random.integer() & random.integer() & last;
    });
  };
  const fill = (bits: Uint32Array, head: number, first: number, end: number) => {
    for (let i = first; i < end; i++) {
      bits.set(rows.get(`${head} ${i}`) ?? rowOf(head, i), (i - first) * words);
    }
  };
  return buildMask(shape, { fill, causal });
}

Deno.test("masks: attention over random bits, pair by pair, with queries that see nothing; on all cores the same bits", async () => {
  for (const causal of [false, true]) {
    const inputs = randomInputs({ heads: 4, kvHeads: 2, seqQ: 530, seqK: 37, dim: 8, causal });
    const mask = randomMask([1, 4, 530, 37], { causal, seed: 3 });
    const made = maskedAttention(inputs.qkv, mask), want = bruteMask(inputs, mask);
    assert(!causal || made.lse.data.includes(-Infinity));
    assertClose(made.out, want.out);
    assertClose(made.lse, want.lse);
    assertEquals(await maskedAttentionParallel(inputs.qkv, mask, { workers: causal ? 2 : 0 }), made);
  }
});

Deno.test("masks: levels 0 and 1 are a mask; the mass of blocks under one that shows everything is the true mass", () => {
  for (const causal of [false, true]) {
    const { qkv, sizes } = randomInputs({ heads: 4, kvHeads: 2, seqQ: 45, seqK: 52, causal });
    const random = seededRandom(9), shape = [1, 4, 3, 7];
    const levels = { data: Int32Array.from({ length: 84 }, () => random.below(2)), shape };
    const mask = maskOfLevels(levels, { ...sizes, causal });
    const made = maskedAttention(qkv, mask), want = pyramidAttention(qkv, levels, { ...sizes, causal });
    assertClose(made.out, want.out);
    assertClose(made.lse, want.lse);
    const all = maskOfLevels({ data: levels.data.slice().fill(1), shape }, { ...sizes, causal });
    assertClose(maskedBlockMass(qkv, all, sizes), blockMass(qkv, { ...sizes, causal }));
    assertClose(maskedAttention(qkv, all).out, denseAttention(qkv, { causal }).out);
  }
  const pooled = { data: Int32Array.of(2), shape: [1, 1, 1, 1] },
    sizes = { blockM: 4, blockN: 4, seqQ: 4, seqK: 4 };
  assertThrows(() => maskOfLevels(pooled, sizes), Error, "`levels` holds 2; a mask shows keys one by one");
  assertThrows(
    () => maskedAttention(randomQkv(), buildMask([1, 2, 64, 65], { fill: () => {} })),
    Error,
    "`mask` has shape [1,2,64,65]; this call needs [1,2,64,64].",
  );
});

Deno.test("masks: the largest of scores, of equals the first, as sorting finds them", () => {
  const numbers = fc.array(fc.integer({ min: -3, max: 3 }), { maxLength: 40 });
  const property = fc.property(numbers, fc.nat(45), (scores, count) => {
    const places: number[] = [];
    markLargest(Float64Array.from(scores), count, (j) => places.push(j));
    const sorted = scores.map((_, j) => j).sort((a, b) => scores[b] - scores[a] || a - b).slice(0, count);
    assertEquals(places, sorted.sort((a, b) => a - b));
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 300 });
});

Deno.test("masks: bits behind the last key are left out, causal or not", () => {
  for (const causal of [false, true]) {
    const mask = buildMask([1, 1, 3, 40], { causal, fill: (bits) => bits.fill(0xffffffff) });
    assertEquals(mask.rows(0, 2, 3), Uint32Array.of(0xffffffff, 0xff), `causal: ${causal}`);
    assertEquals(maskDensity(mask, { causal }), 1);
    const x = { data: new Float64Array(40 * 8).fill(1), shape: [1, 1, 40, 8] };
    const q = { data: new Float64Array(3 * 8).fill(1), shape: [1, 1, 3, 8] };
    const { out } = maskedAttention({ q, k: x, v: x }, mask);
    assert(out.data.every((value) => Math.abs(value - 1) < 1e-12), `${out.data}`);
  }
});

Deno.test("masks: what does not depend on the density is computed for the first one alone", () => {
  for (const name of ["omnisparse-keys", "purekv-keys", "adamas-published", "adamas-scaled", "svg2"]) {
    const method = MASKED.find((each) => each.name === name)!;
    const { qkv } = randomInputs({ seqQ: 24, seqK: 24 }),
      inputs = methodInputs(qkv, { blockM: 16, blockN: 16 });
    const asked: string[] = [];
    const spied: MethodInputs = {
      ...inputs,
      once: (key, compute) => inputs.once(key, () => (asked.push(key), compute())),
    };
    method.select(spied, 0.3);
    const first = asked.length;
    method.select(spied, 0.5);
    assertEquals([asked.length, first > 0], [first, true], name);
  }
});
