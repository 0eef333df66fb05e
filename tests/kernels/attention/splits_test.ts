/**
 * Short calls, in which several workgroups share the keys of a query block: when that is done, and that it gives what the
 * reference gives, whatever stood in the buffers that the workgroups leave.
 */
import fc from "fast-check";
import { compare, parseCase } from "../../../mod.ts";
import { partialBytes } from "../../../kernels/attention/merge.ts";
import { keyParts } from "../../../kernels/attention/splits.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { openGpu } from "../../../kernels/device/open/open.ts";
import { poison } from "../../../kernels/device/poison.ts";
import { planParts } from "../../../kernels/key_parts.ts";
import { tokensOf } from "../../../kernels/lists/given.ts";
import { buildPlan } from "../../../kernels/plan.ts";
import { createPsa, type PsaSetup } from "../../../kernels/psa.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { checkAttention, inputsOf } from "../../support/attention_check.ts";
import { emulatedMatrices, emulatedProducts } from "../../support/emulated_matrices.ts";
import { drawn, TEST_SEED } from "../../support/seed.ts";
import { replace, withRoom } from "../../support/small_call.ts";
import { gpuTest } from "../../support/stage_case.ts";
import { checkUnseen, unseenCases, type UnseenFamily } from "../../support/unseen_case.ts";

const DEVICE = { busyWorkgroups: 128 };

Deno.test("splits: which calls are split, and how often", () => {
  const uniform = (tiles: number) => ({ most: tiles, mean: tiles });
  const splits = (rows: number, tiles: { most: number; mean: number }, matrices = false) =>
    keyParts(DEVICE, { rows, tiles, matrices })?.parts ?? 1;
  assertEquals(splits(1536, uniform(128)), 1, "a long call");
  assertEquals(splits(128, uniform(8)), 1, "as many workgroups as the device has room for");
  assert(splits(64, uniform(64)) === 2, "half as many");
  assert(splits(1, uniform(512)) > 16, "a query block alone");
  assertEquals(splits(1, uniform(1)), 1, "one tile cannot be split");
  assertEquals(splits(1, uniform(0)), 1, "no tile at all");
  assert(splits(128, { most: 8, mean: 2 }) > 1, "lists of which some are long, nobody knows how many");
  const quarters = (blocks: number[]) =>
    blocks.flatMap((count, tiles) => tiles === 0 ? [count] : [0, 0, 0, count]);
  const oneIsLong = { most: 8, mean: 2, quarters: quarters([0, 0, 127, 0, 0, 0, 0, 0, 1]) };
  assertEquals(keyParts(DEVICE, { rows: 128, tiles: oneIsLong, matrices: false })?.rows, 1, "one is long");
  const blocks = [0, 60, 20, 20, 10, 10, 4, 2, 2], known = { most: 8, mean: 2.5, quarters: quarters(blocks) };
  const some = keyParts(DEVICE, { rows: 128, tiles: known, matrices: false })!;
  assertEquals(some.rows, blocks.slice(some.share + 1).reduce((sum, each) => sum + each, 0));
  const justLonger = { most: 2, mean: 1, quarters: [0, 0, 0, 0, 99, 1] };
  const ofOne = (wholeTiles: boolean) =>
    keyParts(DEVICE, { rows: 100, tiles: justLonger, matrices: false, wholeTiles });
  assertEquals(ofOne(true)?.rows, 1, "a second tile that takes as long as the first");
  assertEquals(ofOne(false), null, "a second tile of which a quarter is filled");
  const byMatrices = {
    rows: 100,
    tiles: { ...justLonger, most: 3, quarters: [0, 0, 0, 0, 99, 0, 0, 0, 0, 1] },
  };
  assertEquals(
    keyParts(DEVICE, { ...byMatrices, matrices: true }),
    keyParts(DEVICE, { ...byMatrices, matrices: true, wholeTiles: true }),
    "plans for matrix units count whole tiles",
  );
  assertEquals(splits(1536, { most: 128, mean: 20 }), 1, "the like in a long call");
  assert(
    splits(16, uniform(8), true) <= splits(16, uniform(8)),
    "matrix units are done sooner than they begin",
  );
  assertEquals(keyParts({ busyWorkgroups: 1 }, { rows: 1, tiles: uniform(512), matrices: false }), null);
  for (const workgroups of [1, 7, 60, 200]) {
    for (const most of [1, 3, 17, 100]) {
      const count = splits(workgroups, uniform(most));
      assert(count >= 1 && count <= Math.min(64, most), `${workgroups} workgroups, ${most} tiles: ${count}`);
    }
  }
});

