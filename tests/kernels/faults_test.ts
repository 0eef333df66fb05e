/** Faults of the device: each becomes one GpuError that names the fault, the place and the stage. */
import { createPsa, GpuError, type Psa } from "../../mod.ts";
import { Gpu } from "../../kernels/device/gpu.ts";
import { stageTimings } from "../../kernels/device/work/stage.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { inputsOf, replace, SMALL } from "../support/small_call.ts";
import { gpuTest } from "../support/stage_case.ts";

const qkv = inputsOf(SMALL);

/** Where a device is lost in a forward, and what is asked for then. */
const POINTS: Readonly<Record<string, (gpu: Gpu, psa: Psa) => Promise<unknown>>> = {
  "before it": (gpu, psa) => {
    gpu.device.destroy();
    return psa.forward(qkv);
  },
  "between load and prepare": async (gpu, psa) => {
    await psa.load(qkv);
    gpu.device.destroy();
    return await (await psa.prepare("dense")).forward();
  },
  "between prepare and run": async (gpu, psa) => {
    await psa.load(qkv);
    const call = await psa.prepare();
    gpu.device.destroy();
    return await call.run();
  },
  "between prepare and a measurement": async (gpu, psa) => {
    const call = await psa.prepare();
    gpu.device.destroy();
    return await call.time({ repetitions: 2 });
  },
  "at once after it began": (gpu, psa) => {
    const running = psa.forward(qkv);
    gpu.device.destroy();
    return running;
  },
  "while it runs": async (gpu, psa) => {
    const running = psa.forward(qkv);
    running.catch(() => {});
    for (let i = 0; i < 5; i++) await Promise.resolve();
    gpu.device.destroy();
    return await running;
  },
  "while it is read": async (gpu, psa) => {
    const restore = replace(gpu, "createBuffer", (own) => (options) => {
      if (options.label === "read-back") gpu.device.destroy();
      return own(options);
    });
    await psa.forward(qkv).finally(restore);
  },
  "when it was read, before that is looked at": async (gpu, psa) => {
    const restore = replace(gpu, "createBuffer", (own) => (options) => {
      const buffer = own(options), map = buffer.mapAsync.bind(buffer);
      const mapAndLose = (mode: GPUMapModeFlags) => map(mode).then(() => gpu.device.destroy());
      Object.defineProperty(buffer, "mapAsync", { value: mapAndLose });
      return buffer;
    });
    await psa.forward(qkv).finally(restore);
  },
};

for (const [when, work] of Object.entries(POINTS)) {
  gpuTest(`gpu: a device that is lost ${when} is one error of that kind, then and later`, async (gpu) => {
    const psa = await createPsa(gpu, SMALL);
    for (const call of [() => work(gpu, psa), () => psa.forward(qkv), () => createPsa(gpu, SMALL)]) {
      const error = await assertRejects(call, GpuError, "The GPU was lost while ");
      assertEquals(error.kind, "lost");
      assert(error.label.length > 0);
    }
    psa[Symbol.dispose]();
  });
}

gpuTest(
  "gpu: a shader that does not compile names kernel and stage, and the next call compiles",
  async (gpu) => {
    const { live } = gpu;
    const restore = replace(gpu, "createComputePipelineAsync", (own) => (description) => {
      if (description.label !== "work lists") return own(description);
      const compute = { ...description.compute, entryPoint: "nowhere" };
      return own({ ...description, compute });
    });
    const error = await assertRejects(() => createPsa(gpu, SMALL), GpuError, "work lists");
    assertEquals([error.kind, error.label, error.stage], ["compile", "work lists", "lists"]);
    assertEquals(gpu.live.buffers, live.buffers, "buffers of a failed createPsa");
    restore();
    using psa = await createPsa(gpu, SMALL);
    assert((await psa.forward(qkv)).out.data.every(Number.isFinite));
  },
);

