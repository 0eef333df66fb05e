/** Truth from the CPU and from the device gives the same rows; truth of sampled rows estimates them. */
import { InputError, makeWorkload, sampleQueryRows } from "../../../../mod.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { checkAllRows, pickRows } from "../../../../bench/sweep/run/all_rows.ts";
import { arrangeGroup } from "../../../../bench/sweep/run/arrange.ts";
import { openCall, runChecked } from "../../../../bench/sweep/run/kernel.ts";
import { runInput } from "../../../../bench/sweep/run/run.ts";
import { chooseTruth } from "../../../../bench/sweep/truth/kinds.ts";
import { cpuTruth } from "../../../../bench/sweep/truth/maker.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import type { Gpu } from "../../../../kernels/device/gpu.ts";
import type { SweepInput } from "../../../../bench/sweep/inputs/inputs.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../../support/assert.ts";
import { gpuTest } from "../../../support/stage_case.ts";

const NAMES = METHODS.map(({ name }) => name);
const ARGS =
  "--workload model --seq 200 --heads 4 --kv-heads 2 --dim 16 --densities .3 --block-m 32 --block-n 16"
    .split(" ");

/** The rows of a small sweep; `changed` changes its input. */
async function sweep(
  gpu: Gpu | null,
  args: readonly string[] = [],
  changed = (input: SweepInput): SweepInput => input,
) {
  const options = parseOptions([...ARGS, "--seconds", ".1", ...(gpu ? [] : ["--no-gpu"]), ...args], NAMES);
  const { inputs: [{ source, part, cases, options: variant }] } = await planSweep(options, { gpu });
  const input = changed((await source.load())[part]);
  return (await runInput(input, cases, { options: variant, gpu, onProgress: () => {} })).rows;
}

const SHAPE = { batch: 1, kvHeads: 2, heads: 2, seqQ: 4096, seqK: 4096, headDim: 64, valueDim: 64 };
const LARGE = { ...SHAPE, seqQ: 32760, seqK: 32760 };

Deno.test("truth: auto is the CPU's up to 2^28 pairs, then that of the device, or of sampled rows", () => {
  const device = (features: string[], subgroupSize: number) => ({
    has: (feature: string) => features.includes(feature),
    info: { subgroupSize, description: "a device" } as Gpu["info"],
  });
  const fast = device(["wgpu-shader-f64"], 32), soft = device(["wgpu-shader-f64"], 0), plain = device([], 32);
  const choose = (shape: typeof SHAPE, gpu: typeof fast | null, needsAllRows = false) =>
    chooseTruth("auto", { name: "x", shape, gpu, methods: [{ name: "m", needsAllRows }] });
  assertEquals([choose(SHAPE, fast), choose(SHAPE, null)], ["cpu", "cpu"]);
  assertEquals([choose(LARGE, fast), choose(LARGE, soft), choose(LARGE, plain)], ["gpu", "rows", "rows"]);
  assertEquals([choose(LARGE, null, true), choose(LARGE, fast, true)], ["cpu", "gpu"]);
  const ask = (asked: "gpu" | "rows", gpu: typeof fast | null, needsAllRows = false) => () =>
    chooseTruth(asked, { name: "x", shape: SHAPE, gpu, methods: [{ name: "mass-topk", needsAllRows }] });
  assertThrows(ask("gpu", plain), InputError, "a device has no float64 in shaders: take --truth rows");
  assertThrows(ask("gpu", null), InputError, "--no-gpu leaves no device: take --truth rows");
  assertThrows(ask("rows", null, true), InputError, "mass-topk needs all rows of x");
});

gpuTest(
  "truth: the device gives the rows that the CPU gives, and its importance is the reference's",
  async (gpu) => {
    if (!gpu.has("wgpu-shader-f64")) return;
    const [cpu, device] = [await sweep(gpu, ["--truth", "cpu"]), await sweep(gpu, ["--truth", "gpu"])];
    assertEquals(device.map(({ truth }) => truth), device.map(() => "gpu"));
    for (const [i, row] of device.entries()) {
      for (
        const name of ["density", "rel_l2", "max_abs", "cosine", "dropped_mass", "kernel_rel_l2"] as const
      ) {
        assertAlmostEquals(
          row[name]!,
          cpu[i][name]!,
          1e-9 * (1 + Math.abs(cpu[i][name]!)),
          `${row.case} ${name}`,
        );
      }
      assertEquals([row.status, row.truth_rows, row.rel_l2_low], [cpu[i].status, 800, null]);
      if (row.method !== "dense") assert(row.importance_error! < 1e-12 && row.importance_ties === 0);
    }
  },
);

gpuTest("truth: sampled rows estimate the error, and all rows of the kernel are checked", async (gpu) => {
  const whole = await sweep(gpu, ["--truth", "cpu"]), sampled = await sweep(gpu, ["--truth", "rows"]);
  for (const [i, row] of sampled.entries()) {
    assertEquals([row.truth, row.truth_rows, row.status], ["rows", 4 * 7 * 2, "ok"], row.case);
    assertEquals(row.density, whole[i].density);
    assert(row.rel_l2_low! <= row.rel_l2! && row.rel_l2! <= row.rel_l2_high!);
    if (row.method === "dense") continue;
    assert(row.rel_l2_low! <= whole[i].rel_l2! && whole[i].rel_l2! <= row.rel_l2_high!, `${row.case} misses`);
    assert(Math.abs(row.dropped_mass! - whole[i].dropped_mass!) < 0.1);
    assert(row.rel_l2_worst_row! <= whole[i].rel_l2_worst_row!);
    assert(row.ones_max_abs! < 1e-5 && row.paths_rel_l2! > 0 && row.paths_rel_l2! < 1e-5);
  }
});

