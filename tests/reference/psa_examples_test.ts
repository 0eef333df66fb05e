import {
  compare,
  configDensity,
  denseAttention,
  InputError,
  levelsFromImportance,
  makeWorkload,
  type ModelName,
  type OrderConfig,
  presetConfig,
  presets,
  psa,
  type PsaConfig,
  tensor,
} from "../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../support/assert.ts";

Deno.test("psa: more density is less error on a video, and its order helps", () => {
  const grid = { width: 8, height: 8, depth: 8 };
  const { qkv } = makeWorkload("video", { heads: 3, seqQ: 512, headDim: 32, seed: 3, grid });
  const dense = denseAttention(qkv).out;
  const error = (density: number, order: OrderConfig) => {
    const config: PsaConfig = {
      blockM: 32,
      blockN: 32,
      tile: 16,
      importance: { kind: "full" },
      assignment: { mode: "density", density },
      order,
    };
    return compare(psa(qkv, config).out, dense).relL2;
  };
  const gilbert: OrderConfig = { kind: "gilbert", box: grid, variant: "released" };
  const errors = [0.1, 0.25, 0.5, 0.9].map((density) => error(density, gilbert));
  errors.forEach((value, i) => assert(i === 0 || value < errors[i - 1], errors.join()));
  assert(error(0.25, gilbert) < error(0.25, { kind: "raster" }));
});

for (const model of Object.keys(presets) as ModelName[]) {
  Deno.test(`psa: the preset of ${model} runs on a small video`, () => {
    const grid = { width: 8, height: 8, depth: 8 }, { textLength = 0 } = presets[model].config;
    const seqQ = 512 + textLength;
    const { qkv } = makeWorkload("sinks", { heads: 2, seqQ, headDim: 16, seed: 1, dtype: "f16" });
    const config = presetConfig(model, { box: grid });
    const { out, density } = psa(qkv, config);
    assert(density > 0 && density <= 1, `density ${density}`);
    assert(out.data.every(Number.isFinite));
    const dense = denseAttention(qkv, { causal: config.causal }).out;
    assert(compare(out, dense).relL2 < 1, `relative error ${compare(out, dense).relL2}`);
  });
}

Deno.test("psa: levels of the released CogVideoX configuration by hand", () => {
  const importance = tensor(Float64Array.from({ length: 40 }, (_, j) => 40 - j), [1, 1, 1, 40]);
  const { config } = presets["CogVideoX-5B"], sizes = { seqQ: 128, seqK: 40 * 128 };
  const { data } = levelsFromImportance(importance, config, sizes);
  const want = [1, 1, 1, 1, 2, 2, 8, 8, 8, 8, 8, 8, 8, 8, ...Array(24).fill(0), 1, 1];
  assertEquals([...data], want);
  assertAlmostEquals(configDensity(importance, config, sizes), (6 + 1 + 1) / 40);
});

Deno.test("psa: what does not fit is refused, and everything that is wrong is said", () => {
  const { qkv } = makeWorkload("video", { seqQ: 64, headDim: 8 });
  const box = { width: 4, height: 4, depth: 4 };
  assertThrows(() => psa(qkv, presetConfig("Wan2.1-14B")), InputError, "it should hold the 64");
  assertThrows(() => psa(qkv, presets["Qwen2.5-VL"].config), InputError, "`textLength` is 512");
  const twice = { ...presetConfig("Wan2.1-14B", { box }), blockM: 1, tail: "none" as "exact" };
  assertThrows(() => psa(qkv, twice), InputError, "The config has 2 errors");
  assertThrows(
    () => psa({ ...qkv, v: tensor(new Float32Array(8), [1, 1, 1, 8]) }, twice),
    InputError,
    "`v` has shape",
  );
});
