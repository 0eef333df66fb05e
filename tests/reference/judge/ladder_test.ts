/** Honest kernels on hard data in hard orders, the ladder, and bounds that judge nothing. */
import {
  attentionTolerance,
  InputError,
  judgeLadder,
  judges,
  type KernelDType,
  ladderOf,
  pyramidAttention,
  type Qkv,
  seededRandom,
  tensor,
  unjudgedHeads,
} from "../../../mod.ts";
import {
  bfloat16,
  simulateAttention,
  type Simulation,
} from "../../../fixtures/conformance/honest/attention.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";

const ROWS = 2, DIM = 32, KEYS = 2048;
const round = { f32: Math.fround, f16: Math.f16round, bf16: bfloat16 };

/** Queries, keys and values in an element type, each element from a normal number, its token and its channel. */
type Make = (x: number, token: number, channel: number) => number;
function inputs(dtype: KernelDType, { q, k, v }: Partial<Record<"q" | "k" | "v", Make>>): Qkv {
  const random = seededRandom(3);
  const make = (tokens: number, of: Make = (x) => x) =>
    tensor(
      Float64Array.from(
        { length: tokens * DIM },
        (_, at) => round[dtype](of(random.normal(), Math.floor(at / DIM), at % DIM)),
      ),
      [1, 1, tokens, DIM],
    );
  return { q: make(ROWS, q), k: make(KEYS, k), v: make(KEYS, v) };
}

/** Data that are legal and hard. */
const HARD: Record<string, Partial<Record<"q" | "k" | "v", Make>>> = {
  "flat, values sorted by sign": {
    q: () => 0,
    v: (x, token) => token < KEYS / 2 ? Math.abs(x) : -Math.abs(x),
  },
  "flat, values alternate by blocks": {
    q: () => 0,
    v: (x, token) => Math.floor(token / 32) % 2 ? Math.abs(x) : -Math.abs(x),
  },
  "values far from 0 that hardly vary": { v: (x) => 5 + 1e-4 * x },
  "a maximum that grows": { k: (x, token) => 4 * x * token / KEYS },
  "one hot key": { k: (x, token) => token === 77 ? 12 * x : x },
};

/** Attention's distances from the truth on a ladder. */
function climb(qkv: Qkv, dtype: KernelDType, simulation: Simulation, require?: string) {
  const levels = tensor(new Int32Array([1]), [1, 1, 1, 1]), options = { blockM: 64, blockN: KEYS };
  const want = pyramidAttention(qkv, levels, options);
  const got = simulateAttention(qkv, levels, { ...options, ...simulation });
  const results = { out: { got: got.out, want: want.out }, lse: { got: got.lse, want: want.lse } };
  const boundOf = (arithmetic: string) => {
    const { relL2, maxAbs, lse } = attentionTolerance(qkv, levels, { ...options, dtype, arithmetic });
    return { out: { relL2, maxAbs }, lse: { maxAbs: lse } };
  };
  return judgeLadder(results, { dtype, boundOf, require });
}

Deno.test("ladder: honest sums of 64 in half precision pass theirs, and need it", () => {
  const simulation = { store: Math.f16round, sum: Math.f16round, steps: 64, tile: 64 };
  for (const [name, make] of Object.entries(HARD)) {
    const qkv = inputs("f16", make), verdict = climb(qkv, "f16", simulation, "sums of 64 in f16");
    assert(verdict.explained, `${name}: ${verdict.budgetUsed} of the bound`);
  }
  const sorted = inputs("f16", HARD["flat, values sorted by sign"]);
  assert(!climb(sorted, "f16", simulation, "queries in f16").explained);
});

Deno.test("ladder: one key of 2048 flat ones that is left out is far outside, float32", () => {
  for (const v of [undefined, HARD["flat, values sorted by sign"].v]) {
    const qkv = inputs("f32", { q: () => 0, v });
    const simulation = { store: Math.fround, sum: Math.fround, steps: Infinity, tile: 32 };
    const { explained, budgetUsed } = climb(
      qkv,
      "f32",
      { ...simulation, mistake: "last token of a row left out" },
      "f32",
    );
    assert(!explained && budgetUsed > 10, `${budgetUsed} of the bound`);
  }
});

Deno.test("ladder: rungs are named, and an unknown one is refused by name", () => {
  for (const dtype of ["f32", "f16", "bf16"] as const) {
    const names = ladderOf(dtype).map(({ name }) => name);
    assertEquals(new Set(names).size, names.length);
  }
  const results = { out: { got: tensor(new Float64Array(1), [1]), want: tensor(new Float64Array(1), [1]) } };
  assertThrows(
    () => judgeLadder(results, { dtype: "f32", boundOf: () => ({}), require: "f8" }),
    InputError,
    '`require` is "f8"; for f32 it should be one of f32, tf32 products.',
  );
});

Deno.test("ladder: a head that is small beside others is not judged if zeros pass its own bound, too", () => {
  const want = tensor(new Float64Array([3, 1e-3, 0, 1e-3]), [1, 4, 1]);
  const parts = ({ data }: { readonly data: ArrayLike<number> }) => {
    const share = data[3] === 0 ? 2 : 0.5;
    return { head: 3, share, error: share, bound: 1, absolute: true };
  };
  assertEquals(unjudgedHeads({ relL2: 0.1, maxAbs: 1, parts }, want), [1]);
  assertEquals(unjudgedHeads({ relL2: 0.1, maxAbs: 1e-4, parts }, want), []);
  assertEquals(unjudgedHeads({ relL2: 1e-6, maxAbs: 1, parts }, want), []);
  assertEquals(unjudgedHeads({ relL2: 0.1, maxAbs: 1 }, want), []);
});

Deno.test("ladder: bounds that are missing, infinite or accept zeros judge nothing", () => {
  const want = tensor(new Float64Array([3, 4]), [2]);
  assert(judges({ relL2: 0.1, maxAbs: 9 }, want) && judges({ relL2: 2, maxAbs: 1 }, want));
  for (
    const bound of [undefined, {}, { relL2: Infinity, maxAbs: 1 }, { relL2: NaN }, { relL2: 22, maxAbs: 80 }]
  ) {
    assert(!judges(bound, want), JSON.stringify(bound));
    const verdict = judgeLadder({ out: { got: want, want } }, {
      dtype: "f32",
      boundOf: () => ({ out: bound ?? {} }),
    });
    assert(!verdict.explained && verdict.unjudged.includes("out"));
  }
  const broken = tensor(new Float64Array([NaN, 4]), [2]);
  const verdict = judgeLadder({ out: { got: broken, want } }, {
    dtype: "f32",
    boundOf: () => ({ out: { relL2: 9e9, maxAbs: 1 } }),
  });
  assertEquals(verdict.budgetUsed, Infinity);
});