Deno.test("splits: the last blocks of a call, which would keep only a part of the device busy", () => {
  const tiles = { most: 128, mean: 128 }, room = { busyWorkgroups: 132 };
  const last = (rows: number, more = {}) =>
    keyParts(room, { rows, tiles, matrices: true, canShareLast: true, ...more });
  assertEquals(last(1536), { rows: 84, first: 1452, parts: 3, share: 1 }, "84 blocks behind 11 rounds");
  assertEquals(last(1452), null, "whole rounds");
  assertEquals(last(1584 - 3), null, "nearly whole rounds");
  assertEquals(last(1536, { canShareLast: false }), null, "a kernel that cannot");
  assertEquals(
    last(1536, { tiles: { most: 128, mean: 20 } }),
    null,
    "lists of which nobody knows the lengths",
  );
  assertEquals(last(132 * 20 + 66), null, "one round of twenty");
});

/** A device that takes so many workgroups at once that every call is split. */
const wide = (gpu: Gpu) => withRoom(gpu, 1 << 20);

gpuTest("splits: fewer where a buffer of all of them is beyond a limit of the device", (gpu) => {
  const setup = {
    shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 64, seqK: 4096, headDim: 8, valueDim: 8 },
    config: {
      blockM: 64,
      blockN: 64,
      tile: 64,
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 0.5 },
    },
  } satisfies PsaSetup;
  const { info } = wide(gpu), plan = buildPlan(info, setup), free = planParts(info, plan)!;
  assert(free.parts > 4, `${free.parts} parts`);
  const limits = { ...info.limits, maxStorageBufferBindingSize: 3 * 64 * (8 + 4) * 4 };
  assertEquals(planParts({ ...info, limits }, plan)?.parts, 3);
  assertEquals(planParts({ ...info, limits: { ...limits, maxBufferSize: 1 } }, plan), null);
  const few = { ...info.limits, maxComputeWorkgroupsPerDimension: 2 };
  assertEquals(planParts({ ...info, limits: few }, plan)?.parts, 2);
  return Promise.resolve();
});

/** Watches the buffers of splits while work is done, filled with NaN as soon as they are made; how many bytes they had. */
async function watched(gpu: Gpu, work: () => Promise<void>): Promise<number> {
  let bytes = 0;
  const restore = replace(gpu, "createBuffer", (own) => (description) => {
    const buffer = own(description);
    if (!/^partial results$/.test(description.label ?? "")) return buffer;
    bytes += description.size;
    poison(gpu, buffer);
    return buffer;
  });
  try {
    await work();
  } finally {
    restore();
  }
  return bytes;
}

/** Lists that end within a tile and some that are empty, several columns of workgroups, grouped heads, causal calls. */
const CASES = [
  "attention B=1 H=2 Lq=70 Lk=1400 D=16 bm=32 bn=64 quotas=empty-row levels=0,0,1,2,8",
  "attention B=1 H=4 Hk=2 Lq=50 Lk=633 D=24 Dv=136 bm=32 bn=32 tile=32 causal=true levels=0,1,1,4",
  "attention B=2 H=1 Lq=1 Lk=3000 D=32 bm=16 bn=64 tail=replicate dtype=f16 levels=0,1,16",
];

for (const name of CASES.filter((_, i) => drawn(i, CASES.length))) { // a commit draws one
  gpuTest(`gpu: keys shared by workgroups: ${name}`, async (gpu) => {
    using scope = wide(gpu);
    const bytes = await watched(scope, () => checkAttention(scope, parseCase(name)));
    assert(bytes > 0 || (name.includes("f16") && !gpu.has("shader-f16")), "nothing was split");
  });
}

gpuTest("gpu: of lists of different lengths only the longest are shared", async (gpu) => {
  using scope = wide(gpu);
  const given = parseCase(
    "attention B=1 H=2 Hk=1 Lq=100 Lk=900 D=24 Dv=136 bm=32 bn=32 levels=0,0,0,0,1,2,8",
  );
  const { rowsOfQuarters = [] } = tokensOf(inputsOf(given).levels, { blockN: 32, group: 4 });
  const count = (from: number, to?: number) =>
    rowsOfQuarters.slice(from, to).reduce((sum, each) => sum + each, 0);
  const longer = count(5), parts = Math.ceil((rowsOfQuarters.length - 1) / 4);
  assert(count(1, 5) > 0 && longer > 0, `quarters of tiles of lists: ${rowsOfQuarters}`);
  const bytes = await watched(scope, () => checkAttention(scope, given));
  assertEquals(bytes, longer * parts * partialBytes({ valueDim: 136 }, { blockM: 32 }));
});

