/** Importance on the device against the reference, for every kind, shape and element type. */
import fc from "fast-check";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { buildImportance } from "../../../kernels/importance/importance.ts";
import { importanceBounds } from "../../../reference/judge/importance_bounds.ts";
import { blockImportance } from "../../../reference/importance/by_config.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { lacksHalves } from "../../support/implementation.ts";
import { oneIn } from "../../support/seed.ts";
import { bufferOf, gpuTest, qkvOf, runStages, type StageCase, stageCases } from "../../support/stage_case.ts";

/** Importance of the device. */
async function importanceOnDevice(
  gpu: Gpu,
  c: StageCase,
  { length, ...options }: { length: number; scratch?: number; unroll?: boolean },
) {
  const { q, k } = qkvOf(c);
  const inputs = { q: bufferOf(gpu, q), k: bufferOf(gpu, k) };
  const stage = await buildImportance(gpu, { buffers: inputs, ...c, ...options });
  return new Float32Array(await runStages(gpu, [stage], { output: stage.outputs.importance, length }));
}

/** The largest share of its bound that the error of an entry takes. */
async function worstShare(gpu: Gpu, c: StageCase): Promise<number> {
  const want = blockImportance(qkvOf(c), c.config), { dtype } = c;
  const got = await importanceOnDevice(gpu, c, { length: want.data.length });
  const bounds = importanceBounds(qkvOf(c), c.config, { dtype, accumulate: dtype });
  return want.data.reduce((worst, x, i) => {
    const error = Math.abs(got[i] - x), share = error === 0 ? 0 : error / bounds.data[i];
    return share <= worst ? worst : share;
  }, 0);
}

for (const kind of ["sampled", "full", "antidiagonal", "pooled"] as const) {
  gpuTest(`importance on the device is the reference's: ${kind}`, async (gpu) => {
    let most = 0;
    const onlySingles = lacksHalves(gpu, `${kind} importance in float16`);
    const cases = stageCases().filter(({ config, dtype }) =>
      config.importance.kind === kind && !(onlySingles && dtype === "f16")
    );
    await fc.assert(
      fc.asyncProperty(
        cases,
        oneIn(3, async (c) => {
          const share = await worstShare(gpu, c);
          most = Math.max(most, share);
          assert(share <= 1, `${share} of the bound`);
        }),
      ),
      { seed: 2512, numRuns: 20, endOnFailure: true },
    );
    console.log(`${kind}: at most ${most.toFixed(3)} of the bound`);
  });
}

gpuTest("importance in many chunks, or unrolled, is the same to the bit", async (gpu) => {
  for (const kind of ["sampled", "full"] as const) {
    const c: StageCase = {
      shape: { batch: 1, heads: 3, kvHeads: 1, seqQ: 700, seqK: 300, headDim: 40, valueDim: 8 },
      config: {
        ...{ blockM: 64, blockN: 32, tile: 32, importance: { kind, seed: 7 } },
        assignment: { mode: "density", density: 0.5 },
      },
      dtype: "f32",
      seed: 3,
    };
    const length = 3 * 11 * 10;
    const whole = await importanceOnDevice(gpu, c, { length });
    assertEquals(await importanceOnDevice(gpu, c, { length, scratch: 1 }), whole);
    assertEquals(await importanceOnDevice(gpu, c, { length, unroll: gpu.info.subgroupSize === 0 }), whole);
  }
});

gpuTest("causal antidiagonal importance of queries before the first key is zero", async (gpu) => {
  const c: StageCase = {
    shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 300, seqK: 70, headDim: 8, valueDim: 8 },
    config: {
      ...{ blockM: 32, blockN: 16, tile: 16, causal: true, importance: { kind: "antidiagonal", stride: 8 } },
      assignment: { mode: "density", density: 0.5 },
    },
    dtype: "f32",
    seed: 3,
  };
  const got = await importanceOnDevice(gpu, c, { length: 10 * 5 });
  assert(got.subarray(0, 5 * 7).every((x) => x === 0), `${got}`);
  assert(got.subarray(5 * 9).some((x) => x > 0));
});
