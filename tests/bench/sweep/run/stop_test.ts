/** A sweep on a device is asked to stop: it keeps cases whose errors are known, and `--resume` adds their times. */
import type { Gpu } from "../../../../kernels/device/gpu.ts";
import type { Method } from "../../../../reference/methods/method.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import { describeEnvironment } from "../../../../bench/sweep/files/environment.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { resumeRun } from "../../../../bench/sweep/earlier/resume.ts";
import { runPlan } from "../../../../bench/sweep/runner.ts";
import { readRun } from "../../../../bench/sweep/files/write.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { TemporaryFolder } from "../../../support/command.ts";
import { gpuTest } from "../../../support/stage_case.ts";

const ARGS = "--workload gaussian --seq 96 --dim 16 --densities .5 --block-m 32 --block-n 32 --tile 32"
  .split(" ");

/** A plan of three cases on a device. */
async function planOn(gpu: Gpu, seconds: number) {
  const args = [...ARGS, "--seconds", `${seconds}`];
  const options = parseOptions(args, METHODS.map(({ name }) => name)),
    plan = await planSweep(options, { gpu });
  const environment = await describeEnvironment(options, { gpu, record: plan.record, command: "" });
  return { plan, environment };
}

/** Runs it with something done at the choice of one of its cases. */
function withChoice(
  { inputs: [input] }: Awaited<ReturnType<typeof planOn>>["plan"],
  at: number,
  act: () => void,
) {
  const cases = input.cases.map((each, i) => {
    if (i !== at) return each;
    const { method } = each.given;
    const select = ((inputs, density) => {
      act();
      return method.select(inputs, density);
    }) as Method["select"];
    return { ...each, given: { ...each.given, method: { ...method, select } as Method } };
  });
  return { inputs: [{ ...input, cases }] };
}

gpuTest(
  "sweep: asked to stop before times, it keeps the judged cases, and goes on to their times",
  async (gpu) => {
    await using folder = new TemporaryFolder();
    const { plan, environment } = await planOn(gpu, 0.2), stop = new AbortController();
    const context = { gpu, environment, folder: folder.path };
    const stopping = withChoice(plan, 1, () => stop.abort());
    const run = await runPlan(stopping, { ...context, done: [], stop: stop.signal });
    const [first, ...others] = plan.inputs[0].cases.map(({ given }) => given.name);
    const kept = await readRun(folder.path);
    assertEquals([run.stopped, kept.rows.map((row) => row.case)], [true, [first]]);
    assertEquals([kept.rows[0].status, kept.rows[0].gpu_samples], ["ok", 0]);
    assertEquals([run.untimed, kept.environment.untimed], [[first], [first]]);
    const left = await resumeRun(folder.path, { environment, inputs: plan.inputs });
    assertEquals(left.untimed, [first]);
    const whole = await runPlan(plan, { ...context, ...left });
    assertEquals(whole.rows.map((row) => row.case), [first, ...others]);
    assert(whole.rows.every((row) => row.gpu_samples! > 0));
    assertEquals([whole.untimed, (await readRun(folder.path)).environment.untimed], [[], undefined]);
    assertEquals(whole.rows[0].rel_l2, kept.rows[0].rel_l2);
  },
);

gpuTest(
  "sweep: asked to stop while it takes times, it keeps all cases, with the times there are",
  async (gpu) => {
    await using folder = new TemporaryFolder();
    const { plan, environment } = await planOn(gpu, 60), stop = new AbortController();
    let submitted = -Infinity;
    const { queue } = gpu.device, submit = queue.submit.bind(queue);
    Object.defineProperty(queue, "submit", {
      value: (buffers: GPUCommandBuffer[]) => {
        if (++submitted === 60) stop.abort();
        submit(buffers);
      },
    });
    const last = plan.inputs[0].cases.length - 1;
    const run = await runPlan(withChoice(plan, last, () => submitted = 0), {
      ...{ gpu, environment, folder: folder.path, done: [], stop: stop.signal },
    });
    assert(stop.signal.aborted && run.stopped);
    assertEquals(run.rows.length, plan.inputs[0].cases.length);
    assert(run.rows.every(({ status }) => status === "ok"));
    assertEquals(run.untimed, run.rows.filter((row) => row.gpu_samples === 0).map((row) => row.case));
    assert(run.rows.some((row) => row.gpu_samples! < 64));
  },
);
