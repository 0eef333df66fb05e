import {
  configErrors,
  InputError,
  presetConfig,
  presets,
  type PsaConfig,
  validateConfig,
} from "../../../mod.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../support/assert.ts";

const GOOD: PsaConfig = {
  blockM: 64,
  blockN: 32,
  tile: 16,
  importance: { kind: "full" },
  assignment: { mode: "density", density: 0.5 },
};
const LENGTHS = { seqQ: 64, seqK: 64 };
const BOX = { width: 4, height: 4, depth: 4 };

/** A configuration as a user might write it in plain JavaScript. */
function wrong(fields: Record<string, unknown>): PsaConfig {
  return { ...GOOD, ...fields } as PsaConfig;
}

const REFUSALS: [fields: Record<string, unknown>, sentence: string][] = [
  [{ blockM: 48 }, "`blockM` is 48; it should be one of 16, 32, 64, 128."],
  [{ blockN: 256 }, "`blockN` is 256; it should be one of 16, 32, 64, 128."],
  [{ tile: 64 }, "`tile` is 64; it should be a power of two up to `blockN`, 32."],
  [{ tile: 12 }, "`tile` is 12; it should be a power of two up to `blockN`, 32."],
  [{ blockm: 64 }, "The config has no field `blockm`."],
  [{ importance: undefined }, "`importance.kind` is missing;"],
  [{ importance: { kind: "random" } }, '`importance.kind` is "random";'],
  [{ importance: { kind: "sampled" } }, "`importance.seed` is missing;"],
  [{ importance: { kind: "sampled", seed: -1 } }, "`importance.seed` is -1;"],
  [
    { importance: { kind: "antidiagonal", stride: 24 } },
    "`importance.stride` is 24; it should divide `blockM`, 64,",
  ],
  [{ importance: { kind: "antidiagonal", stride: 64 } }, "and `blockN`, 32."],
  [{ assignment: undefined }, "`assignment.mode` is missing;"],
  [{ assignment: { mode: "best" } }, '`assignment.mode` is "best";'],
  [{ assignment: { mode: "topk" } }, "`ratios` is missing;"],
  [{ assignment: { mode: "topk", ratios: [] } }, "`ratios` is empty;"],
  [{ assignment: { mode: "topk", ratios: [[1, 0, 0.5], [0, 0.5, 0.9]] } }, "the last end should be 1."],
  [
    { assignment: { mode: "topk", ratios: [[1, 0, 0.5], [2, 0.5, 0.4], [0, 0.4, 1]] } },
    "they should ascend.",
  ],
  [{ assignment: { mode: "topk", ratios: [[3, 0, 0.5], [0, 0.5, 1]] } }, "`ratios` has level 3;"],
  [{ assignment: { mode: "topk", ratios: [[64, 0, 0.5], [0, 0.5, 1]] } }, "divides `blockN`, 32."],
  [{ assignment: { mode: "topk", ratios: [[1, 0, 0.5], [1, 0.5, 1]] } }, "level 1 2 times"],
  [
    { assignment: { mode: "threshold", ratios: [[1, 0, 1.5], [0, 1.5, 1]] } },
    "ends should be fractions from 0 to 1.",
  ],
  [{ assignment: { mode: "threshold", ratios: [[1, 0, 1]], minFullRatio: 2 } }, "`minFullRatio` is 2;"],
  [{ assignment: { mode: "density", density: 0 } }, "`density` is 0; it should be above 0 and at most 1."],
  [{ assignment: { mode: "density", density: "half" } }, '`density` is "half";'],
  [{ assignment: { mode: "density", density: 0.5, shares: { 1: 0.5 } } }, "`shares` sum to 0.5;"],
  [{ assignment: { mode: "density", density: 0.5, shares: { 3: 1 } } }, "`shares` has level 3;"],
  [
    { assignment: { mode: "density", density: 0.5, shares: { 64: 1 } } },
    "`shares` has level 64; it should divide",
  ],
  [{ similarityThresholds: { 3: 0.5 } }, "`similarityThresholds` has level 3;"],
  [{ similarityThresholds: { 1: 0.5 } }, "`similarityThresholds` has level 1;"],
  [{ similarityThresholds: { 2: 1.5 } }, "`similarityThresholds` has 1.5 for level 2;"],
  [{ textLength: 1.5 }, "`textLength` is 1.5;"],
  [{ textLength: 65 }, "`textLength` is 65; it should be at most the 64 keys."],
  [{ causal: "yes" }, '`causal` is "yes";'],
  [{ scale: NaN }, "`scale` is NaN;"],
  [{ tail: "drop" }, '`tail` is "drop";'],
  [{ order: { kind: "hilbert" } }, '`order.kind` is "hilbert";'],
  [{ order: { kind: "gilbert", variant: "curve" } }, "`order.box` is missing;"],
  [{ order: { kind: "gilbert", box: { ...BOX, depth: 0 }, variant: "curve" } }, '"depth":0}'],
  [{ order: { kind: "gilbert", box: BOX, variant: "inverse" } }, '`order.variant` is "inverse";'],
  [
    { order: { kind: "gilbert", box: { ...BOX, depth: 5 }, variant: "curve" } },
    "4 x 4 x 5 = 80 tokens; it should hold the 64",
  ],
  [
    { order: { kind: "gilbert", box: BOX, variant: "curve" }, textLength: 8 },
    "it should hold the 56 that are not text.",
  ],
  [{ order: { kind: "tile", box: BOX } }, "`order.tile` is missing;"],
  [{ order: { kind: "semantic", clusters: 0, seed: 0, iterations: 1 } }, "`order.clusters` is 0;"],
  [{ order: { kind: "semantic", clusters: 65, seed: 0, iterations: 1 } }, "at most the 64 tokens"],
  [{ order: { kind: "semantic", clusters: 2, seed: -1, iterations: 1 } }, "`order.seed` is -1;"],
  [{ order: { kind: "semantic", clusters: 2, seed: 0, iterations: 0.5 } }, "`order.iterations` is 0.5;"],
  [{ order: { kind: "tile", box: BOX, tile: BOX }, causal: true }, "only raster order keeps the past"],
];

