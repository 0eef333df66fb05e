/** The fault of the released kernel: the catalogue's model gives the errors that SPEC section 11 states. */
import { type Call, truthOf } from "../../fixtures/conformance/call.ts";
import { MISTAKES, runMistakes } from "../../fixtures/conformance/mistakes.ts";
import { assignLevels, compare, makeWorkload, type Ratio, seededRandom, type Tensor } from "../../mod.ts";
import { assert } from "../assert.ts";

const NAME = "tile merge joins only two pooled blocks";
const RELEASED: readonly Ratio[] = [[1, 0, .1], [2, .1, .15], [4, .15, .15], [8, .15, .35], [0, .35, 1]];
const SIZES = { batch: 1, heads: 2, seqQ: 128, headDim: 128 };

/** The mean relative L2 error over three seeds of a mistake on normal data, D = 128, tile 32. */
function errorOf(
  { blockN, seqK, mistake = NAME }: { blockN: number; seqK: number; mistake?: string },
  levelsOf: (shape: number[], seed: number) => Tensor<Int32Array>,
): number {
  const made = MISTAKES.find(({ name }) => name === mistake)!;
  const errors = [1, 2, 3].map((seed) => {
    const call: Call = {
      qkv: makeWorkload("gaussian", { ...SIZES, kvHeads: 2, seqK, seed, dtype: "f32" }).qkv,
      levels: levelsOf([1, 2, 1, seqK / blockN], seed),
      options: { blockM: 128, blockN, tile: 32, causal: false, tail: "exact" },
    };
    return compare(runMistakes(call, [made]).out, truthOf(call).out).relL2;
  });
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}

/** One level everywhere. */
function everywhere(level: number) {
  return (shape: number[]): Tensor<Int32Array> => ({
    data: new Int32Array(shape.reduce((product, axis) => product * axis, 1)).fill(level),
    shape,
  });
}

/** The released default quotas on random importance, aligned to whole tiles. */
function released(shape: number[], seed: number): Tensor<Int32Array> {
  const random = seededRandom(seed + 40), length = shape.reduce((product, axis) => product * axis, 1);
  const importance = { data: Float64Array.from({ length }, random.uniform), shape };
  return assignLevels(importance, { mode: "topk", ratios: RELEASED, blockN: 64, tile: 32 });
}

function assertNear(got: number, want: number, what: string): void {
  assert(Math.abs(got / want - 1) < 0.12, `${what}: ${got.toFixed(2)}; SPEC section 11 says ${want}`);
}

Deno.test("conformance: the tile merge's errors are those that were measured, at 1024 keys", () => {
  assertNear(errorOf({ blockN: 64, seqK: 1024 }, everywhere(8)), 1.14, "bn=64 level 8");
  assertNear(errorOf({ blockN: 32, seqK: 1024 }, everywhere(4)), 1.80, "bn=32 level 4");
  assertNear(errorOf({ blockN: 32, seqK: 1024 }, everywhere(8)), 1.50, "bn=32 level 8");
});

Deno.test("conformance: the released default configuration's error is that measured, at 3072 keys", () => {
  assertNear(errorOf({ blockN: 64, seqK: 3072 }, released), 0.75, "the released default");
});

Deno.test("conformance: blocks that fill tiles in ones and twos are merged rightly", () => {
  for (const [blockN, level] of [[128, 8], [64, 4], [32, 2]]) {
    assert(errorOf({ blockN, seqK: 512 }, everywhere(level)) < 1e-12, `bn=${blockN} level ${level}`);
  }
});

Deno.test("conformance: other readings of the fault are farther from what was measured", () => {
  const measured = [[64, 8, 1.14], [32, 4, 1.80], [32, 8, 1.50]];
  const away = (mistake: string) =>
    Math.max(
      ...measured.map(([blockN, level, error]) =>
        Math.abs(errorOf({ blockN, seqK: 1024, mistake }, everywhere(level)) / error - 1)
      ),
    );
  const best = away(NAME);
  for (
    const other of [
      ", other rows read the first tokens",
      ", other rows read block 0",
      " and goes on with the next two",
    ]
  ) {
    assert(away(NAME + other) > 1.2 * best, `${other}: ${away(NAME + other)}, ${best}`);
  }
});
