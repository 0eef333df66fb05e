/** Float64 truth on the device is the reference's, on every case of the standard suite and on random calls. */
import fc from "fast-check";
import { arranged, callOf } from "../../../fixtures/conformance/call.ts";
import { suiteCases } from "../../../fixtures/conformance/suites.ts";
import { openTruth, type Truth } from "../../../kernels/truth/truth.ts";
import {
  blockImportance,
  blockMass,
  caseName,
  denseAttention,
  type ImportanceConfig,
  makeWorkload,
  pyramidAttention,
  pyramidAttentionGradient,
  type Qkv,
  seededRandom,
  type Tensor,
} from "../../../mod.ts";
import { assert, assertRejects, assertThrows } from "../../support/assert.ts";
import { TEST_SEED } from "../../support/seed.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Relative L2 distance; infinite where only one of two values is finite, or they are different infinities. */
function distance(got: Tensor, want: Tensor): number {
  let error2 = 0, norm2 = 0;
  for (let i = 0; i < want.data.length; i++) {
    if (Object.is(got.data[i], want.data[i])) continue;
    error2 += (got.data[i] - want.data[i]) ** 2;
  }
  for (const x of want.data) if (Number.isFinite(x)) norm2 += x * x;
  return error2 === 0 ? 0 : Number.isNaN(error2) ? Infinity : Math.sqrt(error2 / norm2);
}

const ATTENTION = suiteCases("standard").filter(({ stage }) => stage === "attention");

gpuTest("truth on the device: attention of every case of the standard suite", async (gpu) => {
  const truth = openTruth(gpu, { scratch: 1 << 18 });
  for (const given of ATTENTION) {
    const call = callOf(given), qkv = arranged(call);
    const want = pyramidAttention(qkv, call.levels, call.options);
    const got = await truth.attention(qkv, call.levels, call.options);
    for (const name of ["out", "lse"] as const) {
      const far = distance(got[name], want[name]);
      assert(far <= 1e-12, `${caseName(given)}: \`${name}\` is ${far} from the reference`);
    }
  }
});

gpuTest("truth on the device: dense attention, causal or not, with shared heads and tails", async (gpu) => {
  const truth = openTruth(gpu, { scratch: 1 << 18 });
  for (const causal of [false, true]) {
    const { qkv } = makeWorkload("gaussian", {
      batch: 2,
      heads: 4,
      kvHeads: 2,
      seqQ: 130,
      seqK: 77,
      headDim: 20,
    });
    const got = await truth.attention(qkv, null, { causal }), want = denseAttention(qkv, { causal });
    assert(distance(got.out, want.out) <= 1e-12 && distance(got.lse, want.lse) <= 1e-12, `causal ${causal}`);
  }
});

/** Gradients that flow back into a call. */
function backflow({ q, v }: Qkv, seed: number) {
  const { normal } = seededRandom(seed), rows = q.shape.slice(0, 3), shape = [...rows, v.shape[3]];
  const draw = (of: number[]) => ({
    data: new Float64Array(of.reduce((n, x) => n * x)).map(normal),
    shape: of,
  });
  return { dout: draw(shape), dlse: draw(rows) };
}

gpuTest("truth on the device: gradients, on a draw of the cases of the standard suite", async (gpu) => {
  const truth = openTruth(gpu, { scratch: 1 << 19 });
  for (
    const given of suiteCases("standard").filter(({ stage }, i) =>
      stage === "gradient" || (i + TEST_SEED) % 12 === 0
    )
  ) {
    if (given.stage !== "attention" && given.stage !== "gradient") continue;
    const call = callOf(given), qkv = arranged(call), { dout, dlse } = backflow(qkv, 5);
    const want = pyramidAttentionGradient(qkv, call.levels, dout, { ...call.options, dlse });
    const got = await truth.gradient(qkv, call.levels, { ...call.options, dout, dlse });
    for (const name of ["dq", "dk", "dv"] as const) {
      const far = distance(got[name], want[name]);
      assert(far <= 1e-12, `${caseName(given)}: \`${name}\` is ${far} from the reference`);
    }
  }
});