Deno.test("truth: all rows of a block as a sample give what all rows give", async () => {
  const whole = await sweep(null), all = await sweep(null, ["--truth", "rows", "--truth-rows", "32"]);
  for (const [i, row] of all.entries()) {
    for (
      const name of [
        "rel_l2",
        "max_abs",
        "cosine",
        "dropped_mass",
        "rel_l2_worst_row",
        "rel_l2_worst_head",
      ] as const
    ) {
      assertAlmostEquals(row[name]!, whole[i][name]!, 1e-12, `${row.case} ${name}`);
    }
    for (const end of [row.rel_l2_low, row.rel_l2_high]) assertAlmostEquals(end!, row.rel_l2!, 1e-12);
  }
});

for (const truth of ["cpu", "rows"]) {
  const test = truth === "cpu"
    ? gpuTest
    : (name: string, work: (gpu: null) => Promise<void>) => Deno.test(name, () => work(null));
  test(`truth: groups of heads give the rows of all heads together, by ${truth}`, async (gpu: Gpu | null) => {
    const args = ["--truth", truth, "--methods", "psa,random"], whole = await sweep(gpu, args);
    const parts = await sweep(gpu, args, (input) => ({
      ...input,
      groups: [0, 1, 2].map((g) => ({
        firstHead: g === 0 ? 0 : g + 1,
        heads: g === 0 ? 2 : 1,
        load: async () => headsOf(await input.groups[0].load(), g === 0 ? [0, 1] : [g + 1], g === 0 ? 0 : 1),
      })),
    }));
    for (const [i, row] of parts.entries()) {
      assertEquals([row.case, row.status, row.heads], [whole[i].case, gpu ? "ok" : "no-gpu", 4]);
      assertAlmostEquals(row.density, whole[i].density, 1e-12);
      if (gpu === null) { // other rows are drawn
        assert(row.rel_l2_low! <= whole[i].rel_l2_high! && row.rel_l2_high! >= whole[i].rel_l2_low!);
        continue;
      }
      assert(row.gpu_ms_median! > 0);
      for (
        const name of ["rel_l2", "cosine", "dropped_mass", "rel_l2_worst_row", "rel_l2_head_spread"] as const
      ) {
        assertAlmostEquals(row[name]!, whole[i][name]!, 1e-12, `${row.case} ${name}`);
      }
      assertAlmostEquals(row.kernel_rel_l2!, whole[i].kernel_rel_l2!, 1e-9);
    }
  });
}

/** Some query heads, all of one key head. */
function headsOf({ q, k, v }: ReturnType<typeof makeWorkload>["qkv"], heads: number[], kvHead: number) {
  const take = ({ data, shape }: typeof q, first: number, count: number) => {
    const size = shape[2] * shape[3];
    return {
      data: data.slice(first * size, (first + count) * size),
      shape: [1, count, shape[2], shape[3]],
    } as typeof q;
  };
  return { q: take(q, heads[0], heads.length), k: take(k, kvHead, 1), v: take(v, kvHead, 1) };
}

gpuTest("truth: what is wrong in rows that were not sampled is found", async (gpu) => {
  const options = parseOptions([...ARGS, "--truth", "rows"], NAMES);
  const { inputs: [{ source, cases, options: variant }] } = await planSweep(options, { gpu });
  const [input] = await source.load(), qkv = await input.groups[0].load();
  const { given } = cases.find(({ given }) => given.method.name === "psa" && given.density < 1)!;
  const context = { options: variant, maker: cpuTruth("rows"), dense: null };
  const tokens = await arrangeGroup({ input, firstHead: 0, qkv }, given, context);
  const selection = given.method.select(tokens.inputs, given.density);
  assert("levels" in selection);
  using psa = await openCall(gpu, qkv, { causal: false, blockM: 32, blockN: 16, dtype: "f32" });
  const call = { gpu, psa }, { levels } = selection;
  const all = await runChecked(gpu, await psa.prepare(levels));
  const check = (data: typeof all.data) =>
    checkAllRows({ ...tokens, attended: [], call, keeps: true }, {
      ...{ levels, call, all: { ...all, data }, format: "f32" },
      bound: { relL2: 1e-5, maxAbs: 1e-5, lse: 1e-5 },
    });
  assertEquals((await check(all.data)).isRight, true);
  const { rows } = sampleQueryRows({ batch: 1, heads: 4, seqQ: 200 }, 32, { seed: 1, perBlock: 2 });
  const unseen = Array.from({ length: 200 }, (_, row) => row).find((row) => !rows[0].includes(row))!;
  const changed = (value: number) => {
    const data = all.data.slice();
    data[unseen * 16 + 3] = value;
    assertEquals(
      pickRows({ ...all, data }, tokens.rows!),
      pickRows(all, tokens.rows!),
      "no sampled row was changed",
    );
    return data;
  };
  const { nonFinite, isRight } = await check(changed(NaN));
  assertEquals([nonFinite, isRight], [1, false]);
  const other = await check(changed(all.data[unseen * 16 + 3] + 1));
  assert(other.pathsRelL2! > 1e-3 && !other.isRight);
});
