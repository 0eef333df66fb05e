import {
  type AttentionResult,
  attentionTolerance,
  compare,
  InputError,
  type KernelDType,
  pyramidAttention,
  type Qkv,
  seededRandom,
  type Tensor,
  type Tolerance,
  type ToleranceOptions,
} from "../../../mod.ts";
import { normBound } from "../../../reference/judge/concentration.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  bfloat16,
  type KernelMistake,
  simulateAttention,
  type Simulation,
} from "../../../fixtures/conformance/honest/attention.ts";

const TOKENS = 192, DIM = 64;
const blocks = { blockM: 64, blockN: 64 };
const round: Record<KernelDType, (x: number) => number> = {
  f32: Math.fround,
  f16: Math.f16round,
  bf16: bfloat16,
};

/** Deviations of the norm: 24 rows that stand for all, and a sixth for their being a sample. */
const DEVIATIONS = 7 / 6 * normBound([new Array(24).fill(1 / 24)], 1e-6 / 3);

/** Seeded normal numbers, times a factor that depends on the position. */
function normal(
  seed: number,
  factor: (token: number, channel: number) => number = () => 1,
): Tensor<Float64Array> {
  const random = seededRandom(seed);
  const data = Float64Array.from(
    { length: TOKENS * DIM },
    (_, i) => factor(Math.floor(i / DIM), i % DIM) * random.normal(),
  );
  return { data, shape: [1, 1, TOKENS, DIM] };
}

const plain = (): Qkv => ({ q: normal(1), k: normal(2), v: normal(3) });

/** Inputs that are hard in different ways. */
const inputs: Record<string, () => Qkv> = {
  normal: plain,
  "large logits": () => ({ ...plain(), q: normal(1, () => 8) }),
  "logits that leave one token": () => ({ ...plain(), q: normal(1, () => 300) }),
  "growing logits": () => ({ ...plain(), k: normal(2, (token) => 6 * token / TOKENS) }),
  "one long query": () => ({ ...plain(), q: normal(1, (token) => token === 77 ? 20 : 1) }),
  "one hot key": () => ({ ...plain(), k: normal(2, (token) => token === 99 ? 15 : 1) }),
  "keys alike": () => ({
    ...plain(),
    k: normal(2, (token, channel) => token % 7 === 0 && channel === 0 ? 1 : 0),
  }),
  "keys constant within blocks": () => {
    const { q, k, v } = plain();
    const data = (k.data as Float64Array).map((_, i) =>
      k.data[i % DIM + DIM * 64 * Math.floor(i / DIM / 64)]
    );
    return { q, k: { ...k, data }, v };
  },
  "runs that cancel": () => {
    const { q, k, v } = plain();
    const data = (k.data as Float64Array).map((x, i) => Math.floor(i / DIM) % 2 ? 30 - x : -30);
    return { q, k: { ...k, data }, v };
  },
  "all tokens the same": () => {
    const { q, k, v } = plain();
    const first = ({ data, shape }: Tensor) => ({
      data: Float64Array.from(data, (_, i) => data[i % DIM]),
      shape,
    });
    return { q, k: first(k), v: first(v) };
  },
  "values far from 0": () => {
    const { q, k, v } = plain();
    return { q, k, v: { ...v, data: (v.data as Float64Array).map((x) => 5 + x) } };
  },
};

/** The levels that the tests use. */
const levelMaps: Record<string, number[]> = { dense: [1], pyramid: [0, 1, 2, 8], coarse: [4, 16, 64] };

function randomLevels(choice: readonly number[]): Tensor<Int32Array> {
  const random = seededRandom(4), side = TOKENS / 64;
  const data = Int32Array.from({ length: side ** 2 }, () => choice[random.below(choice.length)]);
  return { data, shape: [1, 1, side, side] };
}

/** The inputs as a kernel of this format reads them. */
function stored({ q, k, v }: Qkv, dtype: KernelDType): Qkv {
  const store = ({ data, shape }: Tensor) => ({ data: Float64Array.from(data, round[dtype]), shape });
  return { q: store(q), k: store(k), v: store(v) };
}

/** The three distances that a tolerance bounds, each as a fraction of its bound. */
function fractions(got: AttentionResult, want: AttentionResult, bound: Tolerance): [number, number, number] {
  const out = compare(got.out, want.out), lse = compare(got.lse, want.lse);
  return [out.relL2 / bound.relL2, out.maxAbs / bound.maxAbs, lse.maxAbs / bound.lse];
}

const whole = { sum: Math.fround, steps: Infinity, tile: 32 };
const kernels: { name: string; dtype: KernelDType; accumulate?: "f16"; simulation: Simulation }[] = [
  { name: "f32", dtype: "f32", simulation: { ...whole, store: Math.fround } },
  {
    name: "f32 backwards, in one tile",
    dtype: "f32",
    simulation: { ...whole, store: Math.fround, tile: Infinity, backwards: true },
  },
  { name: "f32, 4 products at a time", dtype: "f32", simulation: { ...whole, store: Math.fround, steps: 4 } },
  { name: "f16", dtype: "f16", simulation: { ...whole, store: Math.f16round } },
  {
    name: "f16 with sums of 64 in f16",
    dtype: "f16",
    accumulate: "f16",
    simulation: { store: Math.f16round, sum: Math.f16round, steps: 64, tile: 64 },
  },
  { name: "bf16", dtype: "bf16", simulation: { ...whole, store: bfloat16 } },
];