gpuTest(
  "truth on the device: gradients of dense attention with shared heads, and of wrong shapes none",
  async (gpu) => {
    const truth = openTruth(gpu, { scratch: 1 << 18 });
    for (const causal of [false, true]) {
      const sizes = { batch: 2, heads: 4, kvHeads: 2, seqQ: 130, seqK: 77, headDim: 20 };
      const { qkv } = makeWorkload("gaussian", sizes),
        { dout } = backflow(qkv, 6),
        blocks = { blockM: 130, blockN: 77 };
      const ones = { data: new Int32Array(8).fill(1), shape: [2, 4, 1, 1] };
      const want = pyramidAttentionGradient(qkv, ones, dout, { ...blocks, causal });
      const got = await truth.gradient(qkv, null, { causal, dout });
      for (const name of ["dq", "dk", "dv"] as const) {
        assert(distance(got[name], want[name]) <= 1e-12, `${name}, causal ${causal}`);
      }
      const short = { ...dout, shape: [2, 4, 65, 40] };
      await assertRejects(
        () => truth.gradient(qkv, null, { dout: short }),
        Error,
        "`dout` has shape [2,4,65,40]",
      );
    }
  },
);

const IMPORTANCE: readonly ImportanceConfig[] = [
  { kind: "full" },
  { kind: "sampled", seed: 3 },
  { kind: "antidiagonal", stride: 8 },
  { kind: "pooled" },
];

gpuTest("truth on the device: importance of every kind and block mass, random sizes", async (gpu) => {
  const truth = openTruth(gpu, { scratch: 1 << 18 });
  const sizes = fc.record({
    seqQ: fc.integer({ min: 1, max: 200 }),
    seqK: fc.integer({ min: 1, max: 200 }),
    blockM: fc.constantFrom(16, 64, 128),
    blockN: fc.constantFrom(16, 32, 64),
    headDim: fc.constantFrom(8, 24, 64),
    causal: fc.boolean(),
    seed: fc.nat(1000),
  });
  await fc.assert(
    fc.asyncProperty(sizes, fc.constantFrom(...IMPORTANCE), async (given, importance) => {
      const { blockM, blockN, causal, ...rest } = given;
      const { qkv } = makeWorkload("gaussian", { ...rest, heads: 2, kvHeads: 1 });
      await nearMass(truth, qkv, { blockM, blockN, causal });
      if (importance.kind === "antidiagonal" && causal && given.seqQ > given.seqK) return;
      const config = { blockM, blockN, importance, causal };
      const far = distance(await truth.importance(qkv, config), blockImportance(qkv, config));
      assert(far <= 1e-12, `${importance.kind} is ${far} from the reference`);
    }),
    { numRuns: 12 },
  );
});

async function nearMass(
  truth: Truth,
  qkv: Parameters<typeof blockMass>[0],
  options: Parameters<typeof blockMass>[1],
) {
  const far = distance(await truth.blockMass(qkv, options), blockMass(qkv, options));
  assert(far <= 1e-12, `block mass is ${far} from the reference`);
}

gpuTest("truth on the device: large scores, a hot key and rows that see nothing", async (gpu) => {
  const truth = openTruth(gpu), random = seededRandom(11);
  const { qkv } = makeWorkload("adversarial", { heads: 4, seqQ: 100, seqK: 190, headDim: 32, seed: 5 });
  const shape = [1, 4, 4, 3], levels = Int32Array.from({ length: 48 }, () => [0, 1, 4, 64][random.below(4)]);
  levels.fill(0, 0, 3);
  const options = { blockM: 32, blockN: 64, scale: 3 };
  const got = await truth.attention(qkv, { data: levels, shape }, options);
  const want = pyramidAttention(qkv, { data: levels, shape }, options);
  assert(distance(got.out, want.out) <= 1e-12 && distance(got.lse, want.lse) <= 1e-12);
  assert(got.lse.data.slice(0, 32).every((lse) => lse === -Infinity));
});

gpuTest("truth on the device: without float64 it is refused with what to do", (gpu) => {
  const without = { has: () => false, info: gpu.info } as unknown as typeof gpu;
  assertThrows(() => openTruth(without), Error, "has no float64");
  return Promise.resolve();
});
