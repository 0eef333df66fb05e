/** Calls beyond the limits of a device: cut into slices of heads, they give the whole call's results, bit for bit. */
import {
  buildMask,
  createPsa,
  createSlicedPsa,
  InputError,
  makeWorkload,
  type Psa,
  type PsaConfig,
  type SlicedPsa,
} from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../support/assert.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { gpuTest } from "../support/stage_case.ts";

const shape = { batch: 2, heads: 4, kvHeads: 2, seqQ: 200, seqK: 150, headDim: 32, valueDim: 32 };
const config: PsaConfig = {
  ...{ blockM: 64, blockN: 32, tile: 32, importance: { kind: "sampled", seed: 3 } },
  assignment: { mode: "density", density: 0.4, shares: { 1: 0.5, 4: 0.5 } },
};
const { qkv } = makeWorkload("gaussian", { ...shape, seed: 5 });

/** Says that the device binds no more bytes than this. */
function limit(gpu: Gpu, bytes: number): void {
  gpu.info = { ...gpu.info, limits: { ...gpu.info.limits, maxStorageBufferBindingSize: bytes } };
}

/** Bytes of q for one key head of one batch entry: the largest buffer of a call of one. */
const UNIT = 2 * shape.seqQ * shape.headDim * 4;

/** A mask gives slices what it gives the whole call, and that what it gives a prepared one. */
async function checkMask(psa: Psa, sliced: SlicedPsa): Promise<void> {
  const { batch, heads, seqQ, seqK } = shape, words = Math.ceil(seqK / 32);
  const fill = (bits: Uint32Array, head: number, first: number) =>
    bits.forEach((_, at) => bits[at] = 0x11111111 << ((head + first + Math.floor(at / words)) % 4)); // differs by head and row
  const mask = buildMask([batch, heads, seqQ, seqK], { fill });
  const want = await (await psa.prepare({ mask })).forward(), whole = await psa.forward(qkv, { mask });
  const got = await sliced.forward(qkv, { mask });
  assertEquals([whole.out, whole.density], [want.out, want.density]);
  assertEquals([got.out, got.lse, got.levels, got.density], [want.out, want.lse, want.levels, want.density]);
  const both = { mask, levels: whole.levels };
  for (
    const call of [() => psa.forward(qkv, both), () => sliced.forward(qkv, both), () => psa.prepare(both)]
  ) {
    await assertRejects(call, InputError, "`levels` and `mask` were given; a call takes either.");
  }
}

gpuTest("slices: a call that fits is one slice", (gpu) => {
  assertEquals(createSlicedPsa(gpu, { shape, config }).slices, 1);
  return Promise.resolve();
});

for (const [units, slices] of [[1, 4], [2, 2], [3, 2]]) {
  gpuTest(
    `slices: ${slices} where ${units} key heads fit, with the results of the whole call`,
    async (gpu) => {
      using psa = await createPsa(gpu, { shape, config });
      const whole = await psa.forward(qkv);
      limit(gpu, units * UNIT);
      await assertRejects(() => createPsa(gpu, { shape, config }), InputError, "maxStorageBufferBindingSize");
      const sliced = createSlicedPsa(gpu, { shape, config });
      assertEquals(sliced.slices, slices);
      const got = await sliced.forward(qkv);
      assertEquals(got.levels, whole.levels);
      assertEquals(got.out, whole.out);
      assertEquals(got.lse, whole.lse);
      assertEquals(got.density, whole.density);
      assert(got.timings.total > 0);
      const { levels } = whole;
      assertEquals((await sliced.forward(qkv, { levels })).out, (await psa.forward(qkv, { levels })).out);
      if (units === 2) await checkMask(psa, sliced);
      const dense = await sliced.forward(qkv, { levels: "dense" });
      assertEquals(dense.density, 1);
      assertEquals(dense.out, (await psa.forward(qkv, { levels: "dense" })).out);
    },
  );
}

gpuTest(
  "slices: what cannot be cut is refused with the limit, and other inputs by their sizes",
  async (gpu) => {
    await assertRejects(
      () => createSlicedPsa(gpu, { shape: { ...shape, seqQ: 100 }, config }).forward(qkv),
      InputError,
      "`q` has shape [2,4,200,32]; this pipeline was built for [batch, heads, query tokens, head dimension], " +
        "here [2,4,100,32].",
    );
    limit(gpu, UNIT - 4);
    assertThrows(
      () => createSlicedPsa(gpu, { shape, config }),
      InputError,
      `the limit maxStorageBufferBindingSize of this adapter is ${UNIT - 4}`,
    );
    limit(gpu, UNIT);
    const semantic = { ...config, order: { kind: "semantic", clusters: 2, seed: 0, iterations: 2 } } as const;
    assertThrows(
      () => createSlicedPsa(gpu, { shape: { ...shape, seqK: shape.seqQ }, config: semantic }),
      InputError,
      "`order` is semantic",
    );
  },
);

gpuTest(
  "a device with too little workgroup memory is refused by name, before anything is made",
  async (gpu) => {
    const { bytes } = gpu;
    gpu.info = { ...gpu.info, limits: { ...gpu.info.limits, maxComputeWorkgroupStorageSize: 16384 } };
    await assertRejects(
      () => createPsa(gpu, { shape, config }),
      InputError,
      "`blockM` is 64, which needs 24576 bytes of workgroup memory; the limit maxComputeWorkgroupStorageSize of this " +
        "adapter is 16384.",
    );
    assertEquals(gpu.bytes, bytes);
  },
);

gpuTest(
  "slices: work lists count, which are the largest buffer of small query blocks with a threshold",
  (gpu) => {
    limit(gpu, 2 ** 27);
    const { slices, slice } = createSlicedPsa(gpu, {
      shape: { batch: 1, heads: 16, kvHeads: 16, seqQ: 65536, seqK: 65536, headDim: 64, valueDim: 64 },
      config: {
        ...{ blockM: 32, blockN: 64, tile: 32, importance: { kind: "pooled" } },
        assignment: { mode: "threshold", ratios: [[1, 0, 0.5], [4, 0.5, 0.9], [0, 0.9, 1]] },
      },
    });
    // a head has 2048 rows of at most 8192 groups of 8 tokens: 64 MiB; a tile lies behind those of all heads
    assertEquals([slices, slice.heads], [16, 1]);
    return Promise.resolve();
  },
);

gpuTest(
  "importance that needs more workgroup memory than there is is refused before anything is made",
  async (gpu) => {
    const { bytes } = gpu;
    gpu.info = { ...gpu.info, limits: { ...gpu.info.limits, maxComputeWorkgroupStorageSize: 24576 } };
    await assertRejects(
      () => createPsa(gpu, { shape, config }),
      InputError,
      "importance needs 32768 bytes of workgroup memory; the limit maxComputeWorkgroupStorageSize of this adapter is 24576.",
    );
    assertEquals(gpu.bytes, bytes);
    (await createPsa(gpu, { shape, config, ready: [] }))[Symbol.dispose]();
  },
);
