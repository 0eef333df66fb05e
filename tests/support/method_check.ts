/**
 * One call of the whole method on the device against the reference: levels exact but for ties, which are counted, and
 * attention within derived bounds of the reference's for the levels that the device chose.
 *
 * @module
 */
import {
  attentionTolerance,
  compare,
  createPsa,
  invertOrder,
  permuteTokens,
  pyramidAttention,
  type Tensor,
} from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../kernels/device/poison.ts";
import { buildImportance } from "../../kernels/importance/importance.ts";
import { blockImportance } from "../../reference/importance/by_config.ts";
import { importanceBounds } from "../../reference/judge/importance_bounds.ts";
import { levelsFromImportance } from "../../reference/levels/by_config.ts";
import { similarityCap } from "../../reference/levels/similarity.ts";
import { arrangeTokens } from "../../reference/order/arrange.ts";
import { assert, assertEquals } from "./assert.ts";
import { bufferOf, isTie, qkvOf, runStages, type StageCase } from "./stage_case.ts";

/** Rows seen, and those in which the device chose otherwise within rounding of a tie, in either element type. */
export type Ties = Record<"f32" | "f16", { rows: number; ties: number }>;

/** Nothing seen yet. */
export function noTies(): Ties {
  return { f32: { rows: 0, ties: 0 }, f16: { rows: 0, ties: 0 } };
}

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
export async function checkMethod(gpu: Gpu, c: StageCase, seen: Ties): Promise<void> {
  const { shape, config, dtype } = c, { blockM, blockN, causal, tail } = config;
  const given = qkvOf(c), { qkv, queryOrder } = arrangeTokens(given, config);
  using psa = await createPsa(gpu, { shape, config, dtype });
  poisonOutputs(gpu, psa.stages);
  const got = await psa.forward(given);

  const fromDevice = levelsFrom(await importanceOnDevice(gpu, c, qkv), c, qkv.k);
  const importance = blockImportance(qkv, config);
  const bounds = importanceBounds(qkv, config, { dtype, accumulate: dtype });
  const want = levelsFrom(importance, c, qkv.k);
  // a tie may decide which block gets the level that text, whose level is fixed, leaves unused
  const ranked = levelsFrom(importance, { ...c, config: { ...config, textLength: 0 } }, qkv.k);
  const columns = want.shape[3];
  for (let at = 0; at < want.data.length; at += columns) {
    const [row, own, wanted] = [got.levels, fromDevice, want].map(({ data }) =>
      data.subarray(at, at + columns)
    );
    const [scores, off] = [importance, bounds].map(({ data }) => data.subarray(at, at + columns));
    const tie = [want, ranked].some(({ data }) =>
      isTie({ scores, off }, data.subarray(at, at + columns), config.assignment)
    );
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
