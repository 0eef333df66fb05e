/** The warm-up of a measurement: how long it goes on. */
import { openGpu } from "../../../mod.ts";
import { timeWork } from "../../../kernels/device/work/timing.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Milliseconds of a warm-up that is long enough to be told from none. */
const LONG = 60;

/** Times work that does nothing: how often it was encoded, how many times were measured, how long all of it took. */
async function timed(
  gpu: Awaited<ReturnType<typeof openGpu>>,
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

gpuTest(
  "timing: a warm-up takes as long as was asked for, or until work is as fast as expected",
  async (gpu) => {
    const none = await timed(gpu, {}), whole = await timed(gpu, { warmUp: LONG });
    const fast = await timed(gpu, { warmUp: LONG, expected: Infinity });
    // on a busy machine a single run may take the whole warm-up
    assert(none.runs <= 4 && fast.runs > none.runs && whole.runs > none.runs, "a warm-up runs the work");
    assert(whole.took >= LONG, `a warm-up of ${LONG} ms took ${whole.took} ms`);
    if (gpu.info.nanosecondsPerTick > 0) assertEquals([none.runs, none.times, whole.times], [3, 3, 3]);
    const withoutTimestamps = new Proxy(gpu, {
      get: (of, name) => {
        if (name === "info") return { ...of.info, nanosecondsPerTick: 0 };
        const value = of[name as keyof typeof of];
        return typeof value === "function" ? value.bind(of) : value;
      },
    });
    const wall = await timed(withoutTimestamps, { warmUp: LONG });
    assert(wall.took >= LONG && wall.runs >= 4, `${wall.took} ms and ${wall.runs} runs`);
    assertEquals(wall.times, 1);
  },
);
