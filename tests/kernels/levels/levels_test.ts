/** Levels and the similarity cap on the device against the reference, from the same importance and keys. */
import fc from "fast-check";
import { seededRandom, type Tensor } from "../../../mod.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { buildLevels } from "../../../kernels/levels/levels.ts";
import { levelsFromImportance } from "../../../reference/levels/by_config.ts";
import { similarityCap } from "../../../reference/levels/similarity.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { oneIn } from "../../support/seed.ts";
import {
  bufferOf,
  gpuTest,
  qkvOf,
  randomTensor,
  runStages,
  type StageCase,
  stageCases,
} from "../../support/stage_case.ts";

/** Importance of a case: positive, with equal entries and zeros among them. */
function importanceOf(
  { shape: { batch, heads, seqQ, seqK }, config, seed }: StageCase,
): Tensor<Float32Array> {
  const blocks = [Math.ceil(seqQ / config.blockM), Math.ceil(seqK / config.blockN)];
  const { data, shape } = randomTensor([batch, heads, ...blocks], { dtype: "f32", seed });
  return {
    data: Float32Array.from(data, (x) => Math.max(0, Math.round(x * 64) / 64) + (x > 1 ? x * 1e-3 : 0)),
    shape,
  };
}

/** Levels of the device. */
async function levelsOnDevice(gpu: Gpu, c: StageCase, importance: Tensor<Float32Array>) {
  const inputs = { importance: bufferOf(gpu, importance), k: bufferOf(gpu, qkvOf(c).k) };
  const stage = await buildLevels(gpu, { ...inputs, ...c });
  const length = importance.data.length;
  return new Int32Array(await runStages(gpu, [stage], { output: stage.outputs.levels, length }));
}

/** Levels of the reference. */
function levelsOfReference(c: StageCase, importance: Tensor): Int32Array {
  const { seqQ, seqK } = c.shape, { blockN, similarityThresholds: thresholds } = c.config;
  const cap = thresholds && similarityCap(qkvOf(c).k, { blockN, thresholds });
  return levelsFromImportance(importance, c.config, { seqQ, seqK, cap }).data;
}

/** Whether some cumulative share of a row lies within float32's rounding of an end of `threshold`. */
function isTie(row: Float32Array, { assignment }: StageCase["config"]): boolean {
  if (assignment.mode !== "threshold") return false;
  const sorted = Float64Array.from(row).sort().reverse();
  const total = sorted.reduce((sum, x) => sum + x, 0);
  let sum = 0;
  return sorted.some((x) => {
    const share = (sum += x) / total;
    return assignment.ratios.some(([, , end]) => Math.abs(share - end - 1e-6) < 4e-7);
  });
}

/** Asserts that all rows agree but those within rounding of a tie, which it counts. */
function compareRows(
  { got, want, importance, c }: {
    got: Int32Array;
    want: Int32Array;
    importance: Tensor<Float32Array>;
    c: StageCase;
  },
): number {
  const columns = importance.shape[3];
  let ties = 0;
  for (let at = 0; at < got.length; at += columns) {
    const [a, b] = [got, want].map((levels) => levels.subarray(at, at + columns));
    if (a.every((level, j) => level === b[j])) continue;
    assert(
      isTie(importance.data.subarray(at, at + columns), c.config),
      `row ${at / columns}: ${a} is not ${b}`,
    );
    ties++;
  }
  return ties;
}

for (const mode of ["topk", "threshold", "density"] as const) {
  gpuTest(`levels on the device are the reference's: ${mode}`, async (gpu) => {
    let rows = 0, ties = 0;
    const cases = stageCases().filter(({ config }) => config.assignment.mode === mode);
    await fc.assert(
      fc.asyncProperty(
        cases,
        oneIn(3, async (c) => {
          const importance = importanceOf(c);
          const got = await levelsOnDevice(gpu, c, importance), want = levelsOfReference(c, importance);
          ties += compareRows({ got, want, importance, c });
          rows += got.length / importance.shape[3];
        }),
      ),
      { seed: 2512, numRuns: 30, endOnFailure: true },
    );
    console.log(`${mode}: ${ties} of ${rows} rows are ties in which the device chose otherwise`);
    assert(ties <= 0.001 * rows, `${ties} ties in ${rows} rows`);
  });
}

/** A call whose rows have a number of key blocks; the last block has no whole tokens. */
function longRows(blocks: number, config: Pick<StageCase["config"], "assignment" | "causal">): StageCase {
  const seqK = 16 * blocks - 5, seqQ = 48;
  return {
    shape: { batch: 1, heads: 2, kvHeads: 1, seqQ, seqK, headDim: 8, valueDim: 8 },
    config: { blockM: 16, blockN: 16, tile: 16, importance: { kind: "full" }, ...config },
    dtype: "f32",
    seed: 4,
  };
}

/** Importance whose rows differ in kind: ties and many zeros, numbers of all sizes, few different ones, all alike. */
function longImportance(c: StageCase): Tensor<Float32Array> {
  const importance = importanceOf(c), [, , , N] = importance.shape, random = seededRandom(c.seed);
  const kinds: (() => number)[] = [
    () => Math.exp(40 * random.uniform() - 30),
    () => random.below(3) / 4,
    () => 0.25,
    () => random.uniform() < 0.01 ? random.uniform() : 0,
    () => 0.5 + random.uniform() * 1e-6,
  ];
  kinds.forEach((next, row) => {
    const own = importance.data.subarray((row + 1) * N, (row + 2) * N);
    own.forEach((_, j) => own[j] = next());
  });
  return importance;
}

const LONG_RATIOS = [[1, 0, 0.1], [2, 0.1, 0.15], [8, 0.15, 0.35], [0, 0.35, 1]] as const;
for (const blocks of [257, 1024, 2049]) {
  gpuTest(`levels of long rows: ${blocks} key blocks`, async (gpu) => {
    const configs = [
      { assignment: { mode: "topk", ratios: LONG_RATIOS } },
      { assignment: { mode: "threshold", ratios: LONG_RATIOS } },
      { assignment: { mode: "density", density: 0.3, shares: { 1: 0.6, 4: 0.4 } }, causal: true },
    ] as const;
    for (const config of configs) {
      const c = longRows(blocks, config), importance = longImportance(c);
      const got = await levelsOnDevice(gpu, c, importance), want = levelsOfReference(c, importance);
      assertEquals(compareRows({ got, want, importance, c }), 0, config.assignment.mode);
    }
  });
}

gpuTest("a row without any importance gets the same levels as in the reference", async (gpu) => {
  for (const mode of ["topk", "threshold"] as const) {
    const ratios = [[1, 0, 0.2], [4, 0.2, 0.5], [0, 0.5, 1]] as const;
    const c: StageCase = {
      shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 16, seqK: 160, headDim: 8, valueDim: 8 },
      config: {
        blockM: 16,
        blockN: 16,
        tile: 16,
        importance: { kind: "full" },
        assignment: { mode, ratios },
      },
      dtype: "f32",
      seed: 1,
    };
    const importance = { data: new Float32Array(10), shape: [1, 1, 1, 10] };
    assertEquals(await levelsOnDevice(gpu, c, importance), levelsOfReference(c, importance));
  }
});