gpuTest("gpu: keys of the last of many blocks, shared by workgroups", async (gpu) => {
  using scope = withRoom(gpu, 2);
  const given = parseCase("attention B=1 H=1 Lq=200 Lk=900 D=8 bm=16 bn=64"); // 13 blocks
  const bytes = await watched(scope, () => checkAttention(scope, given, { dense: true }));
  const one = partialBytes({ valueDim: 8 }, { blockM: 16 });
  assert(bytes >= 2 * one && bytes <= 8 * one, `${bytes / one} parts of one block`);
});

const SMALL = { headDim: 16, valueDim: 24, blockM: 32, tail: "exact" } as const;

/** Families in which unseen keys lie in splits of their own, in those of others, and behind the diagonal. */
const FAMILIES: readonly UnseenFamily[] = [
  { ...SMALL, blockN: 64, levels: [0, 1, 2], dtype: "f32", causal: true, rest: 3 },
  { ...SMALL, blockN: 32, levels: null, dtype: "f32", causal: true, rest: 12 },
];

for (const family of FAMILIES.filter((_, i) => drawn(i, FAMILIES.length))) { // a commit draws one
  gpuTest(`gpu: what is not seen has no influence on shared keys: ${JSON.stringify(family)}`, async (gpu) => {
    using scope = wide(gpu);
    await fc.assert(fc.asyncProperty(unseenCases(family, { more: 256 }), (c) => checkUnseen(scope, c)), {
      ...{ seed: TEST_SEED, numRuns: 2, endOnFailure: true },
    });
  });
}

for (const { product, by } of emulatedProducts(2)) {
  Deno.test(`matrices, emulated${by}: keys shared by workgroups, with lists and dense, causal`, async () => {
    using gpu = await openGpu({ gpu: emulatedMatrices([product]) });
    using scope = wide(gpu);
    const name = "attention B=1 H=1 Lq=20 Lk=1500 D=16 bm=32 bn=64 dtype=f16 causal=true levels=0,1,1,4";
    assert(await watched(scope, () => checkAttention(scope, parseCase(name))) > 0, "nothing was shared");
    assert(
      await watched(scope, () => checkAttention(scope, parseCase(name), { dense: true })) > 0,
      "dense was not",
    );
  });
}

gpuTest("gpu: keys that workgroups share give what one workgroup gives, within rounding", async (gpu) => {
  const given = parseCase("attention B=1 H=2 Lq=64 Lk=600 D=32 bm=32 bn=64"), { qkv } = inputsOf(given);
  const shape = { batch: 1, heads: 2, kvHeads: 2, seqQ: 64, seqK: 600, headDim: 32, valueDim: 32 };
  const run = async (device: Gpu) => {
    using psa = await createPsa(device, {
      ...{ shape, ready: [] },
      config: {
        ...{ blockM: 32, blockN: 64, tile: 32, importance: { kind: "pooled" } },
        assignment: { mode: "density", density: 1 },
      },
    });
    return await psa.forward(qkv, { levels: "dense" });
  };
  using scope = wide(gpu), narrow = withRoom(gpu, 1);
  const one = await run(narrow), many = await run(scope);
  assert(compare(many.out, one.out).relL2 < 1e-6 && compare(many.lse, one.lse).maxAbs < 1e-5);
  assert(compare(many.out, one.out).maxAbs > 0, "nothing was shared");
});

gpuTest(
  "gpu: a row that is no number or sees a key that is none has no number, also where its keys are shared",
  async (gpu) => {
    using scope = wide(gpu);
    const given = parseCase("attention B=1 H=1 Lq=20 Lk=600 D=16 bm=32 bn=64"), { qkv } = inputsOf(given);
    const shape = { batch: 1, heads: 1, kvHeads: 1, seqQ: 20, seqK: 600, headDim: 16, valueDim: 16 };
    using psa = await createPsa(scope, {
      ...{ shape, ready: [], dtype: "f32" },
      config: {
        ...{ blockM: 32, blockN: 64, tile: 64, importance: { kind: "pooled" } },
        assignment: { mode: "density", density: 0.5 },
      },
    });
    const bytes = await watched(scope, async () => {
      qkv.q.data[3 * 16] = NaN;
      const { out, lse } = await psa.forward(qkv, { levels: "dense" });
      out.data.forEach((x, i) =>
        assertEquals(Number.isNaN(x), i >> 4 === 3, `channel ${i % 16} of query ${i >> 4}`)
      );
      lse.data.forEach((x, i) => assertEquals(Number.isNaN(x), i === 3, `sum of query ${i}`));
      qkv.k.data[300 * 16] = NaN;
      const all = await psa.forward(qkv, { levels: "dense" });
      assert([...all.out.data, ...all.lse.data].every(Number.isNaN), "some number came out");
    });
    assert(bytes > 0, "nothing was shared");
  },
);
