/** Bounds of parts: a mistake in one head, block, row or element is seen, and the right part is named. */
import { attentionBounds } from "../../../reference/judge/attention_parts.ts";
import { elementParts } from "../../../reference/judge/element_parts.ts";
import { partName } from "../../../reference/judge/parts.ts";
import { unjudgedHeads } from "../../../reference/judge/ladder.ts";
import { headOf } from "../../../reference/heads.ts";
import { commonVariance } from "../../../reference/judge/rounding/common.ts";
import { arithmeticNamed } from "../../../reference/judge/arithmetic.ts";
import type { RowView } from "../../../reference/judge/rounding/view.ts";
import { judgeLadder, pyramidAttention, seededRandom, type Tensor, tensor } from "../../../mod.ts";
import { short } from "../../../fixtures/conformance/judge/tensors.ts";
import { assert, assertEquals, assertStringIncludes } from "../../support/assert.ts";
import { simulateAttention } from "../../../fixtures/conformance/honest/attention.ts";
import { makeWorkload } from "../../../fixtures/workloads.ts";
import { judgeHonest } from "../../../fixtures/conformance/honest/judging.ts";
import { ORDERS } from "../../../fixtures/conformance/honest/sums.ts";
import { drawn } from "../../support/seed.ts";
import { seenIn } from "./sharpness.ts";
import { ARITHMETICS, localCall, PARTS, smallestSeen, wrongIn } from "./local.ts";

const NAMES: Readonly<Record<typeof PARTS[number], RegExp>> = {
  "one of 4 heads": /^head 2(, query block \d+|, row \d+.*)?$/,
  "one of 64 query blocks": /^head 2, (query block 5|row 3[2-7]\d.*)$/,
  "one of 4096 rows": /^head 2, row 337/,
  "one element": /^head 2, row 337, channel 3$/,
};

const DTYPES = ["f32", "f16", "bf16"] as const;

for (const dtype of DTYPES.filter((_, i) => drawn(i, 3))) {
  Deno.test(`parts: the smallest mistakes that are seen are those of docs/parts.md, ${dtype}`, async () => {
    const page = await Deno.readTextFile(new URL("../../../docs/parts.md", import.meta.url));
    const call = localCall(dtype, 64), { whole: { relL2, maxAbs }, out: parts } = call.bounds;
    const boundOf = () => ({ out: { relL2, maxAbs, parts } });
    const verdict = (got: Tensor) =>
      judgeLadder({ out: { got, want: call.want } }, { dtype, boundOf, require: ARITHMETICS[dtype] });
    assert(verdict(call.want).explained);
    for (const part of PARTS) {
      const { before, now } = smallestSeen(part, call);
      const line = `| ${dtype} | 64 | ${part} | ${short(before)} | ${short(now)} |`;
      assertStringIncludes(page.replaceAll(/ +/g, " "), line);
      const { explained, wholes, parts: found, budgetUsed } = verdict(wrongIn(part, call, 1.3 * now));
      assert(!explained && wholes.out < 1, `${part} is not seen`);
      assertEquals(budgetUsed, found.out.share);
      assert(NAMES[part].test(partName(found.out)), `${part} is called ${partName(found.out)}`);
    }
  });
}

Deno.test("parts: a row that sees no key is 0, and any other number in it is wrong", () => {
  const random = seededRandom(3), length = 2 * 32 * 8;
  const make = () => tensor(Float32Array.from({ length }, random.normal), [1, 2, 32, 8]);
  const qkv = { q: make(), k: make(), v: make() };
  const levels = tensor(new Int32Array([1, 0, 0, 0, 1, 1, 2, 1]), [1, 2, 2, 2]); // block 1 of head 0 sees nothing
  const options = { blockM: 16, blockN: 16 }, { out, lse } = pyramidAttention(qkv, levels, options);
  const bounds = attentionBounds(qkv, levels, { ...options, dtype: "f32" });
  const got = { ...out, data: out.data.slice() };
  got.data[20 * 8 + 1] = 1e-30;
  assertEquals(bounds.out(out, out)?.share ?? 0, 0);
  const found = bounds.out(got, out)!;
  assertEquals([found.share, partName(found)], [Infinity, "head 0, row 20"]);
  assertEquals(bounds.lse(lse, lse), undefined); // both are -Infinity where no key is seen
  const moved = { ...lse, data: lse.data.map((x, at) => at === 40 ? x + 1e-4 : x) };
  assertEquals(partName(bounds.lse(moved, lse)!), "head 1, row 8");
});

Deno.test("parts: a block of nearly flat rows is right if half-precision sums are sorted by sign", () => {
  const data = "one row unlike the others, many rows",
    orders = ORDERS.filter(({ inner }) => inner === "by sign");
  const { share } = judgeHonest(data, { dtype: "f16", arithmetic: "sums of 64 in f16", orders });
  assert(share > 0.2 && share < 0.9, `it takes ${share} of its bounds`);
});

