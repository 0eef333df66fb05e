/** Levels whose bound the device searches, against the methods that bisect it and those that take the best pairs of a head. */
import { buildSearch, type LevelSearch } from "../../../kernels/levels/search/search.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { levelDensity } from "../../../reference/levels/density.ts";
import { methodInputs } from "../../../reference/methods/inputs.ts";
import { draft } from "../../../reference/methods/mask/draft.ts";
import { spargeattn } from "../../../reference/methods/mask/spargeattn.ts";
import { xattention } from "../../../reference/methods/mask/xattention.ts";
import type { BlockMethod, MethodInputs } from "../../../reference/methods/method.ts";
import { psaThreshold } from "../../../reference/methods/pyramid/psa_threshold.ts";
import { seededRandom } from "../../../reference/random.ts";
import type { Tensor } from "../../../reference/tensor.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { drawn } from "../../support/seed.ts";
import { bufferOf, gpuTest, runStages } from "../../support/stage_case.ts";

/** A call of 2 heads; importance is drawn, what methods see of tokens does not matter. */
interface SearchCase {
  readonly method: BlockMethod;
  readonly causal: boolean;
  readonly seqQ: number;
  readonly seqK: number;
  readonly density: number;
  /** How far scores are apart: their exponents. */
  readonly sharpness: number;
}

const BLOCKS = { blockM: 32, blockN: 16 };
const CASES: readonly SearchCase[] = [
  { method: psaThreshold, causal: false, seqQ: 120, seqK: 1100, density: 0.23, sharpness: 1 },
  { method: psaThreshold, causal: true, seqQ: 250, seqK: 250, density: 0.3, sharpness: 3 },
  { method: xattention, causal: false, seqQ: 130, seqK: 700, density: 0.11, sharpness: 2 },
  { method: xattention, causal: true, seqQ: 333, seqK: 340, density: 0.4, sharpness: 1 },
  { method: spargeattn, causal: false, seqQ: 64, seqK: 5000, density: 0.2, sharpness: 2 }, // more than a tile of a row
  { method: spargeattn, causal: true, seqQ: 100, seqK: 60, density: 0.35, sharpness: 1 }, // rows that see nothing
  { method: spargeattn, causal: true, seqQ: 64, seqK: 64, density: 0.1, sharpness: 1 }, // forced blocks alone are more
  { method: xattention, causal: false, seqQ: 64, seqK: 256, density: 1, sharpness: 1 },
  { method: spargeattn, causal: false, seqQ: 640, seqK: 256, density: 0.25, sharpness: 3 }, // few blocks have all of a row
];

/** Scores of all pairs of blocks, as float32; some are equal. */
function drawnImportance({ seqQ, seqK, sharpness }: Pick<SearchCase, "seqQ" | "seqK" | "sharpness">) {
  const random = seededRandom(11),
    shape = [1, 2, Math.ceil(seqQ / BLOCKS.blockM), Math.ceil(seqK / BLOCKS.blockN)];
  const size = shape.reduce((product, each) => product * each, 1);
  const draw = () => Math.exp(sharpness * Math.round(8 * random.normal()) / 8);
  return { data: Float32Array.from({ length: size }, draw), shape };
}

/** What a method sees: importance of every kind is the one that was drawn. */
function inputsOf(
  { seqQ, seqK, causal }: Omit<SearchCase, "method">,
  importance: Tensor<Float32Array>,
): MethodInputs {
  const tokens = (count: number) => ({ data: new Float32Array(2 * count * 8), shape: [1, 2, count, 8] });
  const inputs = methodInputs({ q: tokens(seqQ), k: tokens(seqK), v: tokens(seqK) }, { ...BLOCKS, causal });
  const own = { data: Float64Array.from(importance.data), shape: importance.shape };
  return { ...inputs, importanceOf: () => own };
}

/** The levels of the device; buffers were NaN before. */
async function searched(
  gpu: Gpu,
  { seqQ, seqK, causal }: Omit<SearchCase, "method">,
  { importance, search }: { readonly importance: Tensor<Float32Array>; readonly search: LevelSearch },
): Promise<Int32Array> {
  const shape = { batch: 1, heads: 2, seqQ, seqK }, config = { ...BLOCKS, causal };
  const stage = await buildSearch(gpu, { importance: bufferOf(gpu, importance), shape, config, search });
  const length = importance.data.length;
  return new Int32Array(await runStages(gpu, [stage], { output: stage.outputs.levels, length }));
}

gpuTest("search: thresholds of every family are those that bisection finds, head by head", async (gpu) => {
  for (const [i, given] of CASES.entries()) {
    if (!drawn(i % 2, 2)) continue; // a commit draws every other one
    const { method, causal, seqQ, seqK, density } = given, importance = drawnImportance(given);
    const inputs = inputsOf(given, importance),
      { levels: { data, shape }, status } = method.select(inputs, density);
    const search = { kind: "threshold", family: method.name, asked: [density] } as LevelSearch;
    const got = await searched(gpu, given, { importance, search }),
      what = JSON.stringify({ ...given, method: method.name });
    const differing = data.filter((level, at) => level !== got[at]).length;
    // shares that agree in float32 are taken together, so that a head may lack some of its last blocks
    assert(differing <= 0.01 * data.length + 2, `${what}: ${differing} of ${data.length} levels differ`);
    const own = levelDensity({ data: got, shape }, { causal, ...BLOCKS, seqQ, seqK });
    const want = levelDensity({ data, shape }, { causal, ...BLOCKS, seqQ, seqK });
    assert(
      Math.abs(own - want) <= 0.01 && (status !== "ok" || own <= density),
      `${what}: density ${own}, not ${want}`,
    );
  }
});

gpuTest(
  "search: heads have budgets of their own, and the best pairs of a head are those of draft",
  async (gpu) => {
    const given = { ...CASES[2], causal: false }, importance = drawnImportance(given);
    const each = await Promise.all([0.05, 0.4].map(async (density, head) => {
      const { levels: { data } } = xattention.select(inputsOf(given, importance), density),
        half = data.length / 2;
      return await Promise.resolve(data.slice(head * half, (head + 1) * half));
    }));
    const search = { kind: "threshold", family: "xattention", asked: [0.05, 0.4] } as const;
    const got = await searched(gpu, given, { importance, search });
    const differing = each.flatMap((head) => [...head]).filter((level, at) => level !== got[at]).length;
    assert(differing <= 4, `${differing} levels differ`);

    const zeros = {
      data: importance.data.map((score, at) => at % 3 === 0 ? 0 : score),
      shape: importance.shape,
    };
    for (const scores of [importance, zeros]) { // of equal scores the first are taken
      for (const density of [0.02, 0.3, 0.9]) {
        const { levels: { data }, rule } = draft.select(inputsOf(given, scores), density);
        const { cut } = rule as { cut: { kind: "pairs"; count: number } };
        assertEquals(
          await searched(gpu, given, { importance: scores, search: cut }),
          data,
          `${density} of all pairs`,
        );
      }
    }
  },
);
