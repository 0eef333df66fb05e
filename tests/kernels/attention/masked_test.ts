/** Attention over masks on the device: random masks, and calls that are long, shared by workgroups, or bad input. */
import fc from "fast-check";
import { buildMask, createPsa, InputError, type Mask } from "../../../mod.ts";
import { makeMaskLists } from "../../../kernels/attention/masked/lists.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../support/assert.ts";
import { lacksHalves } from "../../support/implementation.ts";
import { checkMasked, maskedCases, type MaskedFamily } from "../../support/masked_case.ts";
import { drawn, TEST_SEED } from "../../support/seed.ts";
import { withRoom } from "../../support/small_call.ts";
import { gpuTest } from "../../support/stage_case.ts";

const F32: MaskedFamily = { headDim: 16, valueDim: 24, blockM: 32, dtype: "f32" };

const LONG = {
  ...{ ...F32, batch: 1, kvHeads: 1, group: 2, seqQ: 40, seqK: 2059, density: 0.02, blind: 0.2, seed: 3 },
} as const;

gpuTest(
  "gpu: masks: any call is within the bounds, and what a row does not see has no influence",
  async (gpu) => {
    await fc.assert(fc.asyncProperty(maskedCases(F32), async (c) => void await checkMasked(gpu, c)), {
      ...{ seed: TEST_SEED, numRuns: 10, endOnFailure: true },
    });
    // many keys: a look at the values decides between this kernel and one that is not careful
    await checkMasked(gpu, { ...LONG, causal: false, bad: "NaN" });
    await checkRefused(gpu);
  },
);

// Each compiles a kernel of its own; a commit draws one.
if (drawn(0, 2)) {
  gpuTest("gpu: masks: the like in float16, with several columns of workgroups", async (gpu) => {
    if (lacksHalves(gpu, "masks in float16")) return;
    const family = { headDim: 8, valueDim: 136, blockM: 16, dtype: "f16" } as const;
    await checkMasked(gpu, { ...LONG, ...family, seqK: 203, density: 0.3, causal: false, bad: "NaN" });
  });
}
if (drawn(1, 2)) {
  gpuTest("gpu: masks: workgroups share the keys of a query block, in whole groups", async (gpu) => {
    using wide = withRoom(gpu, 1 << 20); // so many at once that every call is split
    const made = await checkMasked(wide, { ...LONG, seqK: 640, density: 0.3, causal: true, bad: "Infinity" });
    assert(made.includes("partial results"), `nothing is shared: ${made}`);
  });
}

/** Everything, with some things changed. */
function all(shape: readonly number[], changed: Partial<Mask> = {}): Mask {
  return { ...buildMask(shape, { fill: (bits) => bits.fill(0xffffffff) }), ...changed };
}

/** Levels and density of a result are those of the mask; what is none is refused. */
async function checkRefused(gpu: Gpu): Promise<void> {
  using psa = await createPsa(gpu, {
    ...{
      shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 40, seqK: 41, headDim: 16, valueDim: 24 },
      ready: [],
    },
    ...{ dtype: "f32" },
    config: {
      ...{ blockM: 32, blockN: 16, tile: 16, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    },
  });
  const shape = [1, 1, 40, 41];
  // the first query sees keys 17 and 18, the last one key 40
  const mask = buildMask(shape, {
    fill: (bits, _, first, end) => {
      if (first === 0) bits[0] = 3 << 17;
      if (end === 40) bits[bits.length - 1] = 1 << 8;
    },
  });
  const { levels, density } = await (await psa.prepare({ mask })).forward();
  assertEquals([[...levels.data], levels.shape, density], [[0, 1, 0, 0, 0, 1], [1, 1, 2, 3], 3 / 1640]);
  const refused = (mask: unknown, message: string) =>
    assertRejects(() => psa.prepare({ mask } as { mask: Mask }), InputError, message);
  await refused(null, "`mask` is null; it should be the result of buildMask.");
  await refused(all([1, 1, 40, 40]), "`mask` has shape [1,1,40,40]; this call needs [1,1,40,41].");
  await refused(all(shape, { words: 3 }), "`mask` has 3 words per row; 41 keys need 2.");
  await refused(
    all(shape, { rows: () => new Uint32Array(1) }),
    "`mask.rows` gives 1 words for 32 queries; it should give 2 each.",
  );
}

Deno.test("masks: lists beyond a limit of the device are refused with what they need", () => {
  const options = { blockM: 16, blockN: 16, causal: false };
  const of = (most: number) => ({ limits: { maxStorageBufferBindingSize: most, maxBufferSize: 1e9 } });
  const mask = all([1, 2, 64, 512]); // 2 heads x 4 blocks x 64 groups, and a tile more
  assertEquals(makeMaskLists(mask, { ...options, info: of(8448) }).rowMasks.byteLength, 8448);
  assertThrows(
    () => makeMaskLists(mask, { ...options, info: of(8447) }),
    InputError,
    "The work lists of `mask` need 8448 bytes; a buffer of this adapter holds 8447",
  );
});
