/**
 * Attention of one case on the device against the reference: every element, outputs that were NaN before, bounds that are
 * derived.
 *
 * @module
 */
import {
  attentionTolerance,
  type Case,
  caseName,
  compare,
  createPsa,
  makeWorkload,
  pyramidAttention,
  type Qkv,
  seededRandom,
  type Tensor,
  type WorkloadName,
} from "../../mod.ts";
import { resolveCase } from "../../fixtures/cases.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../kernels/device/poison.ts";
import { assert, assertEquals } from "./assert.ts";
import { lacksHalves } from "./implementation.ts";

/** The inputs of a case; with the quotas `empty-row` the last query block of each head sees nothing. */
export function inputsOf(given: Case): { qkv: Qkv; levels: Tensor<Int32Array> } {
  const c = resolveCase(given), { batch, heads, seqQ, seqK, blockM, blockN, dtype, seed = 0 } = c;
  const { qkv } = makeWorkload(c.workload as WorkloadName, {
    ...{ batch, heads, kvHeads: c.kvHeads, seqQ, seqK, headDim: c.headDim, valueDim: c.valueDim, seed },
    dtype: dtype as "f32" | "f16",
  });
  const random = seededRandom(seed, 1), listed = (c.levels ?? "1").split(",").map(Number);
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)];
  const size = shape.reduce((product, each) => product * each, 1);
  const isEmpty = (at: number) =>
    c.quotas === "empty-row" && Math.floor(at / shape[3]) % shape[2] === shape[2] - 1;
  const data = Int32Array.from({ length: size }, (_, at) => {
    const level = listed[random.below(listed.length)];
    return isEmpty(at) ? 0 : level;
  });
  return { qkv, levels: { data, shape } };
}

/**
 * Runs a case on the device and asserts that outputs and log-sum-exps are within the derived bounds; `dense`: with level 1
 * everywhere, by the kernel that reads no lists.
 */
export async function checkAttention(
  gpu: Gpu,
  given: Case,
  { dense = false }: { readonly dense?: boolean } = {},
): Promise<void> {
  const c = resolveCase(given), { qkv, levels } = inputsOf(given);
  if (dense) levels.data.fill(1);
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim, blockM, blockN, causal, tail } = c;
  const dtype = c.dtype as "f32" | "f16";
  if (dtype === "f16" && lacksHalves(gpu, caseName(given))) return;
  using psa = await createPsa(gpu, {
    shape: { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim },
    config: {
      ...{ blockM, blockN, tile: c.tile, causal, tail: tail as "exact" | "replicate" },
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 1 },
    },
    dtype,
    levels: [...new Set(levels.data)].filter((level) => level > 0),
    ready: [],
  });
  await psa.load(qkv);
  const call = await psa.prepare(dense ? "dense" : levels);
  poisonOutputs(gpu, call.stages);
  const got = await call.forward();
  const options = { blockM, blockN, causal, tail: tail as "exact" | "replicate" };
  const want = pyramidAttention(qkv, levels, options);
  const bound = attentionTolerance(qkv, levels, { ...options, dtype, arithmetic: psa.arithmetic });
  const out = compare(got.out, want.out), lse = compare(got.lse, want.lse);
  const name = caseName(given);
  assertEquals([out.nonFinite, lse.nonFinite], [0, 0], `${name}: values that are not finite`);
  assert(out.relL2 <= bound.relL2, `${name}: relative L2 ${out.relL2}, bound ${bound.relL2}`);
  assert(out.maxAbs <= bound.maxAbs, `${name}: largest error ${out.maxAbs}, bound ${bound.maxAbs}`);
  assert(lse.maxAbs <= bound.lse, `${name}: log-sum-exp off by ${lse.maxAbs}, bound ${bound.lse}`);
}
