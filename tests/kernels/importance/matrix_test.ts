/**
 * The kernel of scores with matrix units, on a machine that has none: it compiles in Dawn, and, with matrices that are emulated,
 * gives importance within the bounds of sums in float32, and the levels that the reference gives.
 */
import { openGpu } from "../../../kernels/device/open/open.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { MATRIX_FEATURE } from "../../../kernels/device/open/backend.ts";
import { MATRIX_SHAPES } from "../../../kernels/device/probe/matrices.ts";
import { openDawn } from "../../../kernels/device/open/dawn.ts";
import { buildImportance } from "../../../kernels/importance/importance.ts";
import { scoreCode } from "../../../kernels/importance/kernel.ts";
import { matrixScoreCode, usesMatrixScores } from "../../../kernels/importance/matrix/code.ts";
import { scratchBytes } from "../../../kernels/importance/product.ts";
import { blockImportance } from "../../../reference/importance/by_config.ts";
import { importanceBounds } from "../../../reference/judge/importance_bounds.ts";
import { levelsFromImportance } from "../../../reference/levels/by_config.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { dawnNeed } from "../../support/dawn.ts";
import { emulatedMatrices, emulatedProducts } from "../../support/emulated_matrices.ts";
import { testWith } from "../../support/skip.ts";
import { bufferOf, isTie, qkvOf, runStages, type StageCase } from "../../support/stage_case.ts";

const DEVICE = { matrices: MATRIX_SHAPES[0], limits: { maxComputeWorkgroupStorageSize: 49152 } };

/** Products of every way through the kernel: widths that stay in registers or stream, key blocks of 1 to 128 columns. */
const PRODUCTS = [8, 64, 72, 128, 256].flatMap((headDim) => [
  ...[1, 2, 4, 8, 16, 32, 128].map((columns) => ({ headDim, parts: 1, columns, sums: false })),
  ...[[2, 32], [8, 16], [16, 1]].map(([parts, columns]) => ({ headDim, parts, columns, sums: true })),
]);

testWith(await dawnNeed(), {
  name: "importance by matrices: the kernel compiles in Dawn for every way through it",
  ...{ sanitizeOps: false, sanitizeResources: false },
  fn: async () => {
    const adapter = await (await openDawn({ driver: "null" })).requestAdapter();
    const features = ["shader-f16", "subgroups", MATRIX_FEATURE] as GPUFeatureName[];
    const device = await adapter!.requestDevice({ requiredFeatures: features });
    const [largest, ...others] = MATRIX_SHAPES;
    for (const [i, product] of PRODUCTS.entries()) {
      for (const shape of [largest, others[i % others.length]]) {
        device.pushErrorScope("validation");
        device.createShaderModule({ code: matrixScoreCode(product, shape) });
        assertEquals(
          (await device.popErrorScope())?.message,
          undefined,
          JSON.stringify({ ...product, shape }),
        );
      }
      assert(usesMatrixScores(DEVICE, product), `${JSON.stringify(product)} has no room`);
    }
    device.destroy();
  },
});

Deno.test("importance by matrices: which products are made by them", () => {
  const product = { ...PRODUCTS[0], unroll: true },
    isMatrix = (code: string) => code.includes("subgroup_matrix");
  assert(isMatrix(scoreCode(DEVICE, { ...product, dtype: "f16" })));
  assert(!isMatrix(scoreCode(DEVICE, { ...product, dtype: "f32" })));
  assert(!isMatrix(scoreCode({ ...DEVICE, matrices: null }, { ...product, dtype: "f16" })));
  const small = { ...DEVICE, limits: { maxComputeWorkgroupStorageSize: 16384 } };
  assert(!isMatrix(scoreCode(small, { ...product, headDim: 128, dtype: "f16" })));
});

const SHAPE = { batch: 1, heads: 2, kvHeads: 1, seqQ: 150, seqK: 170, headDim: 24, valueDim: 8 };
const BLOCKS = { blockM: 32, blockN: 32, tile: 16 };
const ASSIGNMENT = {
  assignment: { mode: "topk", ratios: [[1, 0, 0.3], [2, 0.3, 0.6], [0, 0.6, 1]] },
} as const;

