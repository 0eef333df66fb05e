/** Attention on the device against the reference: every element, outputs that were NaN before, bounds that are derived. */
import fc from "fast-check";
import { caseName, compare, makeWorkload, parseCase, tensor } from "../../../mod.ts";
import { buildAttention } from "../../../kernels/attention/attention.ts";
import { poison } from "../../../kernels/device/poison.ts";
import { download, upload } from "../../../kernels/device/transfer.ts";
import { createPsa } from "../../../kernels/psa.ts";
import { pyramidLayout } from "../../../kernels/pyramid/layout.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { checkAttention } from "../../support/attention_check.ts";
import { lacksHalves } from "../../support/implementation.ts";
import { drawn, oneIn } from "../../support/seed.ts";
import { gpuTest, runStages } from "../../support/stage_case.ts";

/** Calls that each cross a boundary of the kernel: tails, groups of heads, widths, blocks, levels of one token per block. */
const CASES = [
  "attention B=1 H=2 Lq=256 Lk=256 D=64 bm=128 bn=64 levels=0,1,2,4,8",
  "attention B=2 H=4 Hk=2 Lq=130 Lk=333 D=64 bm=128 bn=128 levels=0,1,8,128",
  "attention B=1 H=2 Lq=200 Lk=300 D=128 bm=128 bn=64 causal=true levels=0,1,2,8",
  "attention B=1 H=1 Lq=300 Lk=200 D=24 Dv=40 bm=64 bn=32 tile=32 causal=true levels=0,1,4",
  "attention B=1 H=3 Hk=1 Lq=33 Lk=70 D=8 bm=16 bn=16 tile=16 levels=0,1,2,4,8,16",
  "attention B=1 H=2 Lq=200 Lk=300 D=64 bm=128 bn=32 tile=32 levels=0,1,8",
  "attention B=1 H=2 Lq=150 Lk=170 D=128 bm=64 bn=32 tile=32 dtype=f16 causal=true levels=0,1,8,16",
  "attention B=1 H=2 Lq=100 Lk=333 D=96 Dv=136 bm=32 bn=128 tail=replicate levels=0,1,32,64",
  "attention B=1 H=1 Lq=130 Lk=260 D=256 bm=128 bn=64 levels=0,1,2",
  "attention B=1 H=2 Lq=128 Lk=257 D=64 bm=128 bn=64 tail=replicate causal=true levels=0,1,8",
  "attention B=1 H=2 Lq=200 Lk=300 D=128 bm=128 bn=64 dtype=f16 causal=true levels=0,1,2,8",
  "attention B=1 H=2 Lq=100 Lk=133 D=24 Dv=40 bm=16 bn=16 tile=16 dtype=f16 levels=0,1,4,16",
  "attention B=1 H=1 Lq=130 Lk=150 D=256 bm=128 bn=64 dtype=f16 levels=0,1,2",
  "attention B=1 H=2 Lq=256 Lk=256 D=64 bm=128 bn=64 workload=adversarial levels=0,1,2,4,8",
  "attention B=1 H=4 Lq=256 Lk=256 D=64 bm=128 bn=64 workload=adversarial dtype=f16 levels=1",
  "attention B=1 H=2 Lq=256 Lk=256 D=64 bm=128 bn=64 workload=sinks causal=true levels=0,1,4",
];

// A commit draws half of them, and a third of the random ones below; PSA_LONG=1 takes all.
for (const name of CASES.filter((_, i) => drawn(i % 2, 2))) {
  gpuTest(`gpu: ${name}`, (gpu) => checkAttention(gpu, parseCase(name)));
}

gpuTest("gpu: attention on random shapes", async (gpu) => {
  const cases = fc.record({
    stage: fc.constant("attention" as const),
    batch: fc.constantFrom(1, 2),
    heads: fc.constantFrom(2, 4),
    kvHeads: fc.constantFrom(1, 2),
    seqQ: fc.integer({ min: 1, max: 150 }),
    seqK: fc.integer({ min: 1, max: 300 }),
    headDim: fc.constantFrom(8, 40, 64),
    blockM: fc.constantFrom(16, 64, 128),
    blockN: fc.constantFrom(16, 64, 128),
    causal: fc.boolean(),
    dtype: fc.constantFrom("f32" as const, "f16" as const),
    levels: fc.constantFrom("0,1,2", "0,1,16", "0", "0,2,4,8,16"),
    seed: fc.nat(999),
  }).map((c) => ({ ...c, tile: 16 }));
  const shown = cases.map((c) => Object.assign(c, { [fc.toStringMethod]: () => caseName(c) }));
  await fc.assert(fc.asyncProperty(shown, oneIn(3, (c) => checkAttention(gpu, c))), {
    numRuns: 6,
    seed: 11,
    endOnFailure: true,
  });
});

