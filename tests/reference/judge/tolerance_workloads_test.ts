import { attentionTolerance, compare, pyramidAttention, seededRandom } from "../../../mod.ts";
import { makeWorkload, WORKLOADS } from "../../../fixtures/workloads.ts";
import { headOf } from "../../../reference/heads.ts";
import { assert } from "../../support/assert.ts";
import { simulateAttention, type Simulation } from "../../../fixtures/conformance/honest/attention.ts";

const TOKENS = 128, HEADS = 4, blocks = { blockM: 32, blockN: 32 };

const kernels: { dtype: "f32" | "f16"; accumulate: "f32" | "f16"; simulation: Simulation }[] = [
  {
    dtype: "f32",
    accumulate: "f32",
    simulation: { store: Math.fround, sum: Math.fround, steps: Infinity, tile: 32 },
  },
  {
    dtype: "f16",
    accumulate: "f16",
    simulation: { store: Math.f16round, sum: Math.f16round, steps: 64, tile: 64 },
  },
];

for (const workload of WORKLOADS) {
  for (const { dtype, accumulate, simulation } of kernels) {
    Deno.test(`tolerance: a right kernel stays inside on the workload ${workload}, ${dtype}`, () => {
      const { qkv, causal } = makeWorkload(workload, { seqQ: TOKENS, headDim: 64, heads: HEADS, dtype });
      const random = seededRandom(5), side = TOKENS / 32, shape = [1, HEADS, side, side];
      const data = Int32Array.from({ length: HEADS * side ** 2 }, () => [0, 1, 2, 8][random.below(4)]);
      const options = { ...blocks, causal };
      for (let index = 0; index < HEADS; index++) {
        const head = headOf(qkv, { data, shape }, index);
        const want = pyramidAttention(head.qkv, head.levels, options);
        const bound = attentionTolerance(head.qkv, head.levels, { ...options, dtype, accumulate });
        const got = simulateAttention(head.qkv, head.levels, { ...options, ...simulation });
        const out = compare(got.out, want.out), lse = compare(got.lse, want.lse);
        const inside = out.relL2 <= bound.relL2 && out.maxAbs <= bound.maxAbs && lse.maxAbs <= bound.lse;
        assert(inside, `head ${index}: ${JSON.stringify({ out, lse: lse.maxAbs, bound })}`);
      }
    });
  }
}