for (const { name, dtype, accumulate, simulation } of kernels) {
  Deno.test(`tolerance: a right kernel stays inside, ${name}`, () => {
    for (const [input, make] of Object.entries(inputs)) {
      for (const [map, choice] of Object.entries(levelMaps)) {
        const qkv = stored(make(), dtype), levels = randomLevels(choice);
        const options = { ...blocks, causal: map === "pyramid" };
        const want = pyramidAttention(qkv, levels, options);
        const bound = attentionTolerance(qkv, levels, { ...options, dtype, accumulate });
        const got = simulateAttention(qkv, levels, { ...options, ...simulation });
        const [relL2, maxAbs, lse] = fractions(got, want, bound);
        assert(
          relL2 <= 1 && maxAbs <= 1 && lse <= 1,
          `${input}, ${map}: ${relL2}, ${maxAbs}, ${lse} of the bounds`,
        );
      }
    }
  });
}

Deno.test("tolerance: the bounds are not far above the errors of a right kernel", () => {
  for (const { name, dtype, accumulate, simulation } of kernels) {
    const qkv = stored(plain(), dtype), levels = randomLevels([1, 2, 8]);
    const bound = attentionTolerance(qkv, levels, { ...blocks, dtype, accumulate });
    const got = simulateAttention(qkv, levels, { ...blocks, ...simulation });
    const [relL2] = fractions(got, pyramidAttention(qkv, levels, blocks), bound);
    // In single precision sums in any order decide: partial sums of .4 n where a random order has sqrt(n / 2), and
    // 2.2 deviations. Sums of some steps at a time have that many times fewer roundings of large partial sums.
    const steps = Number.isFinite(simulation.steps) ? simulation.steps : 1;
    const room = dtype === "f32" ? DEVIATIONS * 0.4 * Math.sqrt(2 * TOKENS * steps) : 10;
    assert(relL2 > 1 / room, `${name}: the bound is ${1 / relL2} times the error`);
  }
});

Deno.test("tolerance: on normal data the bounds are what a derivation by hand gives", () => {
  // Of n normal values under normal logits, E out^2 = sum of p^2 = e / n, and the sum of |p v| is .8. One rounding to u
  // has the standard deviation u / sqrt(3). What scores and weights are off by counts as independent and as alike:
  // twice its variance; an error of the query has a share that all scores have in common: three times.
  const steps = TOKENS, one = (unit: number) => unit / Math.sqrt(3), single = one(2 ** -24);
  // Any order: n partial sums of at most .8 / 2; scores: D of at most .8 D / 2, divided by sqrt(D).
  const whole = single * Math.hypot(0.4 * steps / Math.sqrt(Math.E), Math.SQRT2 * 0.4 * DIM);
  const half = (unit: number) => one(unit) * Math.sqrt(1 + 2 + 3); // outputs, weights, queries
  // 64 steps as they come are a random walk: 64 / 2 times the terms' squares, for scores and for the weighted sum.
  // The largest of seven orders, and terms that are alike by chance, count three times: that is an estimate.
  const walk = one(2 ** -11) * Math.sqrt(3 * 64 / 2 * (1 + 2));
  const derived: [KernelDType, "f32" | "f16", number][] = [
    ["f32", "f32", whole],
    ["f16", "f32", Math.hypot(whole, half(2 ** -11))],
    ["f16", "f16", Math.hypot(whole, half(2 ** -11), walk)],
    ["bf16", "f32", Math.hypot(whole, half(2 ** -8))],
  ];
  for (const [dtype, accumulate, deviation] of derived) {
    const { relL2 } = attentionTolerance(plain(), null, { dtype, accumulate });
    const limit = DEVIATIONS * deviation;
    // Exponentials, the sum of weights and few large weights are left out above: a third is an estimate of them.
    assert(
      relL2 < 4 / 3 * limit && relL2 > limit / 2,
      `${dtype}, sums in ${accumulate}: ${relL2} / ${limit}`,
    );
  }
});

const mistakes: KernelMistake[] = [
  "no log term",
  "no rescaling",
  "last token of a row left out",
  "scale off by 5 %",
  "causal off by one",
  "two query rows swapped",
];
for (const mistake of mistakes) {
  for (const dtype of ["f32", "f16", "bf16"] as const) {
    Deno.test(`tolerance: a mistake falls outside, ${mistake}, ${dtype}`, () => {
      const qkv = stored(plain(), dtype), levels = randomLevels([1, 2, 8]);
      const options = { ...blocks, causal: true };
      const bound = attentionTolerance(qkv, levels, { ...options, dtype });
      const got = simulateAttention(qkv, levels, { ...options, ...whole, store: round[dtype], mistake });
      const parts = fractions(got, pyramidAttention(qkv, levels, options), bound);
      assert(Math.max(...parts) > 1, `${parts} of the bounds`);
    });
  }
}