gpuTest("gpu: dense attention is level 1 everywhere", async (gpu) => {
  const { qkv } = makeWorkload("gaussian", { heads: 2, seqQ: 200, seqK: 333, headDim: 64, seed: 5 });
  using psa = await createPsa(gpu, {
    shape: { batch: 1, heads: 2, kvHeads: 2, seqQ: 200, seqK: 333, headDim: 64, valueDim: 64 },
    config: {
      ...{ blockM: 128, blockN: 64, tile: 32 },
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 1 },
    },
  });
  const dense = await psa.forward(qkv, { levels: "dense" });
  const listed = await psa.forward(qkv, { levels: dense.levels });
  assertEquals(compare(dense.out, listed.out).maxAbs, 0);
  assertEquals(compare(dense.lse, listed.lse).maxAbs, 0);
});

gpuTest(
  "gpu: sums of halves stay finite for the largest values, also in rows that see nothing",
  async (gpu) => {
    if (lacksHalves(gpu, "sums of halves")) return;
    const shape = { batch: 1, heads: 1, kvHeads: 1, seqQ: 192, seqK: 128, headDim: 8, valueDim: 128 };
    using psa = await createPsa(gpu, {
      shape,
      config: {
        ...{ blockM: 128, blockN: 64, tile: 32, causal: true },
        importance: { kind: "pooled" },
        assignment: { mode: "density", density: 1 },
      },
      dtype: "f16",
    });
    const zeros = (tokens: number) => tensor(new Float16Array(tokens * 8), [1, 1, tokens, 8]);
    const v = tensor(new Float16Array(128 * 128).fill(60000), [1, 1, 128, 128]);
    const { out } = await psa.forward({ q: zeros(192), k: zeros(128), v }, { levels: "dense" });
    assert(out.data.subarray(0, 64 * 128).every((x) => x === 0), "rows that see nothing are not 0");
    assert(out.data.subarray(64 * 128).every((x) => Math.abs(x / 60000 - 1) < 0.01), "values are not kept");
  },
);

gpuTest("gpu: attention writes its outputs and nothing beside them", async (gpu) => {
  const shape = { batch: 1, heads: 1, kvHeads: 1, seqQ: 45, seqK: 50, headDim: 16, valueDim: 24 };
  const { qkv: { q, k, v } } = makeWorkload("gaussian", { ...shape, seed: 2 });
  const room = 4096, layout = pyramidLayout(1, { seqK: 50, blockN: 16, levels: [1], tail: "exact" });
  const buffer = (label: string, size: number) => gpu.createBuffer(label, { size });
  const buffers = {
    ...{
      q: buffer("q", q.data.byteLength),
      k: buffer("k", k.data.byteLength),
      v: buffer("v", v.data.byteLength),
    },
    ...{ out: buffer("out", 45 * 24 * 4 + room), lse: buffer("lse", 45 * 4 + room) },
  };
  for (const [name, { data }] of [["q", q], ["k", k], ["v", v]] as const) {
    upload(gpu, buffers[name], { data: data as Float32Array<ArrayBuffer> });
  }
  const stage = await buildAttention(gpu, {
    ...{
      shape,
      blockM: 64,
      blockN: 16,
      dtype: "f32",
      causal: false,
      scale: 0.25,
    },
    ...{ tail: "exact", layout, buffers },
  });
  poison(gpu, buffers.lse);
  const length = 45 * 24 + room / 4;
  const out = await runStages(gpu, [stage], { output: buffers.out, length });
  const sentinels = (bytes: ArrayBuffer, from: number) => [...new Uint32Array(bytes).subarray(from)];
  assert(sentinels(out, 45 * 24).every((word) => word === 0x7fff7fff), "stray writes behind the outputs");
  assert(new Float32Array(out, 0, 45 * 24).every(Number.isFinite), "an output was not written");
  const lse = await download(gpu, buffers.lse);
  assert(sentinels(lse, 45).every((word) => word === 0x7fff7fff), "stray writes behind the log-sum-exps");
});
