/** Calls that choose levels by a method's rule: their levels and outputs are those of the method, corrections and all. */
import {
  attentionTolerance,
  compare,
  createPsa,
  InputError,
  methodInputs,
  methodOf,
  pyramidAttention,
  type Qkv,
} from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../kernels/device/poison.ts";
import { correctedTolerance } from "../../reference/judge/correction_tolerance.ts";
import type { BlockSelection, Correction, LevelRule } from "../../reference/methods/method.ts";
import { seededRandom } from "../../reference/random.ts";
import { assert, assertRejects } from "../support/assert.ts";
import { drawn } from "../support/seed.ts";
import { gpuTest } from "../support/stage_case.ts";

const BLOCKS = { blockM: 32, blockN: 16 };
/** Grouped heads, short last blocks, channels that are no multiple of a tile. */
const SHAPE = { batch: 1, heads: 4, kvHeads: 2, seqQ: 150, seqK: 170, headDim: 24, valueDim: 72 };

/** Tokens of blocks that are far apart, and spread a little inside: pooled scores can be relied on. */
function tokensOf(): Qkv<Float32Array> {
  const random = seededRandom(7), { heads, kvHeads, seqQ, seqK, headDim, valueDim } = SHAPE;
  const draw = (count: number, tokens: number, dim: number, block: number) => {
    const centres = Float64Array.from(
      { length: count * Math.ceil(tokens / block) * dim },
      () => random.normal(),
    );
    const data = new Float32Array(count * tokens * dim);
    for (let at = 0; at < data.length; at++) {
      const head = Math.floor(at / (tokens * dim)), token = Math.floor(at / dim) % tokens;
      const centre = (head * Math.ceil(tokens / block) + Math.floor(token / block)) * dim + at % dim;
      data[at] = centres[centre] + 0.4 * random.normal();
    }
    return { data, shape: [1, count, tokens, dim] };
  };
  return {
    q: draw(heads, seqQ, headDim, 32),
    k: draw(kvHeads, seqK, headDim, 16),
    v: draw(kvHeads, seqK, valueDim, 16),
  };
}

/** A call with room for every level. */
async function openCall(gpu: Gpu, causal: boolean, levels: readonly number[] = [1, 2, 4, 8, 16]) {
  const psa = await createPsa(gpu, {
    ...{ shape: SHAPE, ready: [], levels },
    config: {
      ...{ ...BLOCKS, tile: 16, causal, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    },
  });
  await psa.load(tokensOf());
  return psa;
}

/** Runs a rule on outputs that were NaN, and holds levels and output against those of the method. */
async function checkRule(gpu: Gpu, name: string, causal: boolean): Promise<void> {
  const qkv = tokensOf(), inputs = methodInputs(qkv, { ...BLOCKS, causal, seed: 2 });
  const chosen = methodOf(name).select(inputs, 0.4) as BlockSelection, what = `${name}, causal ${causal}`;
  using psa = await openCall(gpu, causal);
  const call = await psa.prepare({ rule: chosen.rule as LevelRule });
  poisonOutputs(gpu, call.stages);
  for (let run = 0; run < 2; run++) { // the second finds what the first left
    const { out, levels } = await call.forward(), options = { ...BLOCKS, causal };
    const differing = levels.data.filter((level, at) => level !== chosen.levels.data[at]).length;
    assert(differing <= (chosen.correction?.kind === "means" ? 0 : 4), `${what}: ${differing} levels differ`);
    const attention = pyramidAttention(qkv, levels, options);
    const bound = attentionTolerance(qkv, levels, { ...options, dtype: "f32", accumulate: "f32" });
    const want = chosen.finish?.(attention.out) ?? attention.out;
    const { relL2, maxAbs } = chosen.correction === undefined ? bound : correctedTolerance(
      { qkv, levels, attention, corrected: want, correction: chosen.correction as Correction },
      { ...BLOCKS, dtype: "f32", bound },
    );
    const off = compare(out, want);
    assert(off.nonFinite === 0 && off.relL2 <= relL2 && off.maxAbs <= maxAbs, `${what}: off by ${off.relL2}`);
    if (chosen.finish !== undefined) {
      assert(compare(attention.out, want).relL2 > 5 * relL2, `${what} corrects nothing`);
    }
  }
}

// Each compiles kernels of its own; a commit draws two.
const RULES: readonly (readonly [name: string, causal: boolean])[] = [
  ["pisa", false],
  ["rectified", true],
  ["mass-topk", true],
  ["draft", false],
  ["psa-released", false],
  ["psa-threshold", true],
  ["rectified", false],
  ["psa-1248", false],
];
for (const [i, [name, causal]] of RULES.entries()) {
  if (!drawn(i % 4, 4)) continue;
  gpuTest(
    `level rules: ${name}${causal ? ", causal," : ""} on the device is what the method chooses`,
    async (gpu) => {
      await checkRule(gpu, name, causal);
    },
  );
}

gpuTest("level rules: what a call has no room for is refused in a sentence", async (gpu) => {
  using psa = await openCall(gpu, false, [1, 2]);
  const { rule } = methodOf("psa").select(methodInputs(tokensOf(), BLOCKS), 0.4) as BlockSelection;
  const refused = (given: unknown, sentence: string) =>
    assertRejects(() => psa.prepare({ rule: given } as { rule: LevelRule }), InputError, sentence);
  await refused(
    rule,
    "`rule` chooses level 4; this pipeline was built for 1, 2: name it in `levels` of the setup.",
  );
  await refused({ kind: "fixed" }, '`rule` is "fixed"; its kind should be');
});