for (const [fields, sentence] of REFUSALS) {
  Deno.test(`config: ${JSON.stringify(fields)} is refused`, () => {
    const error = assertThrows(() => validateConfig(wrong(fields), LENGTHS), InputError, sentence);
    assert(!error.message.includes("\n"));
  });
}

Deno.test("config: an order needs as many queries as keys", () => {
  const config = wrong({ order: { kind: "gilbert", box: BOX, variant: "curve" } });
  assertThrows(() => validateConfig(config, { seqQ: 32, seqK: 64 }), InputError, "32 queries and 64 keys");
});

Deno.test("config: all errors are in one message", () => {
  const config = wrong({
    blockM: 48,
    importance: { kind: "antidiagonal", stride: 5 },
    assignment: { mode: "topk", ratios: [[3, 0, 0.5], [3, 0.5, 0.4]] },
    similarityThresholds: { 2: 7 },
    tail: "drop",
    order: { kind: "semantic", clusters: 0, seed: 0, iterations: 1 },
  });
  const errors = configErrors(config, LENGTHS);
  assertEquals(errors.length, 9);
  const { message } = assertThrows(
    () => validateConfig(config, LENGTHS),
    InputError,
    "The config has 9 errors: (1) ",
  );
  for (const sentence of errors) assertStringIncludes(message, sentence);
});

Deno.test("config: right configurations have no errors", () => {
  for (
    const fields of [
      {},
      { similarityThresholds: { 2: 0, 4: 0, 8: -1, 16: 0.5 } },
      { order: { kind: "gilbert", box: { ...BOX, depth: 3 }, variant: "released" }, textLength: 16 },
      { order: { kind: "semantic", clusters: 64, seed: 1, iterations: 0 } },
      { order: { kind: "raster" }, causal: true, importance: { kind: "antidiagonal", stride: 16 } },
      { assignment: { mode: "density", density: 1, shares: new Map([[1, 0.5], [32, 0.5]]) } },
    ]
  ) assertEquals(configErrors(wrong(fields), LENGTHS), []);
});

Deno.test("presets: all six are right at the video of their release, and every field has a source", () => {
  assertEquals(Object.keys(presets).length, 6);
  for (const [model, { config, sources, open, video }] of Object.entries(presets)) {
    const { order, textLength = 0 } = config;
    const box = order?.kind === "gilbert" ? order.box : BOX;
    const seqK = box.width * box.height * box.depth + textLength;
    assertEquals(configErrors(config, { seqQ: seqK, seqK }), [], model);
    const known = Object.keys({ ...sources, ...open });
    for (const field of Object.keys(config)) {
      assert(known.some((key) => key.startsWith(field)), `${model}: ${field}`);
    }
    assert(Object.values(sources).every(({ repository, file, at }) => repository && file && at));
    assertEquals(video !== undefined, model !== "Qwen2.5-VL");
  }
});

Deno.test("presets: the sizes of the released videos", () => {
  const boxes = Object.values(presets).map(({ config: { order } }) =>
    order?.kind === "gilbert" ? order.box : undefined
  );
  assertEquals(boxes, [
    { width: 80, height: 45, depth: 18 },
    { width: 80, height: 45, depth: 18 },
    { width: 40, height: 22, depth: 31 },
    { width: 80, height: 48, depth: 18 },
    undefined,
    undefined,
  ]);
});

Deno.test("presets: another video and another seed can be asked for", () => {
  const config = presetConfig("Wan2.2-5B", { box: BOX, seed: 9 });
  assertEquals(config.order, { kind: "gilbert", box: BOX, variant: "released" });
  assertEquals(config.importance, { kind: "sampled", seed: 9 });
  assertEquals(presetConfig("Wan2.2-5B"), presets["Wan2.2-5B"].config);
  assertEquals(presetConfig("Qwen2.5-VL", { box: BOX, seed: 9 }), presets["Qwen2.5-VL"].config);
  assertThrows(() => presetConfig("Wan3" as "Qwen2.5-VL"), InputError, "one of Wan2.1-1.3B");
});