Deno.test("tolerance: a long sum of equal values drifts, and the bound knows", () => {
  const tokens = 8192, shape = [1, 1, tokens, DIM];
  const same = (value: number) => ({ data: new Float64Array(tokens * DIM).fill(Math.fround(value)), shape });
  const queries = {
    data: Float64Array.from(normal(1).data.subarray(0, 4 * DIM), Math.fround),
    shape: [1, 1, 4, DIM],
  };
  const qkv = { q: queries, k: same(0.1), v: same(0.7) };
  const levels = { data: new Int32Array([1]), shape: [1, 1, 1, 1] };
  const options = { blockM: 64, blockN: tokens };
  const want = pyramidAttention(qkv, levels, options);
  const bound = attentionTolerance(qkv, levels, { ...options, dtype: "f32" });
  const got = simulateAttention(qkv, levels, { ...options, ...whole, store: Math.fround, tile: Infinity });
  const parts = fractions(got, want, bound);
  assert(compare(got.out, want.out).relL2 > 1e-5, "there should be a drift");
  assert(Math.max(...parts) <= 1, `${parts} of the bounds`);
});

Deno.test("tolerance: rows that see nothing need no tolerance; if all outputs are 0, maxAbs decides", () => {
  const none = attentionTolerance(plain(), randomLevels([0]), { ...blocks, dtype: "f32" });
  assertEquals(none, { relL2: Infinity, maxAbs: 0, lse: 0 });
});

Deno.test("tolerance: where few rows see something, these are the ones that the bounds are made of", () => {
  const random = seededRandom(5),
    tokens = (length: number) => ({
      data: Float64Array.from({ length: length * DIM }, () => Math.fround(random.normal())),
      shape: [1, 1, length, DIM],
    });
  const q = tokens(2048), k = tokens(8), v = tokens(8), options = { blockM: 64, blockN: 8, causal: true };
  const levels = { data: new Int32Array(32).fill(1), shape: [1, 1, 32, 1] };
  const want = pyramidAttention({ q, k, v }, levels, options);
  const got = simulateAttention({ q, k, v }, levels, { ...options, ...whole, store: Math.fround });
  const bound = attentionTolerance({ q, k, v }, levels, { ...options, dtype: "f32" });
  const parts = fractions(got, want, bound);
  assert(bound.lse > 0 && bound.maxAbs > 0 && Number.isFinite(bound.relL2));
  assert(Math.max(...parts) <= 1, `${parts} of the bounds`);
});

Deno.test("tolerance: the bounds grow with the logits and with the unit roundoff", () => {
  const larger = { ...plain(), q: normal(1, () => 4) };
  const bound = (qkv: Qkv, dtype: KernelDType) => attentionTolerance(qkv, null, { dtype });
  assert(bound(larger, "f32").lse > 2 * bound(plain(), "f32").lse);
  assert(bound(plain(), "f16").relL2 > 100 * bound(plain(), "f32").relL2);
  assert(bound(plain(), "bf16").relL2 > 4 * bound(plain(), "f16").relL2);
});

Deno.test("tolerance: where logits are beyond a format, the bounds are large and not NaN", () => {
  const huge = { ...plain(), q: normal(1, () => 1e4) };
  const { relL2, maxAbs, lse } = attentionTolerance(huge, null, { dtype: "f16", accumulate: "f16" });
  assert(relL2 > 0.2 && maxAbs > 1 && lse > 100, `${relL2}, ${maxAbs}, ${lse}`);
});

Deno.test("tolerance: with scale 0 there are bounds, and a variance that is not a number is not left out", () => {
  for (const dtype of ["f32", "f16", "bf16"] as const) {
    const bound = attentionTolerance(plain(), randomLevels([1, 2, 4]), { ...blocks, dtype, scale: 0 });
    assert(Object.values(bound).every((x) => x > 0 && x < 0.1), `${dtype}: ${JSON.stringify(bound)}`);
  }
  assertEquals(normBound([[1, NaN], [2]], 1e-6), NaN);
});

Deno.test("tolerance: unknown formats and missing blocks are refused by name", () => {
  const levels = randomLevels([1]);
  const refused = (options: object, sentence: string) =>
    assertThrows(
      () => attentionTolerance(plain(), levels, { ...blocks, dtype: "f32", ...options } as ToleranceOptions),
      InputError,
      sentence,
    );
  refused({ dtype: "f8" }, '`dtype` is "f8"; it should be "f32", "f16" or "bf16".');
  refused({ accumulate: "bf16" }, '`accumulate` is "bf16"; it should be "f32" or "f16".');
  refused({ blockN: undefined }, "`blockM` and `blockN` should both be given");
});
