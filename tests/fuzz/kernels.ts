/**
 * The kernels against the reference: attention with levels that are given, by lists and dense; the whole method; and that
 * nothing unseen has an influence.
 *
 * @module
 */
import fc from "fast-check";
import { type Case, createPsa, type GpuError } from "../../mod.ts";
import { resolveCase } from "../../fixtures/cases.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { assertEquals } from "../support/assert.ts";
import { checkAttention, inputsOf } from "../support/attention_check.ts";
import { openTestGpu } from "../support/implementation.ts";
import { checkMethod, noTies } from "../support/method_check.ts";
import { type StageCase, stageCases } from "../support/stage_case.ts";
import { checkUnseen, type UnseenCase, unseenCases, unseenFamilies } from "../support/unseen_case.ts";
import type { Target } from "./target.ts";

let open: Gpu | undefined;

/** Does something on the device, which stays open; one that fails is not used again. */
async function onGpu(work: (gpu: Gpu) => Promise<void>): Promise<void> {
  open ??= await openTestGpu();
  const { live } = open;
  try {
    {
      using scope = open.scope();
      await work(scope);
    }
    assertEquals([open.live.buffers, open.live.bytes], [live.buffers, live.bytes], "buffers that are left");
  } catch (error) {
    if ((error as GpuError).kind !== undefined) closeGpu();
    throw error;
  }
}

/** Closes the device. */
export function closeGpu(): void {
  open?.[Symbol.dispose]();
  open = undefined;
}

/** Random cases of attention; where all levels are 1, the dense kernel and the lists give the same bits. */
const attentionCases: fc.Arbitrary<Case> = fc.record({
  stage: fc.constant("attention" as const),
  batch: fc.constantFrom(1, 2),
  kvHeads: fc.constantFrom(1, 2, 3),
  group: fc.constantFrom(1, 2),
  seqQ: fc.integer({ min: 1, max: 200 }),
  seqK: fc.integer({ min: 1, max: 400 }),
  headDim: fc.integer({ min: 1, max: 32 }).map((n) => 8 * n),
  valueDim: fc.integer({ min: 1, max: 32 }).map((n) => 8 * n),
  blockM: fc.constantFrom(16, 32, 64, 128),
  blockN: fc.constantFrom(16, 32, 64, 128),
  causal: fc.boolean(),
  tail: fc.constantFrom("exact", "replicate"),
  dtype: fc.constantFrom("f32", "f16"),
  workload: fc.constantFrom("gaussian", "gaussian", "video", "sinks", "adversarial"),
  levels: fc.subarray([0, 1, 2, 4, 8, 16, 32, 64, 128], { minLength: 1 }),
  seed: fc.nat(9999),
}).map(({ group, levels, ...drawn }) => {
  const allowed = levels.filter((level) => level <= drawn.blockN);
  const given = { ...drawn, heads: drawn.kvHeads * group, tile: 16 };
  return { ...given, levels: allowed.length > 0 ? allowed.join() : "1" } as Case;
});

/** Attention is within its bounds. */
export const attention: Target<Case> = {
  name: "attention",
  cases: attentionCases,
  runs: 3,
  check: (given) =>
    onGpu(async (gpu) => {
      await checkAttention(gpu, given);
      if (given.levels === "1") await sameBits(gpu, given);
    }),
};

/** Asserts that the dense kernel and lists of level 1 give the same bits. */
async function sameBits(gpu: Gpu, given: Case): Promise<void> {
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim, blockM, blockN, causal, dtype } = resolveCase(
    given,
  );
  const { qkv, levels } = inputsOf(given);
  using psa = await createPsa(gpu, {
    shape: { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim },
    config: {
      ...{ blockM, blockN, tile: 16, causal, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    },
    ...{ dtype: dtype as "f32" | "f16", ready: [] },
  });
  const dense = await psa.forward(qkv, { levels: "dense" }), listed = await psa.forward(qkv, { levels });
  assertEquals([dense.out.data, dense.lse.data], [listed.out.data, listed.lse.data], "dense and lists");
}

/** The whole method is the reference's. */
export const method: Target<StageCase> = {
  name: "method",
  // the bound on attention samples rows, so most rows must see something
  cases: stageCases({}, { tokens: 300 }).filter(({ config, shape }) =>
    !(config.causal && shape.seqQ > shape.seqK)
  ),
  runs: 3,
  check: (given) => onGpu((gpu) => checkMethod(gpu, given, noTies())),
};

/** Keys that are not seen have no influence. */
export const unseen: Target<readonly UnseenCase[]> = {
  name: "unseen",
  // with 2,048 keys causal calls have two kernels
  cases: fc.tuple(unseenFamilies(), fc.constantFrom(0, 0, 2048)).chain(([family, more]) =>
    fc.array(unseenCases(family, { more }), { minLength: 1, maxLength: 4 })
  ),
  runs: 2,
  check: (given) =>
    onGpu(async (gpu) => {
      for (const each of given) await checkUnseen(gpu, each);
    }),
};
