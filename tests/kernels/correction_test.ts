/** Corrections on the device, mean values and the term of first order, against the same corrections in float64. */
import {
  attentionTolerance,
  compare,
  createPsa,
  InputError,
  type MethodInputs,
  methodInputs,
  pyramidAttention,
  type Qkv,
} from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../kernels/device/poison.ts";
import { correctedTolerance } from "../../reference/judge/correction_tolerance.ts";
import type { BlockMethod } from "../../reference/methods/method.ts";
import { rectified } from "../../reference/methods/mask/rectified.ts";
import { pisa } from "../../reference/methods/pyramid/pisa.ts";
import { seededRandom } from "../../reference/random.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { lacksHalves } from "../support/implementation.ts";
import { drawn } from "../support/seed.ts";
import { gpuTest } from "../support/stage_case.ts";

const BLOCKS = { blockM: 32, blockN: 16 };
/** Grouped heads, short last blocks, channels that are no multiple of a tile. */
const SHAPE = { batch: 1, heads: 4, kvHeads: 2, seqQ: 75, seqK: 90, headDim: 24, valueDim: 8 };

/** Tokens of blocks that are far apart, and spread so much inside. */
function callOf(dtype: "f32" | "f16", spread: number): Qkv {
  const random = seededRandom(7), Type = dtype === "f16" ? Float16Array : Float32Array;
  const draw = (heads: number, tokens: number, dim: number, block: number) => {
    const centres = Float64Array.from(
      { length: heads * Math.ceil(tokens / block) * dim },
      () => random.normal(),
    );
    const data = new Type(heads * tokens * dim);
    for (let at = 0; at < data.length; at++) {
      const head = Math.floor(at / (tokens * dim)), token = Math.floor(at / dim) % tokens;
      const centre = (head * Math.ceil(tokens / block) + Math.floor(token / block)) * dim + at % dim;
      data[at] = centres[centre] + spread * random.normal();
    }
    return { data, shape: [1, heads, tokens, dim] };
  };
  const { heads, kvHeads, seqQ, seqK, headDim, valueDim } = SHAPE;
  return {
    q: draw(heads, seqQ, headDim, 32),
    k: draw(kvHeads, seqK, headDim, 16),
    v: draw(kvHeads, seqK, valueDim, 16),
  } as Qkv;
}

/** Runs a method's levels and correction on outputs that were NaN, and holds them against what it does in float64. */
async function checkCorrection(gpu: Gpu, method: BlockMethod, dtype: "f32" | "f16"): Promise<void> {
  const qkv = callOf(dtype, method === pisa ? 1 : 0.2), // pooled scores can be relied on where blocks are alike inside
    inputs: MethodInputs = methodInputs(qkv, BLOCKS),
    selection = method.select(inputs, 0.4);
  const { levels, correction, finish } = selection, attention = pyramidAttention(qkv, levels, BLOCKS);
  using psa = await createPsa(gpu, {
    ...{ shape: SHAPE, dtype, ready: [], levels: [1, 16] },
    config: {
      ...BLOCKS,
      tile: 16,
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    },
  });
  await psa.load(qkv as Qkv<Float32Array>);
  const call = await psa.prepare({ levels, correction: correction! });
  poisonOutputs(gpu, call.stages);
  const { out } = await call.forward(), corrected = finish!(attention.out);
  const attended = attentionTolerance(qkv, levels, { ...BLOCKS, dtype, accumulate: dtype });
  const bound = correctedTolerance({ qkv, levels, attention, corrected, correction: correction! }, {
    ...BLOCKS,
    dtype,
    bound: attended,
  });
  const { relL2, maxAbs, nonFinite } = compare(out, corrected),
    moved = compare(attention.out, corrected).relL2;
  assert(
    nonFinite === 0 && relL2 <= bound.relL2 && maxAbs <= bound.maxAbs,
    `${method.name}: off by ${relL2}, bound ${bound.relL2}`,
  );
  assert(moved > 5 * bound.relL2, `${method.name}: ${moved} beside ${bound.relL2} proves nothing`);
}

// Each compiles kernels of its own, those in float16 slowly in software: a commit draws one.
for (const [i, method] of [rectified, pisa].entries()) {
  if (drawn(i, 2)) {
    gpuTest(
      `correction: ${method.name} on the device is within the bounds of what it does in float64`,
      (gpu) => {
        return checkCorrection(gpu, method, "f32");
      },
    );
  }
  if (!drawn(i, 6)) continue;
  gpuTest(`correction: ${method.name} in float16`, async (gpu) => {
    if (!lacksHalves(gpu, "corrections in float16")) await checkCorrection(gpu, method, "f16");
  });
}

gpuTest("correction: what kernels cannot correct is refused in a sentence", async (gpu) => {
  const config = {
    ...BLOCKS,
    tile: 16,
    importance: { kind: "pooled" },
    assignment: { mode: "density", density: 1 },
  } as const;
  using psa = await createPsa(gpu, {
    shape: { ...SHAPE, seqQ: 90 },
    ready: [],
    config: { ...config, causal: true },
  });
  const shape = [1, 4, 3, 6], levels = { data: new Int32Array(72).fill(1), shape };
  const refused = async (correction: unknown, sentence: string) => {
    await assertRejects(
      () => psa.prepare({ levels, correction } as Parameters<typeof psa.prepare>[0]),
      InputError,
      sentence,
    );
  };
  await refused({ kind: "first-order" }, "The correction first-order is not for causal calls.");
  await refused(
    { kind: "last-order" },
    '`correction` is "last-order"; its kind should be "means" or "first-order".',
  );
  await refused(
    { kind: "means", weights: { data: new Float64Array(6), shape: [1, 1, 1, 6] } },
    "`weights` has shape [1,1,1,6]",
  );
  assertEquals(psa.extraBytes >= 0, true);
});
