/** Methods that choose masks or correct the output of attention run on kernels, are judged and timed. */
import { METHODS } from "../../../../mod.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { runInput } from "../../../../bench/sweep/run/run.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { gpuTest } from "../../../support/stage_case.ts";

const ARGS = ["--workload", "video", "--seq", "96", "--dim", "16", "--densities", ".3", "--seconds", "0.1"];
const SIZES = ["--block-m", "32", "--block-n", "16", "--methods"];

gpuTest("sweep: masks and corrections are run by their kernels, held to a bound, and timed", async (gpu) => {
  const options = parseOptions([...ARGS, ...SIZES, "moba,pisa"], METHODS.map(({ name }) => name));
  const { inputs: [{ source, part, cases, options: variant }] } = await planSweep(options, { gpu });
  const { rows } = await runInput((await source.load())[part], cases, {
    options: variant,
    gpu,
    onProgress: () => {},
  });
  assertEquals(rows.map(({ method, status }) => [method, status]), [["moba", "ok"], ["pisa", "ok"]]);
  for (const { method, timing, gpu_ms_median, kernel_rel_l2, kernel_bound, rel_l2, backend } of rows) {
    assert(gpu_ms_median! > 0 && timing !== "none" && backend !== "none", `${method} has no time`);
    assert(kernel_rel_l2! > 0 && kernel_rel_l2! < kernel_bound! && kernel_bound! < 1e-4, `${method}`);
    assert(rel_l2! > 100 * kernel_rel_l2!, `${method}: the error of the choice is ${rel_l2}`);
  }
});

gpuTest("sweep: a mask with no room on the device has errors, and no time", async (gpu) => {
  const options = parseOptions([...ARGS, ...SIZES, "moba"], METHODS.map(({ name }) => name));
  const { inputs: [{ source, part, cases, options: variant }] } = await planSweep(options, { gpu });
  using small = gpu.scope();
  small.info = { ...gpu.info, limits: { ...gpu.info.limits, maxStorageBuffersPerShaderStage: 7 } };
  const { rows } = await runInput((await source.load())[part], cases, {
    ...{ options: variant, gpu: small, onProgress: () => {} },
  });
  for (const { status, timing, kernel_rel_l2, rel_l2 } of rows) {
    assertEquals([status, timing, kernel_rel_l2], ["reference", "none", null]);
    assert(rel_l2! > 0);
  }
});
