/** A sweep continues when the device fails: it opens the device again, repeats the failed cases once, and notes it in their rows. */
import { GpuError, InputError, makeWorkload } from "../../../../mod.ts";
import type { Gpu } from "../../../../kernels/device/gpu.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { RunDevice, statusOfFault } from "../../../../bench/sweep/run/device.ts";
import { openCall } from "../../../../bench/sweep/run/kernel.ts";
import { type RunContext, runInput } from "../../../../bench/sweep/run/run.ts";
import { assert, assertEquals, assertRejects } from "../../../support/assert.ts";
import { openTestGpu } from "../../../support/implementation.ts";
import { gpuTest } from "../../../support/stage_case.ts";

const ARGS =
  "--workload gaussian --seq 96 --dim 16 --densities .5 --block-m 32 --block-n 32 --tile 32 --seconds 1"
    .split(" ");

/** Runs a small sweep of one input. */
async function sweep(gpu: Gpu, context: Partial<RunContext>) {
  const options = parseOptions(ARGS, METHODS.map(({ name }) => name));
  const { inputs: [{ source, part, cases, options: variant }] } = await planSweep(options, { gpu });
  const input = (await source.load())[part];
  return (await runInput(input, cases, { options: variant, gpu, onProgress: () => {}, ...context })).rows;
}

gpuTest(
  "sweep: a device that is lost, after a case or during times, costs no row and no figure",
  async (gpu) => {
    const want = await sweep(gpu, {});
    assert(want.every(({ status }) => status === "ok"));
    for (const at of [1, want.length + 1]) {
      using doomed = await openTestGpu();
      let steps = 0, opened = 0;
      const rows = await sweep(doomed, {
        onProgress: () => {
          if (++steps === at) doomed.device.destroy();
        },
        open: () => {
          opened++;
          return openTestGpu();
        },
      });
      assertEquals(opened, 1, `lost at step ${at}`);
      for (const [i, row] of rows.entries()) {
        assertEquals([row.status, row.case, row.density], ["ok", want[i].case, want[i].density]);
        assertEquals([row.rel_l2, row.kernel_rel_l2], [want[i].rel_l2, want[i].kernel_rel_l2]);
        assert(row.gpu_samples! > 0 && row.gpu_ms_median! > 0);
      }
    }
  },
);

gpuTest(
  "sweep: devices that are lost each time give rows that say so, with the reference's figures",
  async (gpu) => {
    const want = await sweep(gpu, {});
    using doomed = await openTestGpu();
    doomed.device.destroy();
    const lost = async () => {
      const each = await openTestGpu();
      each.device.destroy();
      return each;
    };
    const rows = await sweep(doomed, { open: lost });
    assertEquals(rows.map(({ status }) => status), want.map(() => "lost"));
    assertEquals(rows.map(({ density }) => density), want.map(({ density }) => density));
    assert(rows.every((row) => row.gpu_ms_median === null && row.kernel_rel_l2 === null));
    assert(rows.every((row) => Number.isFinite(row.rel_l2)));
  },
);

gpuTest("sweep: with no device left the rows are skipped", async (gpu) => {
  gpu.device.destroy();
  const rows = await sweep(gpu, { open: () => Promise.reject(new InputError("no adapter")) });
  assertEquals(rows[0].status, "lost");
  assertEquals(new Set(rows.slice(1).map(({ status }) => status)), new Set(["skipped"]));
});

gpuTest("sweep: bad input is no fault: it is thrown at once, and not tried again", async (gpu) => {
  let tries = 0;
  using device = new RunDevice(gpu, { onReplaced: () => {} });
  await assertRejects(() =>
    device.attempt(() => {
      tries++;
      return Promise.reject(new InputError("bad"));
    }), InputError);
  assertEquals(tries, 1);
});

gpuTest(
  "sweep: numbers that overflow in float16 are named, and no kernel is called wrong for them",
  async (gpu) => {
    const { qkv } = makeWorkload("gaussian", { seqQ: 64, headDim: 16 });
    qkv.k.data[5] = 70000;
    const { live } = gpu;
    await assertRejects(
      () => openCall(gpu, qkv, { causal: false, blockM: 32, blockN: 32, dtype: "f16" }),
      InputError,
      "`k` holds 70000, which overflows when it is rounded to f16",
    );
    assertEquals(gpu.live.buffers, live.buffers);
  },
);

Deno.test("the status of a fault follows from its kind", () => {
  const of = (kind: GpuError["kind"]) => statusOfFault(new GpuError("", { kind, label: "" }));
  assertEquals([of("lost"), of("out-of-memory"), of("timeout"), statusOfFault(null)], [
    ...["lost", "failed", "failed", "skipped"] as const,
  ]);
});
