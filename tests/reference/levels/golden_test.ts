/** Importance, levels, caps and segments against the stored outputs of the released code. */
import { type GoldenCase, goldenTensor, loadGolden } from "../../../fixtures/golden.ts";
import {
  antidiagonalImportance,
  assignLevels,
  type AssignOptions,
  compare,
  fromSegments,
  groupMaxImportance,
  levelDensity,
  type Ratio,
  similarityCap,
  toSegments,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";

/** The parameters of a case of levels, as the released code names them. */
interface ReleasedQuotas {
  readonly ratios: Readonly<Record<string, readonly [start: number, end: number]>>;
  readonly block_n: number;
  readonly tile_n: number;
  readonly mode: string;
  readonly min_full_attn_ratio: number;
}

/** The options that a case of levels stands for; the skipped blocks come last in the list. */
function assignOptionsOf({ parameters }: GoldenCase): AssignOptions {
  const released = parameters as unknown as ReleasedQuotas;
  const ratios = Object.entries(released.ratios)
    .map(([level, [start, end]]): Ratio => [Number(level), start, end])
    .sort(([a], [b]) => (a || Infinity) - (b || Infinity));
  return {
    mode: released.mode.startsWith("topk") ? "topk" : "threshold",
    ratios,
    blockN: released.block_n,
    tile: released.tile_n,
    minFullRatio: released.min_full_attn_ratio,
  };
}

Deno.test("golden: importance of the released code, to float16's rounding", async () => {
  for (const golden of await loadGolden("importance")) {
    const { group_q: groupQ, group_k: groupK } = golden.parameters as Record<string, number>;
    const q = goldenTensor(golden, "q", Float16Array), k = goldenTensor(golden, "k", Float16Array);
    const got = groupMaxImportance({ q, k }, { groupQ, groupK });
    const { relL2 } = compare(got, goldenTensor(golden, "importance", Float16Array));
    assert(relL2 < 1e-3, `case ${golden.name}: ${relL2}`);
  }
});

Deno.test("golden: antidiagonal importance of the released code, to float32's rounding", async () => {
  for (const golden of await loadGolden("antidiagonal")) {
    const options = golden.parameters as unknown as { block: number; stride: number; causal: boolean };
    const q = goldenTensor(golden, "q", Float32Array), k = goldenTensor(golden, "k", Float32Array);
    const { relL2 } = compare(
      antidiagonalImportance({ q, k }, options),
      goldenTensor(golden, "importance", Float32Array),
    );
    assert(relL2 < 1e-6, `case ${golden.name}: ${relL2}`);
  }
});

Deno.test("golden: levels and segments of the released code, every entry of every mode", async () => {
  const modes = new Set<unknown>();
  for (const golden of await loadGolden("assign")) {
    const { mode, density } = golden.parameters;
    const importance = goldenTensor(golden, "importance", Float32Array);
    const mask = goldenTensor(golden, "mask", Int32Array);
    const got = assignLevels(importance, assignOptionsOf(golden));
    const label = `case ${golden.name}, ${mode}`;
    if (String(mode).endsWith("_newtype")) {
      assertEquals([...toSegments(got, { importance }).data], [...mask.data], label);
      assertEquals([...fromSegments(mask).data], [...got.data], label);
    } else {
      assertEquals([...got.data], [...mask.data], label);
    }
    assertAlmostEquals(levelDensity(got), Number(density), 1e-7, label);
    modes.add(mode);
  }
  assertEquals([...modes].sort(), ["thresholdbound", "thresholdbound_newtype", "topk", "topk_newtype"]);
});

Deno.test("golden: similarity caps of the released code, every entry", async () => {
  for (const golden of await loadGolden("similarity")) {
    const { block, thresholds: [two, four, eight] } = golden.parameters as unknown as {
      block: number;
      thresholds: [number, number, number];
    };
    const k = goldenTensor(golden, "k", Float16Array);
    const cap = similarityCap(k, { blockN: block, thresholds: { 2: two, 4: four, 8: eight } });
    const want = goldenTensor(golden, "max_level", Int32Array);
    assertEquals(cap.shape, want.shape);
    assertEquals([...cap.data], [...want.data], `case ${golden.name}`);
  }
});
