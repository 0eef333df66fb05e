/**
 * The whole method on the device against the reference: levels exact but for ties, which are counted and shown, and
 * attention within derived bounds of the reference's for the levels that the device chose.
 */
import fc from "fast-check";
import { attentionTolerance, compare, createPsa, type OrderConfig, pyramidAttention } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { checkMethod, noTies } from "../support/method_check.ts";
import { oneIn } from "../support/seed.ts";
import { withRoom } from "../support/small_call.ts";
import { bufferOf, gpuTest, qkvOf, type StageCase, stageCases } from "../support/stage_case.ts";

/** The most rows that may be ties, as a share of all: sums in half precision are a thousand times coarser. */
const MOST_TIES = { f32: 0.02, f16: 0.1 };

for (const mode of ["topk", "threshold", "density"] as const) {
  gpuTest(`gpu: the whole method is the reference's: ${mode}`, async (gpu) => {
    const seen = noTies();
    // the bound on attention samples rows, so most rows must see something
    const cases = stageCases({}, { tokens: 200 }).filter(({ config, shape }) =>
      config.assignment.mode === mode && !(config.causal && shape.seqQ > shape.seqK)
    );
    await fc.assert(fc.asyncProperty(cases, oneIn(4, (c) => checkMethod(gpu, c, seen))), {
      ...{ seed: 2512, numRuns: 8, endOnFailure: true },
    });
    for (const dtype of ["f32", "f16"] as const) {
      const { rows, ties } = seen[dtype];
      console.log(
        `${mode} ${dtype}: in ${ties} of ${rows} rows the device chose otherwise, within rounding of a tie`,
      );
      assert(ties <= MOST_TIES[dtype] * rows, `${dtype}: ${ties} ties in ${rows} rows`);
    }
  });
}

const BOX = { width: 8, height: 6, depth: 5 };
const ORDERS: readonly OrderConfig[] = [
  { kind: "gilbert", box: BOX, variant: "curve" },
  { kind: "tile", box: BOX, tile: { width: 4, height: 4, depth: 2 } },
  { kind: "semantic", clusters: 5, seed: 1, iterations: 4 },
];
for (const order of ORDERS) {
  gpuTest(`gpu: tokens go into the order and outputs come back: ${order.kind}`, async (gpu) => {
    const c: StageCase = {
      shape: { batch: 1, heads: 4, kvHeads: 2, seqQ: 260, seqK: 260, headDim: 24, valueDim: 40 },
      config: {
        ...{ blockM: 32, blockN: 16, tile: 16, order, textLength: 20 },
        importance: { kind: "sampled", seed: 2 },
        assignment: { mode: "density", density: 0.3 },
      },
      dtype: order.kind === "tile" ? "f16" : "f32",
      seed: 8,
    };
    await checkMethod(gpu, c, noTies());
  });
}

gpuTest("gpu: inputs may lie on the device, and a second call does not see the first", async (gpu) => {
  const c: StageCase = {
    shape: { batch: 1, heads: 2, kvHeads: 1, seqQ: 200, seqK: 300, headDim: 16, valueDim: 16 },
    config: {
      ...{ blockM: 64, blockN: 32, tile: 32, importance: { kind: "pooled" } },
      assignment: { mode: "threshold", ratios: [[1, 0, 0.5], [4, 0.5, 0.9], [0, 0.9, 1]] },
    },
    dtype: "f32",
    seed: 3,
  };
  using psa = await createPsa(gpu, { shape: c.shape, config: c.config });
  const first = qkvOf(c), second = qkvOf({ ...c, seed: 77 });
  const want = await psa.forward(first);
  await psa.forward(second);
  const buffers = { q: bufferOf(gpu, first.q), k: bufferOf(gpu, first.k), v: bufferOf(gpu, first.v) };
  const got = await psa.forward(buffers);
  assertEquals(got.levels.data, want.levels.data);
  assertEquals(got.out.data, want.out.data);
  assertEquals(got.lse.data, want.lse.data);
});

gpuTest("gpu: levels that are given may be others in every call, denser or sparser", async (gpu) => {
  const shape = { batch: 1, heads: 2, kvHeads: 1, seqQ: 200, seqK: 330, headDim: 16, valueDim: 16 };
  const config = {
    ...{ blockM: 64, blockN: 32, tile: 32 },
    importance: { kind: "pooled" },
    assignment: { mode: "topk", ratios: [[1, 0, 0.5], [4, 0.5, 0.9], [8, 0.9, 1]] },
  } as const;
  const qkv = qkvOf({ shape, config, dtype: "f32", seed: 5 });
  using psa = await createPsa(gpu, { shape, config });
  for (const pattern of [[0, 8, 0, 0, 8], [1, 8, 0, 4, 4], [1], [0], [8, 0, 0]]) {
    const data = Int32Array.from({ length: 2 * 4 * 11 }, (_, i) => pattern[i % pattern.length]);
    const levels = { data, shape: [1, 2, 4, 11] };
    const got = await psa.forward(qkv, { levels });
    const want = pyramidAttention(qkv, levels, config);
    const bound = attentionTolerance(qkv, levels, { ...config, dtype: "f32" });
    const { relL2, nonFinite } = compare(got.out, want.out);
    assert(relL2 <= bound.relL2 && nonFinite === 0, `levels ${pattern}: ${relL2}, bound ${bound.relL2}`);
    assert(compare(got.lse, want.lse).maxAbs <= bound.lse, `log-sum-exp of levels ${pattern}`);
  }
});

gpuTest("gpu: memory beside inputs and outputs is at most 1.5 times keys and values", async (device) => {
  using gpu = withRoom(device, 1); // where workgroups share keys, their partial results come on top
  const shape = { batch: 1, heads: 2, kvHeads: 2, seqQ: 2048, seqK: 2048, headDim: 64, valueDim: 64 };
  using psa = await createPsa(gpu, {
    shape,
    config: {
      ...{ blockM: 128, blockN: 64, tile: 32, importance: { kind: "sampled", seed: 1 } },
      assignment: { mode: "topk", ratios: [[1, 0, 0.1], [2, 0.1, 0.15], [8, 0.15, 0.35], [0, 0.35, 1]] },
    },
  });
  await psa.run(qkvOf({ shape, config: psa.config, dtype: "f32", seed: 1 }));
  const bytes = 4 * 2 * 2048 * (64 + 64), ratio = psa.extraBytes / bytes;
  console.log(`memory beside inputs and outputs: ${ratio.toFixed(2)} times keys and values`);
  assert(ratio > 0.5 && ratio <= 1.5, `${ratio}`);
});
