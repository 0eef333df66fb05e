/** Causal calls with many keys use the plain kernel if all values are finite, and otherwise the careful one. */
import { createPsa, makeWorkload, type Qkv } from "../../../mod.ts";
import { download } from "../../../kernels/device/transfer.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { replace, withRoom } from "../../support/small_call.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Rows of two query blocks, and keys that are many and fill no block of groups. */
const shape = { batch: 1, heads: 2, kvHeads: 1, seqQ: 70, seqK: 2101, headDim: 8, valueDim: 8 };

gpuTest(
  "gpu: which kernel a causal call takes follows from its values, and gives the same bits",
  async (device) => {
    using gpu = withRoom(device, 1); // shared keys have workgroups of their own
    const { qkv: { q, k, v } } = makeWorkload("gaussian", { ...shape, seed: 3 });
    let taken: GPUBuffer | undefined;
    const restore = replace(gpu, "createBuffer", (own) => (description) => {
      const buffer = own(description);
      if (description.label === "workgroups of attention call") taken = buffer;
      return buffer;
    });
    using psa = await createPsa(gpu, {
      ...{ shape, ready: [], levels: [4] },
      config: {
        ...{ blockM: 64, blockN: 64, tile: 16, causal: true, importance: { kind: "pooled" } },
        assignment: { mode: "density", density: 1, shares: { 1: 1 } },
      },
    });
    const levels = {
      data: Int32Array.from({ length: 2 * 2 * 33 }, (_, i) => [4, 1, 0][i % 3]),
      shape: [1, 2, 2, 33],
    };
    // the last block, and the last token with it, is seen in full
    for (const row of [1, 2, 3, 4]) levels.data[33 * row - 1] = 1;
    const run = async (data: Float32Array) => {
      const given = { q, k, v: { data, shape: v.shape } } as Qkv,
        { out } = await psa.forward(given, { levels });
      return out.data;
    };
    await psa.load({ q, k, v } as Qkv);
    const call = await psa.prepare(levels), last = taken!;
    const groups = async (data: Float32Array) => {
      await psa.load({ q, k, v: { data, shape: v.shape } } as Qkv);
      await call.run();
      return [...new Uint32Array(await download(gpu, last, { size: 24 }))];
    };
    const finite = v.data as Float32Array, strange = finite.slice();
    strange.fill(NaN, finite.length - 8);
    assertEquals(await groups(finite), [2, 2, 1, 0, 2, 1]);
    assertEquals(await groups(strange), [0, 2, 1, 2, 2, 1]);
    assertEquals(await groups(finite), [2, 2, 1, 0, 2, 1]);
    const clean = await run(finite), spoilt = await run(strange);
    assert(clean.every(Number.isFinite));
    for (const head of [0, 1]) {
      const begin = head * 70 * 8, end = begin + 69 * 8; // the last row alone sees the last token
      assertEquals(spoilt.slice(begin, end), clean.slice(begin, end));
      assert(spoilt.slice(end, end + 8).every(Number.isNaN));
    }
    restore();
  },
);
