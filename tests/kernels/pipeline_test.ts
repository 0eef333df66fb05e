/**
 * The whole method on the device against the reference: levels exact but for ties, which are counted and shown, and
 * attention within derived bounds of the reference's for the levels that the device chose.
 */
import fc from "fast-check";
import {
  attentionTolerance,
  compare,
  createPsa,
  invertOrder,
  type OrderConfig,
  permuteTokens,
  pyramidAttention,
  type Tensor,
} from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../kernels/device/poison.ts";
import { buildImportance } from "../../kernels/importance/importance.ts";
import { arrangeTokens } from "../../reference/order/arrange.ts";
import { blockImportance } from "../../reference/importance/by_config.ts";
import { levelsFromImportance } from "../../reference/levels/by_config.ts";
import { similarityCap } from "../../reference/levels/similarity.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { importanceRounding } from "../support/importance_rounding.ts";
import {
  bufferOf,
  gpuTest,
  qkvOf,
  runStages,
  type StageCase,
  stageCases,
  tieGap,
} from "../support/stage_case.ts";

/** Rows seen, and those in which the device chose otherwise within rounding of a tie, in either element type. */
type Ties = Record<"f32" | "f16", { rows: number; ties: number }>;

/** Nothing seen yet. */
function noTies(): Ties {
  return { f32: { rows: 0, ties: 0 }, f16: { rows: 0, ties: 0 } };
}

/** The most rows that may be ties, as a share of all: sums in half precision are a thousand times coarser. */
const MOST_TIES = { f32: 0.02, f16: 0.1 };

/** The reference's levels from an importance of the arranged tokens. */
function levelsFrom(
  importance: Tensor,
  { shape: { seqQ, seqK }, config }: StageCase,
  k: Tensor<Float32Array | Float16Array>,
) {
  const { blockN, similarityThresholds: thresholds } = config;
  const cap = thresholds && similarityCap(k, { blockN, thresholds });
  return levelsFromImportance(importance, config, { seqQ, seqK, cap });
}

/** Importance as the device computes it, to the bit. */
async function importanceOnDevice(gpu: Gpu, c: StageCase, qkv: ReturnType<typeof qkvOf>) {
  const { batch, heads, seqQ, seqK } = c.shape, { blockM, blockN } = c.config;
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)];
  const inputs = { q: bufferOf(gpu, qkv.q), k: bufferOf(gpu, qkv.k) };
  const stage = await buildImportance(gpu, { buffers: inputs, ...c });
  const length = shape.reduce((product, each) => product * each, 1);
  return {
    data: new Float32Array(await runStages(gpu, [stage], { output: stage.outputs.importance, length })),
    shape,
  };
}

/** Runs a case and asserts that levels, outputs and log-sum-exps are the reference's. */
async function check(gpu: Gpu, c: StageCase, seen: Ties): Promise<void> {
  const { shape, config, dtype } = c, { blockM, blockN, causal, tail } = config;
  const given = qkvOf(c), { qkv, queryOrder } = arrangeTokens(given, config);
  using psa = await createPsa(gpu, { shape, config, dtype });
  poisonOutputs(gpu, psa.stages);
  const got = await psa.forward(given);

  const fromDevice = levelsFrom(await importanceOnDevice(gpu, c, qkv), c, qkv.k);
  const importance = blockImportance(qkv, config);
  const want = levelsFrom(importance, c, qkv.k);
  // a tie may decide which block gets the level that text, whose level is fixed, leaves unused
  const ranked = levelsFrom(importance, { ...c, config: { ...config, textLength: 0 } }, qkv.k);
  const columns = want.shape[3];
  for (let at = 0; at < want.data.length; at += columns) {
    const [row, own, wanted] = [got.levels, fromDevice, want].map(({ data }) =>
      data.subarray(at, at + columns)
    );
    const scores = importance.data.subarray(at, at + columns);
    const gap = Math.min(
      ...[want, ranked].map(({ data }) => tieGap(scores, data.subarray(at, at + columns), config.assignment)),
    );
    const tie = gap < 2 * importanceRounding(c);
    if (!tie) assertEquals([...row], [...wanted], `row ${at / columns}`);
    else if (row.some((level, j) => level !== own[j])) assert(config.assignment.mode === "threshold");
    seen[dtype].rows++;
    if (row.some((level, j) => level !== wanted[j])) seen[dtype].ties++;
  }

  const options = { blockM, blockN, causal, tail };
  const result = pyramidAttention(qkv, got.levels, options);
  const back = queryOrder && invertOrder(queryOrder);
  const [out, lse] = [result.out, result.lse].map((each) => back ? permuteTokens(each, back) : each);
  const bound = attentionTolerance(qkv, got.levels, { ...options, dtype, accumulate: dtype });
  const errors = { out: compare(got.out, out), lse: compare(got.lse, lse) };
  assertEquals([errors.out.nonFinite, errors.lse.nonFinite], [0, 0], "values that are not finite");
  assert(errors.out.relL2 <= bound.relL2, `relative L2 ${errors.out.relL2}, bound ${bound.relL2}`);
  assert(errors.lse.maxAbs <= bound.lse, `log-sum-exp off by ${errors.lse.maxAbs}, bound ${bound.lse}`);
}

for (const mode of ["topk", "threshold", "density"] as const) {
  gpuTest(`gpu: the whole method is the reference's: ${mode}`, async (gpu) => {
    const seen = noTies();
    // the bound on attention samples rows, so most rows must see something
    const cases = stageCases({}, { tokens: 200 }).filter(({ config, shape }) =>
      config.assignment.mode === mode && !(config.causal && shape.seqQ > shape.seqK)
    );
    await fc.assert(fc.asyncProperty(cases, (c) => check(gpu, c, seen)), {
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
    await check(gpu, c, noTies());
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

gpuTest("gpu: memory beside inputs and outputs is at most 1.5 times keys and values", async (gpu) => {
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
