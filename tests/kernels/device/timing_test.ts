/** The warm-up of a measurement: how long it goes on. */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { buildKernel } from "../../../kernels/device/work/kernel.ts";
import { timeWork } from "../../../kernels/device/work/timing.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Milliseconds of a warm-up that is long enough to be told from none. */
const LONG = 60;

/** Times work that does nothing: how often it was encoded, how many times were measured, how long all of it took. */
async function timed(
  gpu: Gpu,
  options: { warmUp?: number; expected?: number },
) {
  let runs = 0;
  const begin = performance.now();
  const { milliseconds } = await timeWork(gpu, () => runs++, {
    label: "nothing",
    repetitions: 3,
    ...options,
  });
  return { runs, times: milliseconds.length, took: performance.now() - begin };
}

/** A device whose timestamps count by another tick. */
function withTicks(gpu: Gpu, nanosecondsPerTick: number): Gpu {
  return new Proxy(gpu, {
    get: (of, name) => {
      if (name === "info") return { ...of.info, nanosecondsPerTick };
      const value = of[name as keyof typeof of];
      return typeof value === "function" ? value.bind(of) : value;
    },
  });
}

/** A kernel that takes milliseconds in software. */
const SLOW = `@group(0) @binding(0) var<storage, read_write> sums: array<f32>;
@compute @workgroup_size(1) fn main() {
  var sum = sums[0];
  for (var i = 0u; i < 1000000u; i++) { sum = fma(sum, 0.999, 1.0); }
  sums[0] = sum;
}`;

gpuTest("timing: timestamps that lie too close together make no warm-up long", async (gpu) => {
  const buffer = gpu.createBuffer("sums", { size: 16 });
  const encode = await buildKernel(gpu, SLOW, { label: "slow", buffers: [buffer], workgroups: [1] });
  let runs = 0;
  await timeWork(withTicks(gpu, 1e-9), (pass) => (runs++, encode(pass)), { label: "slow", warmUp: LONG });
  assert(runs > 2 && runs < 500, `${runs} runs, which take milliseconds each, warm up for ${LONG} ms`);
  gpu.destroyBuffer(buffer);
});

gpuTest(
  "timing: a warm-up takes as long as was asked for, or until work is as fast as expected",
  async (gpu) => {
    const none = await timed(gpu, {}), whole = await timed(gpu, { warmUp: LONG });
    const fast = await timed(gpu, { warmUp: LONG, expected: Infinity });
    // on a busy machine a single run may take the whole warm-up
    assert(none.runs <= 4 && fast.runs > none.runs && whole.runs > none.runs, "a warm-up runs the work");
    assert(whole.took >= LONG, `a warm-up of ${LONG} ms took ${whole.took} ms`);
    if (gpu.info.nanosecondsPerTick > 0) assertEquals([none.runs, none.times, whole.times], [3, 3, 3]);
    const wall = await timed(withTicks(gpu, 0), { warmUp: LONG });
    assert(wall.took >= LONG && wall.runs >= 4, `${wall.took} ms and ${wall.runs} runs`);
    assertEquals(wall.times, 1);
  },
);
