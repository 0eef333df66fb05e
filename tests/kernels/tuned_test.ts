/** Calls with one choice per head: every head equals the reference with that choice. */
import { candidateOf } from "../../bench/tune/space.ts";
import {
  attentionTolerance,
  compare,
  createPsa,
  createSlicedPsa,
  type ForwardResult,
  InputError,
  makeWorkload,
  pyramidAttention,
  type Qkv,
  type Tensor,
} from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../kernels/device/poison.ts";
import { type Choice, orderNamed, type TunedCall } from "../../reference/config/tuned.ts";
import { importanceOfChoice } from "../../reference/levels/thresholds.ts";
import { headSlice, kvHeadOf } from "../../reference/heads.ts";
import { methodInputs } from "../../reference/methods/inputs.ts";
import { arrangeTokens } from "../../reference/order/arrange.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { drawn } from "../support/seed.ts";
import { gpuTest } from "../support/stage_case.ts";

const BLOCKS = { blockM: 32, blockN: 16 };
const BOX = { depth: 4, height: 8, width: 8 };
const TEXT = 6;

const choice = (
  order: Choice["order"],
  importance: Choice["importance"],
  rest: Choice["rest"],
  shares: Record<number, number>,
): Choice => ({
  ...{ method: "ranked", order, importance, rest, shares },
});

/** Choices of three passes: heads of one pass differ in all that a table says, and do not share key heads evenly. */
const VIDEO: readonly (readonly [Choice, number])[] = [
  [choice("tile", "sampled", "mean", { 1: 1 }), 0.3],
  [choice("tile", "sampled", "skipped", { 1: 0.8, 2: 0.2 }), 0.4],
  [choice("raster", "pooled", "skipped", { 1: 0.6, 2: 0.2, 4: 0.2 }), 0.25],
  [choice("tile", "sampled", "mean", { 2: 0.5, 4: 0.5 }), 0.2],
  [choice("raster", "pooled", "mean", { 1: 0.8, 2: 0.2 }), 0.15],
  [choice("gilbert", "antidiagonal", "mean", { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 }), 0.35],
];
const threshold = (
  method: Choice["method"],
  order: Choice["order"],
  importance: Choice["importance"],
): Choice => ({
  ...{ method, order, importance, shares: null, rest: "skipped" },
});

/** Thresholds, two of them in one pass with densities of their own, beside a rank with the same scores. */
const THRESHOLDS: readonly (readonly [Choice, number])[] = [
  [threshold("psa-threshold", "tile", "pooled"), 0.3],
  [threshold("xattention", "raster", null), 0.2],
  [choice("tile", "pooled", "mean", { 1: 1 }), 0.3],
  [threshold("psa-threshold", "tile", "pooled"), 0.15],
];
/** Choices of one pass for heads that have key heads of their own. */
const ALIKE: readonly (readonly [Choice, number])[] = [
  [choice("raster", "sampled", "mean", { 1: 1 }), 0.3],
  [choice("raster", "sampled", "skipped", { 1: 1 }), 0.4],
];
const CAUSAL: readonly (readonly [Choice, number])[] = [
  [choice("raster", "antidiagonal", "mean", { 1: 1 }), 0.4],
  [choice("raster", "antidiagonal", "skipped", { 1: 0.6, 2: 0.2, 4: 0.2 }), 0.3],
];

/** A file of choices for a call. */
function tunedOf(qkv: Qkv, chosen: readonly (readonly [Choice, number])[], causal: boolean): TunedCall {
  const [, , seqQ, headDim] = qkv.q.shape;
  return {
    shape: {
      heads: [...chosen.keys()],
      ...{ seqQ, seqK: qkv.k.shape[2], headDim, valueDim: qkv.v.shape[3], causal },
      ...causal ? { grid: null, textLength: 0 } : { grid: [4, 8, 8], textLength: TEXT },
    },
    ...{ ...BLOCKS, seed: 3 },
    heads: chosen.map(([choice, asked], head) => ({ head, choice, asked })),
  };
}