Deno.test("parts: sums in half precision of scores of hundreds are judged where zeros are wrong", () => {
  const sizes = { heads: 2, seqQ: 8, seqK: 64, headDim: 64 };
  const made = makeWorkload("adversarial", { ...sizes, seed: 10, dtype: "f16" }).qkv;
  const levels = tensor(new Int32Array([1, 1]), [1, 2, 1, 1]);
  const options = { blockM: 8, blockN: 64, scale: 0.005 },
    { out: want } = pyramidAttention(made, levels, options);
  const arithmetic = "sums of 64 in f16";
  const { whole, out: parts } = attentionBounds(made, levels, { ...options, dtype: "f16", arithmetic });
  const bound = { relL2: whole.relL2, maxAbs: whole.maxAbs, parts };
  const simulation = { store: Math.f16round, sum: Math.f16round, steps: 32, tile: 64 };
  const heads = [0, 1].flatMap((head) => {
    const own = headOf(made, levels, head);
    return [...simulateAttention(own.qkv, own.levels, { ...options, ...simulation }).out.data];
  });
  const verdict = (data: ArrayLike<number>) =>
    judgeLadder({ out: { got: { data: Float64Array.from(data), shape: want.shape }, want } }, {
      ...{ dtype: "f32", require: "f32", boundOf: () => ({ out: bound }) },
    });
  assert(whole.relL2 > 1 && verdict(heads).explained, "the honest kernel is not right");
  assert(!verdict(want.data.map(() => 0)).explained, "zeros are right");
  assertEquals(unjudgedHeads(bound, want), [0]);
});

Deno.test("sharpness: large mistakes are seen in every arithmetic, those far below rounding in none", () => {
  const random = seededRandom(7);
  const make = () => tensor(Float32Array.from({ length: 2 * 64 * 8 }, random.normal), [1, 2, 64, 8]);
  const qkv = { q: make(), k: make(), v: make() }, levels = tensor(new Int32Array(8).fill(1), [1, 2, 2, 2]);
  const options = { blockM: 32, blockN: 32 }, { out } = pyramidAttention(qkv, levels, options);
  const small = (["query block", "row", "element"] as const).flatMap((part) =>
    [0.5, 1e-9].map((share) => ({ part, share }))
  );
  for (const [i, seen] of seenIn({ call: { qkv, levels, options }, dtype: "f32", out }, small).entries()) {
    assertEquals([seen.usual, seen.all], small[i].share > 0.1 ? [2, 2] : [0, 0]);
    for (const from of seen.from) assert(from > 1e-7 && from < 0.1, `${small[i].part}: ${from}`);
  }
});

Deno.test("parts: of elements with variances, heads, key blocks, rows and elements have their own bounds", () => {
  const variance = new Float64Array(2 * 8 * 4).fill(1e-6), shape = [1, 2, 8, 4];
  variance.fill(1, 0, 32); // head 0 may be far off
  const parts = elementParts({ variance, width: 4, rows: 8, block: 4, tokens: "key" });
  const want = tensor(new Float64Array(64).fill(1), shape);
  const worst = (change: (at: number) => number) => {
    const found = parts({ ...want, data: want.data.map((x, at) => x + change(at)) }, want)!;
    return [partName(found), found.share > 1];
  };
  assertEquals(worst((at) => at === 62 ? 0.01 : 0), ["head 1, key 7, channel 2", true]);
  assertEquals(worst((at) => at >= 60 ? 7e-3 : 0), ["head 1, key 7, channel 0", true]);
  assertEquals(worst((at) => at >= 48 ? 7e-3 : 0), ["head 1, key block 1", true]);
  assertEquals(worst((at) => at >= 32 ? 7e-3 : 0), ["head 1", true]);
  assertEquals(worst((at) => at >= 32 ? 4e-3 : 0), ["head 1", false]);
  assertEquals(worst((at) => at < 32 ? 0.5 : 0)[1], false);
});

Deno.test("parts: the exact variance by a query's errors is the mean of what drawn signs give", () => {
  const random = seededRandom(5), tokens = 12, dim = 3, valueDim = 2;
  const make = (length: number) => Float64Array.from({ length }, random.normal);
  const view = {
    ...{ visible: tokens, query: make(dim), valueDim },
    block: { tokens: { keys: make(tokens * dim), values: make(tokens * valueDim) }, scale: 0.7 },
  } as unknown as RowView;
  const weights = make(tokens).map((x) => Math.exp(x)), sum = weights.reduce((a, b) => a + b);
  for (let t = 0; t < tokens; t++) weights[t] /= sum;
  const arithmetic = arithmeticNamed("f16", "queries in f16");
  const { queries } = commonVariance(view, weights, { arithmetic, exact: true });
  const { query, block: { tokens: { keys, values }, scale } } = view, unit = arithmetic.queries.unit;
  for (let j = 0; j < valueDim; j++) {
    const out = weights.reduce((all, p, t) => all + p * values[t * valueDim + j], 0);
    const moved = Array.from(query, (x, c) => {
      const each = weights.reduce(
        (all, p, t) => all + p * keys[t * dim + c] * (values[t * valueDim + j] - out),
        0,
      );
      return (scale * unit * x * each) ** 2 / 3;
    });
    const want = moved.reduce((a, b) => a + b);
    assert(Math.abs(queries[j] / want - 1) < 1e-9, `${queries[j]} instead of ${want}`);
  }
});
