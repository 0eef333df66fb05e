/**
 * The pyramid kernel on random shapes, through the door that everyone uses: what it gives is within the derived bounds,
 * whatever lengths, dimensions, groups of heads, blocks, levels, scale and tail meet; what a call leaves behind does not
 * reach the next one.
 */
import {
  attentionTolerance,
  compare,
  createPsa,
  pyramidAttention,
  type Qkv,
  type Random,
  seededRandom,
  type Tensor,
  tensor,
} from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { TEST_SEED } from "../support/seed.ts";
import { gpuTest } from "../support/stage_case.ts";

const SHAPES = Deno.env.get("PSA_LONG") === "1" ? 24 : 2;

/** A random call. */
function drawCall(random: Random) {
  const one = <T>(...of: readonly T[]): T => of[random.below(of.length)];
  const kvHeads = one(1, 2, 3), blockM = one(16, 32, 64, 128), blockN = one(16, 32, 64, 128);
  const shape = {
    batch: one(1, 1, 2),
    heads: kvHeads * one(1, 2),
    kvHeads,
    seqQ: 1 + random.below(170),
    seqK: 1 + random.below(260),
    headDim: 8 * (1 + random.below(12)),
    valueDim: 8 * (1 + random.below(12)),
  };
  const powers = [0, 1, 2, 4, 8, 16, 32, 64, 128].filter((level) => level <= blockN);
  const levels = powers.filter(() => random.uniform() < 0.5);
  const options = {
    blockM,
    blockN,
    causal: random.uniform() < 0.4,
    tail: one("exact", "exact", "replicate"),
    scale: one(undefined, 0.3, -0.2),
  } as const;
  return { shape, options, levels: levels.length > 0 ? levels : [1] };
}

/** Normal numbers with an offset of the head's own. */
function numbers(random: Random, shape: readonly number[]): Tensor<Float32Array> {
  const length = shape.reduce((product, each) => product * each, 1), offset = random.normal() / 2;
  return tensor(Float32Array.from({ length }, () => random.normal() + offset), shape);
}

/** Runs one random call and asserts that its outputs are within bounds. */
async function check(gpu: Gpu, seed: number): Promise<void> {
  const random = seededRandom(seed), call = drawCall(random), { shape, options } = call;
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  const qkv: Qkv<Float32Array> = {
    q: numbers(random, [batch, heads, seqQ, headDim]),
    k: numbers(random, [batch, kvHeads, seqK, headDim]),
    v: numbers(random, [batch, kvHeads, seqK, valueDim]),
  };
  const blocks = [batch, heads, Math.ceil(seqQ / options.blockM), Math.ceil(seqK / options.blockN)];
  const length = blocks.reduce((product, each) => product * each, 1);
  const levels = tensor(
    Int32Array.from({ length }, () => call.levels[random.below(call.levels.length)]),
    blocks,
  );
  using psa = await createPsa(gpu, {
    shape,
    config: {
      ...options,
      tile: 16,
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 1 },
    },
    levels: call.levels,
    ready: [],
  });
  const got = await psa.forward(qkv, { levels }), want = pyramidAttention(qkv, levels, options);
  const bound = attentionTolerance(qkv, levels, { ...options, dtype: "f32" });
  const name = `seed ${seed}: ${JSON.stringify(call)}`;
  const out = compare(got.out, want.out), lse = compare(got.lse, want.lse);
  assertEquals([out.nonFinite, lse.nonFinite], [0, 0], `${name}: values that are not finite`);
  const seesNothing = want.out.data.every((x) => x === 0);
  assert(seesNothing || out.relL2 <= bound.relL2, `${name}: relative L2 ${out.relL2}, bound ${bound.relL2}`);
  assert(out.maxAbs <= bound.maxAbs, `${name}: largest error ${out.maxAbs}, bound ${bound.maxAbs}`);
  assert(lse.maxAbs <= bound.lse, `${name}: log-sum-exp off by ${lse.maxAbs}, bound ${bound.lse}`);
}

gpuTest(`gpu: ${SHAPES} random shapes within the bounds`, async (gpu) => {
  for (let n = 0; n < SHAPES; n++) await check(gpu, (TEST_SEED >>> 0) + n);
});