/** A call of as many heads as there are choices. */
function callOf(
  chosen: readonly unknown[],
  { causal = false, kvHeads = 2 }: { causal?: boolean; kvHeads?: number } = {},
): Qkv<Float32Array> {
  const tokens = causal ? 250 : BOX.depth * BOX.height * BOX.width + TEXT;
  const { qkv } = makeWorkload("gaussian", {
    ...{
      heads: chosen.length,
      kvHeads,
      seqQ: tokens,
      seqK: tokens,
      headDim: 16,
      valueDim: 8,
      seed: 5,
    },
  });
  return qkv as Qkv<Float32Array>;
}

/** Holds every head against the reference: its levels, and its output within the bounds of these. */
function checkHeads(qkv: Qkv, tuned: TunedCall, { out, levels, lse }: ForwardResult): void {
  const { shape: { causal, textLength, grid }, seed } = tuned;
  for (const { head, choice, asked } of tuned.heads) {
    const kvHead = kvHeadOf(qkv, head);
    const own = {
      q: headSlice(qkv.q, head),
      k: headSlice(qkv.k, kvHead),
      v: headSlice(qkv.v, kvHead),
    } as Qkv;
    const order = orderNamed(choice.order, grid === null ? undefined : BOX)!;
    const arranged = arrangeTokens(own, { order, textLength });
    const importance = importanceOfChoice(choice, seed);
    const inputs = methodInputs(arranged.qkv, { ...BLOCKS, causal, importance, seed, firstHead: head });
    const want = candidateOf(choice).method.select(inputs, asked).levels,
      got = headSlice(levels, head) as Tensor<Int32Array>;
    const differing = want.data.filter((level, at) => level !== got.data[at]).length;
    assert(differing <= 2, `head ${head}: ${differing} of ${want.data.length} levels differ`); // rounding may turn a pair
    assertEquals(got.data.toSorted(), want.data.toSorted(), `head ${head}: blocks of each level`);
    const options = { ...BLOCKS, causal }, right = pyramidAttention(arranged.qkv, got, options);
    const bound = attentionTolerance(arranged.qkv, got, { ...options, dtype: "f32", accumulate: "f32" });
    const place = (i: number) => arranged.queryOrder?.data[i] ?? i, dim = out.shape[3], tokens = out.shape[2];
    const mine = headSlice(out, head).data, back = new Float64Array(mine.length);
    for (let i = 0; i < tokens; i++) {
      for (let c = 0; c < dim; c++) back[i * dim + c] = mine[place(i) * dim + c];
      const off = Math.abs(lse.data[head * tokens + place(i)] - right.lse.data[i]);
      assert(off <= bound.lse, `head ${head}, row ${i}: log-sum-exp off by ${off}`);
    }
    const { relL2, maxAbs, nonFinite } = compare({ data: back, shape: right.out.shape }, right.out);
    assert(
      nonFinite === 0 && relL2 <= bound.relL2 && maxAbs <= bound.maxAbs,
      `head ${head}: off by ${relL2}, ${maxAbs}`,
    );
  }
}

/** Runs a tuned call on outputs that were NaN. */
async function runTuned(gpu: Gpu, qkv: Qkv<Float32Array>, tuned: TunedCall) {
  const heads = tuned.heads.length, { seqQ, seqK, headDim, valueDim } = tuned.shape;
  using psa = await createPsa(gpu, {
    shape: { batch: 1, heads, kvHeads: qkv.k.shape[1], seqQ, seqK, headDim, valueDim },
    tuned,
  });
  await psa.load(qkv);
  const call = await psa.prepare();
  poisonOutputs(gpu, call.stages);
  const importances = call.stages.filter(({ name }) => name === "importance").length;
  return { result: await call.forward(), importances };
}

gpuTest("tuned: heads in several passes are what the reference makes of each choice", async (gpu) => {
  const qkv = callOf(VIDEO), tuned = tunedOf(qkv, VIDEO, false);
  const { result, importances } = await runTuned(gpu, qkv, tuned);
  assertEquals(importances, 3, "passes");
  checkHeads(qkv, tuned, result);
});

