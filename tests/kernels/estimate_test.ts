/** `estimate` predicts the sizes of the buffers that `createPsa` creates. */
import { createPsa, estimate, InputError, type PsaSetup } from "../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../support/assert.ts";
import { drawn } from "../support/seed.ts";
import { inputsOf, replace, SMALL } from "../support/small_call.ts";
import { gpuTest } from "../support/stage_case.ts";

const { shape, config } = SMALL;

/** The purposes that labels of buffers belong to; k, v and tokens in their order have two. */
const PURPOSES: Readonly<Record<string, RegExp>> = {
  importance: /^(importance|means of .*)$/,
  scores: /^scores of key blocks$/,
  levels: /^(levels|similarity cap)$/,
  lists: /work lists$/,
  splits: /^partial results$/,
  tables:
    /^(quotas|ends of quotas|.* call|similarity thresholds|offsets of sampled tokens|range of row tiles)$/,
  tokens: /^(q|k|v|out|lse)( as given)?$|^token order$/,
};

const SETUPS: Readonly<Record<string, PsaSetup>> = {
  "pooled importance": SMALL,
  "sampled importance, float16": {
    shape,
    dtype: "f16",
    config: { ...config, importance: { kind: "sampled", seed: 3 }, causal: true },
  },
  "only level 1, antidiagonal": {
    shape: { ...shape, kvHeads: 2, batch: 2 },
    config: {
      ...{ ...config, importance: { kind: "antidiagonal", stride: 8 } },
      assignment: { mode: "topk", ratios: [[1, 0, 0.4], [0, 0.4, 1]] },
    },
  },
  "keys shared by workgroups": { ...SMALL, shape: { ...shape, seqK: 700 } },
  "thresholds, a cap, an order": {
    shape: { ...shape, seqQ: 96, seqK: 96 },
    levels: [8],
    config: {
      ...config,
      assignment: { mode: "threshold", ratios: [[1, 0, 0.4], [4, 0.4, 0.8], [0, 0.8, 1]] },
      similarityThresholds: { 2: 0.1, 4: 0 },
      order: {
        kind: "tile",
        box: { width: 8, height: 6, depth: 2 },
        tile: { width: 4, height: 2, depth: 2 },
      },
    },
  },
};

// Each compiles kernels of its own: a commit draws half of them; PSA_LONG=1 takes all.
for (const [name, setup] of Object.entries(SETUPS).filter((_, i) => drawn(i % 2, 2))) {
  gpuTest(`gpu: an estimate is what is made: ${name}`, async (gpu) => {
    const made: Record<string, number> = {};
    const restore = replace(gpu, "createBuffer", (own) => (options) => {
      const [purpose] = Object.entries(PURPOSES).find(([, labels]) => labels.test(options.label ?? "")) ?? [];
      if (options.label !== "read-back" && options.label !== "timestamps") {
        assert(purpose !== undefined, `an estimate knows nothing of "${options.label}"`);
        made[purpose] = (made[purpose] ?? 0) + options.size;
      }
      return own(options);
    });
    const isShared = name === "keys shared by workgroups", before = gpu.live.bytes;
    if (isShared) gpu.info = { ...gpu.info, busyWorkgroups: 1 << 20 };
    using psa = await createPsa(gpu, setup);
    restore();
    const { bytes, density, slices } = estimate(setup, { gpu });
    const tokens = bytes.inputs + bytes.outputs + bytes.pyramid + bytes.order;
    for (const [purpose, size] of Object.entries({ ...bytes, tokens })) {
      if (!(purpose in PURPOSES)) continue;
      const rounding = 16 * 12; // sizes are rounded up to 16 bytes, a dozen buffers at most
      assert(
        Math.abs((made[purpose] ?? 0) - size) < rounding,
        `${purpose}: ${size} told, ${made[purpose]} made`,
      );
    }
    assert(Math.abs(gpu.live.bytes - before - bytes.total) < 16 * 40, `${bytes.total} bytes in all`);
    assertEquals([slices, bytes.splits > 0], [1, isShared]);
    const got = await psa.forward(inputsOf(setup));
    if (density !== null) assertAlmostEquals(got.density, density, 1e-12);
    assertEquals(density === null, setup.config.assignment.mode === "threshold");
  });
}

Deno.test("an estimate without a device has no limits; with one it counts slices, or names the limit", () => {
  const large = {
    ...SMALL,
    shape: { ...shape, heads: 64, kvHeads: 32, seqQ: 65536, seqK: 65536, headDim: 128 },
  };
  assertEquals(estimate(large).slices, 1);
  assertEquals(
    estimate({ ...large, dtype: "auto" }).bytes.inputs,
    estimate({ ...large, dtype: "f16" }).bytes.inputs,
  );
  const info = {
    ...{
      description: "",
      vendor: "",
      backend: "vulkan",
      features: [],
      subgroupSize: 0,
      nanosecondsPerTick: 0,
    },
    ...{ subgroupSizes: { least: 0, most: 0 }, subgroupDirective: "" },
    ...{ implementation: "builtin", matrixShapes: [], matrices: null, busyWorkgroups: 1 } as const,
    limits: {
      maxStorageBufferBindingSize: 2 ** 28,
      maxBufferSize: 2 ** 30,
      maxComputeWorkgroupStorageSize: 32768,
      maxComputeInvocationsPerWorkgroup: 256,
      maxComputeWorkgroupSizeX: 256,
      maxComputeWorkgroupsPerDimension: 65535,
      maxStorageBuffersPerShaderStage: 10,
    },
  };
  const cut = estimate(large, { gpu: { info } });
  // queries of 4 key heads are just 256 MiB, but their work lists pass that
  assertEquals([cut.slices, cut.slice.kvHeads], [16, 2]);
  assertEquals(cut.operations.dense, 2 * 64 * 65536 ** 2 * (128 + 8));
  assertThrows(
    () => estimate(large, { gpu: { info: { ...info, limits: { ...info.limits, maxBufferSize: 2 ** 25 } } } }),
    InputError,
    "`q` needs 67108864 bytes; the limit maxBufferSize of this adapter is 33554432.",
  );
});
