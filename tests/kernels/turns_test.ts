/** Calls side by side, and calls while something is closed: each gets its own results or a typed error. */
import { createPsa, GpuError, type Psa } from "../../mod.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { inputsOf, SMALL } from "../support/small_call.ts";
import { gpuTest } from "../support/stage_case.ts";

const inputs = [1, 2, 3, 4].map((seed) => inputsOf(SMALL, seed));

/** The results of a call for each of the inputs, one after the other. */
async function alone(psa: Psa) {
  const results = [];
  for (const each of inputs) results.push(await psa.forward(each));
  return results;
}

/** Asserts that a call is refused since what it was asked of is disposed of. */
async function assertDisposed(call: () => Promise<unknown>): Promise<void> {
  const error = await assertRejects(call, GpuError, "this Psa has been disposed of");
  assertEquals([error.kind, error.label], ["disposed", "this Psa"]);
}

gpuTest(
  "gpu: calls at the same time get their own results, on one Psa and on two of one device",
  async (gpu) => {
    using a = await createPsa(gpu, SMALL);
    using b = await createPsa(gpu, { ...SMALL, config: { ...SMALL.config, causal: true } });
    const want = [await alone(a), await alone(b)];
    const got = await Promise.all([a, b].map((psa) => Promise.all(inputs.map((each) => psa.forward(each)))));
    for (const [i, results] of got.entries()) {
      results.forEach((result, j) => {
        assertEquals(result.out, want[i][j].out, `call ${j} of Psa ${i}`);
        assertEquals(result.lse, want[i][j].lse);
        assertEquals(result.levels, want[i][j].levels);
      });
    }
  },
);

gpuTest(
  "gpu: a call of a prepared piece and one of another waits for its turn, inputs included",
  async (gpu) => {
    using psa = await createPsa(gpu, SMALL);
    const [first, second] = await alone(psa);
    await psa.load(inputs[0]);
    const call = await psa.prepare();
    const [prepared, other] = await Promise.all([call.forward(), psa.forward(inputs[1])]);
    assertEquals(prepared.out, first.out);
    assertEquals(other.out, second.out);
  },
);

gpuTest("gpu: error scopes of calls at the same time do not take each other's errors", async (gpu) => {
  using psa = await createPsa(gpu, SMALL);
  const [want] = await alone(psa);
  const wrong = () =>
    gpu.createPipeline("fn main() { this is no WGSL }", { label: "a kernel that is wrong" });
  for (let round = 0; round < 3; round++) {
    const [good, bad, again] = await Promise.allSettled([
      psa.forward(inputs[0]),
      wrong(),
      psa.forward(inputs[0]),
    ]);
    assertEquals(bad.status, "rejected");
    const { reason } = bad as PromiseRejectedResult;
    assert(reason instanceof GpuError);
    assertEquals([reason.kind, reason.label], ["compile", "a kernel that is wrong"]);
    for (const each of [good, again]) {
      assertEquals(each.status, "fulfilled");
      assertEquals((each as PromiseFulfilledResult<typeof want>).value.out, want.out);
    }
  }
});

gpuTest("gpu: calls during and after dispose are refused, and other Psas go on", async (gpu) => {
  using other = await createPsa(gpu, SMALL);
  const [want] = await alone(other), { live } = gpu;
  const psa = await createPsa(gpu, SMALL);
  const call = await psa.prepare();
  const running = psa.forward(inputs[0]), waiting = psa.forward(inputs[1]);
  psa[Symbol.dispose]();
  const beside = other.forward(inputs[0]);
  await assertDisposed(() => running);
  await assertDisposed(() => waiting);
  await assertDisposed(() => psa.forward(inputs[0]));
  await assertDisposed(() => psa.run(inputs[0]));
  await assertDisposed(() => psa.load(inputs[0]));
  await assertDisposed(() => psa.time());
  await assertDisposed(() => psa.prepare("dense"));
  await assertDisposed(() => call.forward());
  call.free();
  psa[Symbol.dispose]();
  assertEquals((await beside).out, want.out);
  assertEquals((await other.forward(inputs[0])).out, want.out);
  assertEquals(gpu.live.buffers, live.buffers);
});

gpuTest("gpu: a closed device refuses calls by name, however often it is closed", async (gpu) => {
  const psa = await createPsa(gpu, SMALL);
  const running = psa.forward(inputs[0]);
  gpu[Symbol.dispose]();
  gpu[Symbol.dispose]();
  for (const call of [() => running, () => psa.forward(inputs[0]), () => createPsa(gpu, SMALL)]) {
    const error = await assertRejects(call, GpuError, "The GPU was closed; open another one with openGpu.");
    assertEquals(error.kind, "disposed");
  }
  psa[Symbol.dispose]();
  assertEquals(gpu.live.buffers, 0);
});
