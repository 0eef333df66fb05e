/**
 * Keys that a query does not see have no influence on its outputs, be it NaN or infinity: on fixed families and random
 * ones.
 */
import fc from "fast-check";
import { checkUnseen, unseenCases, unseenFamilies, type UnseenFamily } from "../../support/unseen_case.ts";
import { drawn, TEST_SEED } from "../../support/seed.ts";
import { lacksHalves } from "../../support/implementation.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Calls of a family: it compiles once. */
const CALLS = 5;

const SMALL = { headDim: 16, valueDim: 24, blockM: 64, tail: "exact" } as const;

/** Families that each have a way of their own through the kernel. */
const FAMILIES: readonly UnseenFamily[] = [
  { ...SMALL, blockN: 16, levels: [0, 1, 4, 16], dtype: "f16", causal: false, rest: 3 },
  { ...SMALL, blockN: 16, levels: [4, 16], dtype: "f32", causal: true, rest: 3, tail: "replicate" },
  { ...SMALL, blockN: 32, levels: [0, 1, 2], dtype: "f16", causal: true, rest: 8 },
  { ...SMALL, blockN: 32, levels: null, dtype: "f32", causal: true, rest: 12 },
];

/** Runs some calls of a family. */
async function check(gpu: Parameters<typeof checkUnseen>[0], family: UnseenFamily): Promise<void> {
  if (family.dtype === "f16" && lacksHalves(gpu, JSON.stringify(family))) return;
  await fc.assert(fc.asyncProperty(unseenCases(family), (c) => checkUnseen(gpu, c)), {
    ...{ seed: TEST_SEED, numRuns: CALLS, endOnFailure: true },
  });
}

for (const family of FAMILIES.filter((_, i) => drawn(i % 2, 2))) { // a commit draws half
  gpuTest(`gpu: what is not seen has no influence: ${JSON.stringify(family)}`, (gpu) => check(gpu, family));
}

gpuTest("gpu: what is not seen has no influence: a random family", async (gpu) => {
  const [family] = fc.sample(unseenFamilies(), { seed: TEST_SEED, numRuns: 1 });
  await check(gpu, family);
});
