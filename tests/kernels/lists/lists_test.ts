/** Work lists made on the device hold the same groups as those made from the same levels by the CPU. */
import fc from "fast-check";
import type { Tensor } from "../../../mod.ts";
import { seededRandom } from "../../../mod.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { poison } from "../../../kernels/device/poison.ts";
import { download } from "../../../kernels/device/transfer.ts";
import { buildLists } from "../../../kernels/lists/build.ts";
import { groupTokens, packEntry, RECORD, rowsOfOffsets, unpackEntry } from "../../../kernels/lists/entry.ts";
import { makeLists } from "../../../kernels/lists/naive.ts";
import { pyramidLayout } from "../../../kernels/pyramid/layout.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { bufferOf, gpuTest, runStages, type StageCase, stageCases } from "../../support/stage_case.ts";
import { TEST_SEED } from "../../support/seed.ts";

/** Levels of a case: everywhere one of a few that divide the key block. */
function levelsOf({ shape: { batch, heads, seqQ, seqK }, config, seed }: StageCase): Tensor<Int32Array> {
  const random = seededRandom(seed), { blockM, blockN } = config;
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)];
  const all = Array.from({ length: Math.log2(blockN) + 1 }, (_, i) => 2 ** i);
  const some = [0, ...all].filter(() => random.uniform() < 0.6).concat(random.below(2));
  const length = shape.reduce((product, length) => product * length, 1);
  return { data: Int32Array.from({ length }, () => some[random.below(some.length)]), shape };
}

/** Asserts that the device's lists, the order of rows, and what records say of them, are those of the CPU. */
async function assertLists(gpu: Gpu, c: StageCase, levels: Tensor<Int32Array>, last?: number) {
  const { seqQ, seqK } = c.shape, { blockM, blockN, causal: isCausal, tail = "exact" } = c.config;
  const causal = isCausal ? { blockM, position: seqK - seqQ } : undefined;
  const layout = pyramidLayout(1, { seqK, blockN, levels: [...new Set(levels.data)], tail });
  const turns = last === undefined ? {} : { last };
  const want = makeLists(levels, { blockN, layout, turns, causal });
  const [batch, heads, M, N] = levels.shape, group = groupTokens([...levels.data], blockN);
  const stage = await buildLists(gpu, {
    levels: bufferOf(gpu, levels),
    ...{ heads: batch * heads, blocks: { M, N }, seqK, blockN, tail, group },
    ...{ listBytes: want.list.byteLength + 4, turns, causal },
  });
  const { outputs } = stage;
  poison(gpu, outputs.list);
  const rows = rowsOfOffsets(want.offsets);
  const read = { output: outputs.offsets, length: want.offsets.length };
  const offsets = new Uint32Array(await runStages(gpu, [stage], read));
  assertEquals(offsets, want.offsets);
  const list = new Uint32Array(await download(gpu, outputs.list));
  assertEquals(list.slice(0, want.list.length), want.list);
  for (let row = 0; row < rows; row++) {
    const got = list.slice(offsets[row], offsets[row + 1]);
    const own = got.filter((entry) => !unpackEntry(entry).fills), last = own.at(-1);
    assertSeen(own, { row, offsets, group, first: causal && row % M * blockM + causal.position });
    const filling = got.subarray(own.length);
    assert(
      filling.every((entry) => entry === packEntry({ ...unpackEntry(last!), fills: true })),
      "a row ends with repetitions of its last entry that do not count",
    );
  }
}

/** Asserts that a record tells how many entries all queries of a row see: they end at its first query, and the next one does not. */
function assertSeen(
  entries: Uint32Array,
  { row, offsets, group, first = Infinity }: {
    readonly row: number;
    readonly offsets: Uint32Array;
    readonly group: number;
    readonly first?: number;
  },
): void {
  const rows = rowsOfOffsets(offsets), turn = offsets.subarray(rows + 1, 2 * rows + 1).indexOf(row);
  const [begin, length, seen] = offsets.subarray(3 * rows + 1 + RECORD * turn);
  assertEquals([begin, length], [offsets[row], entries.length]);
  const isSeen = Array.from(entries, (each) => {
    const { index, level } = unpackEntry(each);
    return (index + 1) * group * level - 1 <= first;
  });
  assert(isSeen.slice(0, seen).every(Boolean), `row ${row} does not see all of the first ${seen} entries`);
  assert(seen === entries.length || !isSeen[seen], `row ${row} sees more entries than ${seen}`);
}

gpuTest("work lists of the device hold the groups that the levels ask for", async (gpu) => {
  const cases = stageCases({}, { tokens: 700 });
  const property = fc.asyncProperty(cases, (c) => assertLists(gpu, c, levelsOf(c)));
  await fc.assert(property, { seed: TEST_SEED, numRuns: 10 });
});

gpuTest("work lists of rows and of key blocks beyond the width of a workgroup", async (gpu) => {
  const config = {
    ...{ blockM: 16, blockN: 16, tile: 16, importance: { kind: "full" as const } },
    assignment: { mode: "density" as const, density: 1 },
  };
  for (
    const [seqQ, seqK, heads, last] of [[16 * 700, 100, 1], [20, 16 * 700 - 3, 1], [16 * 150, 50, 4], [
      16 * 100,
      50,
      8,
      200,
    ]]
  ) {
    const shape = { batch: 1, heads, kvHeads: 1, seqQ, seqK, headDim: 8, valueDim: 8 };
    const c: StageCase = { shape, config, dtype: "f32", seed: 5 };
    await assertLists(gpu, c, levelsOf(c), last);
  }
});

gpuTest("work lists of levels that skip everything are empty", async (gpu) => {
  const shape = { batch: 1, heads: 2, kvHeads: 1, seqQ: 70, seqK: 90, headDim: 8, valueDim: 8 };
  const config = {
    ...{ blockM: 32, blockN: 32, tile: 16, importance: { kind: "full" as const } },
    assignment: { mode: "density" as const, density: 1 },
  };
  const levels = { data: new Int32Array(2 * 3 * 3), shape: [1, 2, 3, 3] };
  await assertLists(gpu, { shape, config, dtype: "f32", seed: 0 }, levels);
});

Deno.test("work lists read the tokens that are seen and no others, where a block has four or more", () => {
  const random = seededRandom(8), blocks = 64;
  for (
    const [blockN, levels] of [[64, [1, 2, 8]], [32, [1, 2, 4, 8]], [128, [1, 8, 32]], [16, [1, 4]]] as const
  ) {
    const layout = pyramidLayout(1, { seqK: blocks * blockN, blockN, levels: [...levels], tail: "exact" });
    const group = groupTokens(levels, blockN);
    const data = Int32Array.from({ length: blocks }, () => [0, ...levels][random.below(levels.length + 1)]);
    const { list } = makeLists({ data, shape: [1, 1, 1, blocks] }, { blockN, layout });
    const tokens = data.reduce((sum, level) => sum + (level === 0 ? 0 : blockN / level), 0);
    const read = list.filter((entry) => !unpackEntry(entry).fills).length * group;
    assertEquals(read, tokens, `bn=${blockN} levels ${levels}`);
    assertEquals(list.length * group % 128, 0);
    assert(list.length * group - read < 128, "padding is less than a tile");
  }
});