// Each compiles kernels of its own; a commit draws one.
if (drawn(2, 3)) {
  gpuTest("tuned: heads with thresholds run in passes of their own, each with its density", async (gpu) => {
    const qkv = callOf(THRESHOLDS), tuned = tunedOf(qkv, THRESHOLDS, false);
    const { result, importances } = await runTuned(gpu, qkv, tuned);
    assertEquals(importances, 3, "passes");
    checkHeads(qkv, tuned, result);
  });
}
if (drawn(0, 3)) {
  gpuTest(
    "tuned: causal heads of one pass read the inputs where they lie, and differ by the rows of a table",
    async (gpu) => {
      const qkv = callOf(CAUSAL, { causal: true, kvHeads: 1 }), tuned = tunedOf(qkv, CAUSAL, true);
      const { result, importances } = await runTuned(gpu, qkv, tuned);
      assertEquals(importances, 1, "passes");
      checkHeads(qkv, tuned, result);
    },
  );
}
if (drawn(1, 3)) {
  gpuTest("tuned: slices have the choices of their heads", async (gpu) => {
    const qkv = callOf(ALIKE), tuned = tunedOf(qkv, ALIKE, false);
    const { seqQ, seqK, headDim, valueDim } = tuned.shape;
    const shape = { batch: 1, heads: 2, kvHeads: 2, seqQ, seqK, headDim, valueDim };
    const limits = { ...gpu.info.limits, maxStorageBufferBindingSize: 6 * seqQ * headDim }; // one head of two, with means
    gpu.info = { ...gpu.info, limits };
    const sliced = createSlicedPsa(gpu, { shape, tuned });
    assertEquals(sliced.slices, 2);
    checkHeads(qkv, tuned, await sliced.forward(qkv));
  });
}

gpuTest("tuned: files for other calls are refused in a sentence", async (gpu) => {
  const qkv = callOf(CAUSAL, { causal: true, kvHeads: 1 }), tuned = tunedOf(qkv, CAUSAL, true);
  const { seqQ, seqK, headDim, valueDim } = tuned.shape;
  const shape = { batch: 1, heads: 2, kvHeads: 1, seqQ, seqK, headDim, valueDim };
  const withHead = (head: object) =>
    ({ ...tuned, heads: [{ ...tuned.heads[0], ...head }, tuned.heads[1]] }) as TunedCall;
  const cases: readonly (readonly [object, RegExp])[] = [
    [
      { tuned, shape: { ...shape, seqK: 300 } },
      /`tuned` is for `seqK` 250; this call has 300: tune on inputs of this shape\./,
    ],
    [{ tuned, shape: { ...shape, heads: 4 } }, /`tuned` is for heads \[0, 1\]; this call has \[0, 1, 2, 3\]/],
    [{ tuned, shape, firstHead: 2 }, /this call has \[2, 3\]/],
    [{ tuned, shape, config: {} }, /`config` and `tuned` were given/],
    [{ tuned: {}, shape }, /`tuned.shape` is undefined; it should be what `deno task tune` writes/],
    [{ tuned: null, shape }, /`tuned` is null/],
    [{ tuned: withHead({ asked: 0 }), shape }, /Head 0 of `tuned`: `density` is 0/],
    [
      { tuned: withHead({ choice: { ...tuned.heads[0].choice, order: "tile" } }), shape },
      /has the order tile, which its shape does not have/,
    ],
    [
      { tuned: withHead({ choice: { ...tuned.heads[0].choice, shares: { 1: 0.5, 32: 0.5 } } }), shape },
      /level 32; it should divide `blockN`/,
    ],
    [
      { tuned: { ...tuned, shape: { ...tuned.shape, grid: [2, 2, 2] } }, shape },
      /`tuned.shape.grid` is \[2,2,2\]/,
    ],
  ];
  for (const [setup, sentence] of cases) {
    const { message } = await assertRejects(
      () => createPsa(gpu, setup as Parameters<typeof createPsa>[1]),
      InputError,
    );
    assert(sentence.test(message) && !message.includes("\n"), message);
  }
});