const CASES: readonly Pick<StageCase, "shape" | "config">[] = [
  { shape: SHAPE, config: { ...BLOCKS, ...ASSIGNMENT, importance: { kind: "sampled", seed: 1 } } },
  {
    shape: { ...SHAPE, headDim: 72, kvHeads: 2 },
    config: { ...BLOCKS, ...ASSIGNMENT, blockN: 128, importance: { kind: "sampled", seed: 2 }, scale: -0.2 },
  },
  {
    shape: { ...SHAPE, headDim: 8 },
    config: { ...BLOCKS, ...ASSIGNMENT, importance: { kind: "antidiagonal", stride: 8 }, causal: true },
  },
];

Deno.test("matrices: scores take as many bytes at a time as queries, between 32 and 256 MiB, and elsewhere 32", () => {
  const config = { ...BLOCKS, ...ASSIGNMENT, importance: { kind: "sampled", seed: 1 } } as const;
  const call = (heads: number, seqQ: number) =>
    ({ shape: { ...SHAPE, batch: 1, heads, seqQ, headDim: 128 }, dtype: "f16", config }) as const;
  const long = call(12, 65536), least = 1 << 25;
  assertEquals(scratchBytes(DEVICE, long), 12 * 65536 * 128 * 2);
  assertEquals(scratchBytes(DEVICE, call(2, 1024)), least);
  assertEquals(scratchBytes(DEVICE, call(64, 65536)), 1 << 28);
  assertEquals(scratchBytes({ matrices: null }, long), least);
  assertEquals(scratchBytes(DEVICE, { ...long, dtype: "f32" }), least);
  assertEquals(
    scratchBytes(DEVICE, { ...long, config: { ...config, importance: { kind: "pooled" } } }),
    least,
  );
});

/** Importance of a case on the device: its worst share of the bound, and rows whose levels are others without a tie. */
async function judge(gpu: Gpu, c: StageCase, scratch?: number) {
  const { q, k } = qkvOf(c), want = blockImportance({ q, k }, c.config), { length } = want.data;
  const { shape, config, dtype } = c, buffers = { q: bufferOf(gpu, q), k: bufferOf(gpu, k) };
  const stage = await buildImportance(gpu, { buffers, shape, config, dtype, scratch });
  const got = new Float32Array(await runStages(gpu, [stage], { output: stage.outputs.importance, length }));
  const bounds = importanceBounds({ q, k }, c.config, { dtype: "f16", accumulate: "f32" });
  const share = want.data.reduce((worst, x, i) => {
    const error = Math.abs(got[i] - x);
    return Math.max(worst, error === 0 ? 0 : error / bounds.data[i]);
  }, 0);
  const levels = (data: Float32Array | Float64Array) =>
    levelsFromImportance({ data, shape: want.shape }, c.config, shape).data;
  const own = levels(got), right = levels(want.data), N = want.shape[3];
  const wrong = Array.from({ length: length / N }, (_, row) => row * N).filter((at) => {
    const part = <T extends Float64Array | Int32Array>(data: T) => data.subarray(at, at + N) as T;
    const row = { scores: part(want.data), off: part(bounds.data) };
    return part(own).some((level, j) => level !== right[at + j]) &&
      !isTie(row, part(right as Int32Array), c.config.assignment);
  });
  return { share, wrong: wrong.length, finite: got.every(Number.isFinite) };
}

for (const [n, c] of CASES.entries()) {
  for (const { product, by } of emulatedProducts(3 + n)) {
    Deno.test(`importance by matrices, emulated${by}: ${JSON.stringify(c.config.importance)}`, async () => {
      using gpu = await openGpu({ gpu: emulatedMatrices([product]) });
      assertEquals(gpu.info.matrices, product);
      const { share, wrong, finite } = await judge(
        gpu,
        { ...c, dtype: "f16", seed: n },
        n === 0 ? 1 : undefined,
      );
      assert(finite && share <= 1, `${share} of the bound`);
      assertEquals(wrong, 0, "rows have other levels");
    });
  }
}
