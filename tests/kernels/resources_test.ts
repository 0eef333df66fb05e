/** Long runs: every call frees its resources, and results do not depend on earlier calls. */
import { createPsa, type PsaSetup } from "../../mod.ts";
import { poison } from "../../kernels/device/poison.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { openTestGpu } from "../support/implementation.ts";
import { inputsOf, SMALL } from "../support/small_call.ts";
import { gpuTest } from "../support/stage_case.ts";

/** The long form: PSA_LONG=1 in the environment. */
const LONG = Deno.env.get("PSA_LONG") === "1";
const [FORWARDS, OPENINGS, SHAPES] = LONG ? [1000, 200, 50] : [40, 3, 4];

/** The smallest call that has a pyramid. */
const TINY: PsaSetup = {
  shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 16, seqK: 32, headDim: 8, valueDim: 8 },
  config: {
    ...{ blockM: 16, blockN: 16, tile: 16, importance: { kind: "pooled" } },
    assignment: { mode: "density", density: 0.5, shares: { 2: 1 } },
  },
};

gpuTest(`gpu: ${FORWARDS} forwards leave no buffer and no pipeline behind`, async (gpu) => {
  using psa = await createPsa(gpu, TINY);
  const qkv = inputsOf(TINY), { levels, out } = await psa.forward(qkv);
  await psa.forward(qkv, { levels });
  const before = gpu.live, { extraBytes } = psa;
  for (let i = 0; i < FORWARDS; i++) {
    const got = await psa.forward(qkv, i % 2 === 0 ? {} : { levels });
    if (i % 10 === 0) assertEquals(got.out, out);
  }
  assertEquals(gpu.live, before);
  assertEquals(psa.extraBytes, extraBytes);
});

gpuTest(`gpu: ${SHAPES} shapes, opened and closed, leave no buffer behind`, async (gpu) => {
  const before = gpu.live;
  for (let i = 0; i < SHAPES; i++) {
    const setup = { ...TINY, shape: { ...TINY.shape, seqQ: 16 + i, seqK: 32 + 3 * i } };
    using psa = await createPsa(gpu, setup);
    assert((await psa.forward(inputsOf(setup))).out.data.every(Number.isFinite));
    assert(gpu.live.buffers > before.buffers);
  }
  assertEquals([gpu.live.buffers, gpu.live.bytes], [before.buffers, before.bytes]);
});

gpuTest("gpu: no more than 128 kernels are kept", async (gpu) => {
  for (let i = 0; i < 150; i++) {
    await gpu.createPipeline(`@compute @workgroup_size(1) fn main() { _ = ${i}u; }`, {
      label: `kernel ${i}`,
    });
  }
  assertEquals(gpu.live.pipelines, 128);
});

Deno.test(`gpu: a device is opened and closed ${OPENINGS} times, and works each time`, async () => {
  for (let i = 0; i < OPENINGS; i++) {
    const gpu = await openTestGpu();
    using psa = await createPsa(gpu, TINY);
    assert((await psa.forward(inputsOf(TINY))).out.data.every(Number.isFinite));
    gpu[Symbol.dispose]();
    assertEquals(gpu.live.buffers, 0);
  }
});

for (const dtype of ["f32", "f16"] as const) {
  gpuTest(`gpu: the same inputs give the same bits, whatever ran before: ${dtype}`, async (gpu) => {
    const setup = { ...SMALL, dtype, levels: [8] }, qkv = inputsOf(setup), other = inputsOf(setup, 9);
    using psa = await createPsa(gpu, setup);
    const first = await psa.forward(qkv);
    for (const name of ["q", "k", "v"] as const) poison(gpu, psa.inputs[name]);
    await psa.forward(other, { levels: "dense" });
    const levels = { data: first.levels.data.slice().fill(8), shape: first.levels.shape };
    await psa.forward(other, { levels });
    poison(gpu, psa.outputs.out);
    const again = await psa.forward(qkv);
    using fresh = await openTestGpu();
    using anew = await createPsa(fresh, setup);
    for (const { out, lse, levels, density } of [again, await anew.forward(qkv)]) {
      assertEquals([out, lse, levels, density], [first.out, first.lse, first.levels, first.density]);
    }
  });
}

gpuTest("gpu: createPsa leaves nothing to compile for the first forward", async (gpu) => {
  let compiled = 0, modules = 0;
  const { device } = gpu, own = device.createShaderModule.bind(device);
  Object.defineProperty(device, "createShaderModule", {
    value: (description: GPUShaderModuleDescriptor) => {
      modules++;
      return own(description);
    },
  });
  for (const ready of [["selected"], ["dense"], ["selected", "dense"]] as const) {
    using psa = await createPsa(gpu, { ...SMALL, ready });
    compiled = modules;
    const submitted = psa.extraBytes;
    for (const kind of ready) {
      await psa.forward(inputsOf(SMALL), kind === "dense" ? { levels: "dense" } : {});
    }
    assertEquals(modules, compiled, `kernels were compiled by the first forward of ${ready}`);
    assertEquals(psa.extraBytes, submitted, "buffers were made by the first forward");
  }
  assert(modules > 0);
});
