/** What a query block does not see has no influence on its outputs, be it NaN or infinity. */
import { createPsa, makeWorkload, type Qkv, seededRandom, type Tensor } from "../../../mod.ts";
import { poison } from "../../../kernels/device/poison.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Calls with tails, groups of every kind, padding, causal and not. */
const CALLS = [
  { seqQ: 64, seqK: 150, blockN: 32, levels: [0, 1, 2, 4], causal: false, dtype: "f32" },
  { seqQ: 64, seqK: 147, blockN: 16, levels: [0, 1, 4, 16], causal: false, dtype: "f16" },
  { seqQ: 130, seqK: 130, blockN: 32, levels: [0, 1, 8], causal: true, dtype: "f32" },
  { seqQ: 130, seqK: 136, blockN: 32, levels: [0, 1, 2], causal: true, dtype: "f16" },
  { seqQ: 100, seqK: 93, blockN: 32, levels: null, causal: false, dtype: "f32" },
  { seqQ: 150, seqK: 150, blockN: 32, levels: null, causal: true, dtype: "f16" },
  { seqQ: 200, seqK: 140, blockN: 32, levels: null, causal: true, dtype: "f32" },
] as const;

for (const c of CALLS) {
  gpuTest(`gpu: what is not seen has no influence: ${JSON.stringify(c)}`, async (gpu) => {
    const shape = { batch: 1, heads: 2, kvHeads: 2, seqQ: c.seqQ, seqK: c.seqK, headDim: 16, valueDim: 24 };
    const blockM = 64, M = Math.ceil(c.seqQ / blockM), N = Math.ceil(c.seqK / c.blockN);
    const { qkv } = makeWorkload("gaussian", { ...shape, dtype: c.dtype, seed: 9 });
    const random = seededRandom(4), listed = c.levels ?? [1];
    const row = Int32Array.from({ length: N }, () => listed[random.below(listed.length)]);
    row[0] = c.levels ? 0 : 1;
    const levels = {
      data: Int32Array.from({ length: 2 * M * N }, (_, i) => row[i % N]),
      shape: [1, 2, M, N],
    };
    using scope = gpu.scope({ guard: 4096 });
    using psa = await createPsa(scope, {
      ...{ shape, dtype: c.dtype, levels: listed, ready: [] },
      config: {
        ...{ blockM, blockN: c.blockN, tile: 16, causal: c.causal, importance: { kind: "pooled" } },
        assignment: { mode: "density", density: 1, shares: { 1: 1 } },
      },
    });
    const call = c.levels ? { levels } : { levels: "dense" as const };
    const clean = await psa.forward(qkv as Qkv, call);
    // rows up to `last` see no token behind their position; with no causality nobody sees skipped blocks
    const last = c.causal ? 40 : c.seqQ - 1, end = c.causal ? last + c.seqK - c.seqQ : c.seqK - 1;
    const isSeen = (token: number) => token <= end && row[Math.floor(token / c.blockN)] !== 0;
    for (const name of ["q", "k", "v"] as const) poison(scope, psa.inputs[name]);
    for (const bad of [NaN, Infinity]) {
      const spoil = ({ data, shape }: Tensor): Tensor => {
        const spoilt = data.slice();
        for (let i = 0; i < data.length; i++) {
          if (!isSeen(Math.floor(i / shape[3]) % shape[2])) spoilt[i] = bad;
        }
        return { data: spoilt, shape };
      };
      const k = spoil(qkv.k), v = spoil(qkv.v);
      const got = await psa.forward({ q: qkv.q, k, v } as Qkv, call);
      assert(k.data.some((x) => !Number.isFinite(x)) || !c.levels && !c.causal, "nothing is spoilt");
      for (let head = 0; head < 2; head++) {
        const at = head * c.seqQ;
        assertEquals(
          got.out.data.slice(at * 24, (at + last + 1) * 24),
          clean.out.data.slice(at * 24, (at + last + 1) * 24),
          `outputs of head ${head}`,
        );
        assertEquals(got.lse.data.slice(at, at + last + 1), clean.lse.data.slice(at, at + last + 1));
      }
    }
  });
}