gpuTest("gpu: a call that WebGPU refuses is a validation error with its label, once", async (gpu) => {
  using psa = await createPsa(gpu, SMALL);
  await psa.forward(qkv);
  psa.outputs.out.destroy();
  const error = await assertRejects(() => psa.forward(qkv), GpuError);
  assertEquals([error.kind, error.label], ["validation", "psa"]);
  using other = await createPsa(gpu, SMALL);
  assert((await other.forward(qkv)).out.data.every(Number.isFinite));
});

gpuTest(
  "gpu: no memory for a buffer names the buffer and its bytes, and frees what was made",
  async (gpu) => {
    const { live } = gpu;
    let asked = 0;
    const restoreBuffer = replace(gpu, "createBuffer", (own) => (options) => {
      asked = options.label === "work lists" ? 1 : 0;
      return own(options);
    });
    const restoreScope = replace(gpu, "popErrorScope", (own) => async () => {
      const isLists = asked-- === 1;
      return await own() ?? (isLists ? new GPUOutOfMemoryError("not enough memory left") : null);
    });
    const error = await assertRejects(
      () => createPsa(gpu, SMALL),
      GpuError,
      "There is no memory for work lists, ",
    );
    assertEquals([error.kind, error.label, error.stage], ["out-of-memory", "work lists", "lists"]);
    assertEquals(gpu.live.buffers, live.buffers);
    restoreBuffer();
    restoreScope();
    using psa = await createPsa(gpu, SMALL);
    assert((await psa.forward(qkv)).out.data.every(Number.isFinite));
  },
);

/** Makes the device report a call that is wrong, and waits until it has. */
async function reportWrong({ device }: Gpu): Promise<void> {
  const reported = new Promise((done) => device.addEventListener("uncapturederror", done, { once: true }));
  device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.STORAGE });
  await reported;
}

gpuTest("gpu: what is reported while nobody waits is thrown by the next call, once", async (gpu) => {
  using psa = await createPsa(gpu, SMALL);
  await reportWrong(gpu);
  const error = await assertRejects(() => psa.forward(qkv), GpuError, "The GPU reported an error while ");
  assertEquals(error.kind, "validation");
  assert((await psa.forward(qkv)).out.data.every(Number.isFinite));
});

gpuTest("gpu: what was reported before a kernel is compiled is no fault of the kernel", async (gpu) => {
  await reportWrong(gpu);
  const compile = () => gpu.createPipeline("@compute @workgroup_size(1) fn main() {}", { label: "a kernel" });
  const { kind, label } = await assertRejects(compile, GpuError, "The GPU reported an error while ");
  assertEquals(kind, "validation");
  assert(label !== "a kernel");
  await compile();
});

gpuTest("gpu: a device that never answers is an error after the time that was asked for", async (gpu) => {
  using impatient = new Gpu(gpu.device, gpu.info, { patience: 30 });
  // the sentence tells which time ran out; no clock is read
  const error = await assertRejects(
    () => impatient.wait(new Promise(() => {}), { label: "a kernel" }),
    GpuError,
    "a kernel did not finish within 0.03 seconds; the device hangs or is far too slow.",
  );
  assertEquals([error.kind, error.label], ["timeout", "a kernel"]);
});

Deno.test("a timestamp that runs backwards is not 0 ms: its stage and the total are not known", () => {
  const stages = (["pyramid", "lists", "attention"] as const).map((name) => ({ name }));
  const timings = stageTimings(stages, [1, -3, 2]);
  assertEquals([timings.pyramid, timings.lists, timings.attention, timings.total], [1, NaN, 2, NaN]);
  assertEquals(stageTimings(stages, [1, 0, 2]).total, 3);
});

gpuTest(
  "gpu: errors are sentences about the project, never those of the implementation alone",
  async (gpu) => {
    const psa = await createPsa(gpu, SMALL);
    gpu.device.destroy();
    const { name, message } = await assertRejects(() => psa.forward(qkv), GpuError);
    assertEquals(name, "GpuError");
    assertStringIncludes(message, "The GPU was lost");
    psa[Symbol.dispose]();
  },
);
