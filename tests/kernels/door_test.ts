/** The door of the library in the hands of a stranger: every wrong call is one typed sentence, before anything runs. */
import { createPsa, createSlicedPsa, estimate, GpuError, InputError, openGpu, type Psa } from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../support/assert.ts";
import { openTestGpu } from "../support/implementation.ts";
import { inputsOf, SMALL } from "../support/small_call.ts";
import { gpuTest } from "../support/stage_case.ts";

/** The door without its types: what a program in JavaScript sees. */
type Untyped = (...args: unknown[]) => unknown;
const open = openGpu as Untyped, create = createPsa as Untyped, slice = createSlicedPsa as Untyped;
const guess = estimate as Untyped;

/** Values that are none of what the door takes; undefined is left out where it is a default. */
const WRONG: readonly unknown[] = [null, 0, "x", [], true, () => 1];
const { shape, config } = SMALL;
const qkv = inputsOf(SMALL);

/** Asserts that a call is refused with a sentence that has some words in it. */
async function assertRefused(call: () => unknown, words: string, what: string): Promise<void> {
  let given: unknown;
  try {
    given = await call();
  } catch (error) {
    assert(error instanceof InputError, `${what}: ${error}`);
    const { message } = error;
    assertStringIncludes(message, words, what);
    assert(message.length <= 400 && /^[^\n]*\.$/.test(message), `${what} is no sentence: ${message}`);
    return;
  }
  (given as Partial<Disposable> | undefined)?.[Symbol.dispose]?.();
  throw new Error(`${what} was accepted`);
}

/** Asserts that calls are refused, for each wrong value. */
async function refuseAll(name: string, words: string, call: (value: unknown) => unknown, values = WRONG) {
  for (const value of values) await assertRefused(() => call(value), words, `${name} of ${String(value)}`);
}

gpuTest("gpu: the door refuses wrong arguments of every function", async (gpu) => {
  for (const [name, make] of [["createPsa", create], ["createSlicedPsa", slice]] as const) {
    await refuseAll(name, "`gpu` is ", (value) => make(value, SMALL), [undefined, {}, ...WRONG]);
    await assertRefused(() => make(Promise.resolve(gpu), SMALL), "await it", `${name} of a promise`);
    await refuseAll(name, "The setup is ", (value) => make(gpu, value), [undefined, null, 0, "x", true]);
    for (const stray of ["causal", "dType", "scale"]) {
      const words = `\`${stray}\` is no part of a setup; the parts are shape, config, dtype`;
      await assertRefused(() => make(gpu, { ...SMALL, [stray]: true }), words, `${name} with ${stray}`);
    }
    for (const part of ["shape", "config"]) {
      await refuseAll(name, `\`${part}\` is `, (value) => make(gpu, { ...SMALL, [part]: value }));
    }
    for (const part of ["dtype", "levels", "firstHead", "ready"]) {
      const values = WRONG.filter((value) => !(part === "firstHead" && value === 0 || Array.isArray(value)));
      await refuseAll(name, `\`${part}\``, (value) => make(gpu, { ...SMALL, [part]: value }), values);
    }
    for (const size of Object.keys(shape)) {
      const values = [undefined, 0, -8, 1.5, NaN, Infinity, "8", null];
      await refuseAll(name, `\`${size}\``, (value) => {
        return make(gpu, { ...SMALL, shape: { ...shape, [size]: value } });
      }, values);
    }
    const of = (part: string, value: unknown) => ({ ...SMALL, config: { ...config, [part]: value } });
    await refuseAll(name, "blockM", (value) => make(gpu, of("blockM", value)), [undefined, 48, "64", null]);
    await refuseAll(name, "importance", (value) => make(gpu, of("importance", value)), [undefined, ...WRONG]);
    await refuseAll(name, "assignment", (value) => make(gpu, of("assignment", value)), [undefined, ...WRONG]);
    await refuseAll(name, "`levels` holds ", (value) => make(gpu, { ...SMALL, levels: [value] }), [
      3,
      -1,
      NaN,
      64,
    ]);
    await refuseAll(name, "`ready`", (value) => make(gpu, { ...SMALL, ready: value }), [["x"], "selected"]);
  }
  await refuseAll("estimate", "The setup is ", (value) => guess(value), [undefined, null, 0, "x", true]);
  await refuseAll("estimate", "The options are ", (value) => guess(SMALL, value));
  await refuseAll("estimate", "`gpu` is ", (value) => guess(SMALL, { gpu: value }), [null, {}, 0]);
  await refuseAll("openGpu", "The options are ", (value) => open(value));
  await refuseAll("openGpu", "`patience`", (value) => open({ patience: value }), [0, -1, NaN, "x", null]);
  await refuseAll("openGpu", "`gpu`", (value) => open({ gpu: value }), [0, "x", {}, null]);
  await refuseAll("openGpu", "`matrices`", (value) => open({ matrices: value }), [
    0,
    "16x16",
    "8x8x32",
    {},
    null,
  ]);
  await refuseAll("openGpu", "`onError`", (value) => open({ onError: value }), [0, "x", {}]);
  await assertRefused(
    () => open({ allowGL: true }),
    "`allowGL` is not an option here",
    "openGpu of a misspelt name",
  );
});

gpuTest(
  "gpu: forward, run and load refuse what are no inputs, and do not run on those before",
  async (gpu) => {
    using psa = await createPsa(gpu, { ...SMALL, ready: [] });
    const sliced = createSlicedPsa(gpu, SMALL);
    for (const call of [psa.forward, psa.run, psa.load, sliced.forward] as Untyped[]) {
      const of = (value: unknown) => call.call(psa, value);
      await refuseAll("inputs", "The inputs are ", of, [undefined, null, 0, "x", true]);
      await refuseAll("inputs", "`q` is undefined", of, [{}, []]);
      for (const name of ["q", "k", "v"] as const) {
        await refuseAll("inputs", `\`${name}\` is `, (value) => of({ ...qkv, [name]: value }), [
          undefined,
          ...WRONG,
        ]);
        const { data, shape } = qkv[name];
        const wrong = { data: data.subarray(1), list: [...data], f64: Float64Array.from(data) };
        await assertRefused(
          () => of({ ...qkv, [name]: { data, shape: shape.slice(1) } }),
          `\`${name}\` has shape`,
          name,
        );
        await assertRefused(
          () => of({ ...qkv, [name]: { data, shape: Uint32Array.from(shape) } }),
          `${name}.shape`,
          name,
        );
        await assertRefused(
          () => of({ ...qkv, [name]: { data: wrong.data, shape } }),
          "numbers; its shape",
          name,
        );
        await assertRefused(() => of({ ...qkv, [name]: { data: wrong.list, shape } }), `${name}.data`, name);
        await assertRefused(
          () => of({ ...qkv, [name]: { data: wrong.f64, shape } }),
          "convert it with",
          name,
        );
      }
    }
  },
);

gpuTest("gpu: options of calls, levels and measurements are looked at", async (gpu) => {
  using psa = await createPsa(gpu, { ...SMALL, ready: [] });
  const untyped = psa as unknown as Record<keyof Psa, Untyped>, sliced = createSlicedPsa(gpu, SMALL);
  const forward = (options: unknown) => untyped.forward(qkv, options);
  const inSlices = (options: unknown) => (sliced.forward as Untyped)(qkv, options);
  for (const call of [forward, inSlices]) {
    await refuseAll("options", "The options are ", call);
    await assertRefused(() => call({ level: "dense" }), "`level` is not an option here", "a misspelt option");
    await refuseAll("levels", "`levels` ", (levels) => call({ levels }));
    const levels = (data: Int32Array | Float32Array, shape = [1, 2, 3, 3]) => ({ levels: { data, shape } });
    await assertRefused(() => call(levels(new Int32Array(18).fill(3))), "`levels` holds 3", "a level of 3");
    await assertRefused(() => call(levels(new Float32Array(18))), "int32", "levels in f32");
    await assertRefused(() => call(levels(new Int32Array(17))), "numbers; its shape", "17 levels");
    await assertRefused(() => call(levels(new Int32Array(18), [2, 9])), "`levels` has shape", "two axes");
  }
  await refuseAll("prepare", "`levels` ", (value) => untyped.prepare(value));
  await refuseAll("time", "The options are ", (value) => untyped.time(value));
  await refuseAll("time", "`repetitions`", (value) => untyped.time({ repetitions: value }), [
    0,
    -1,
    1.5,
    NaN,
    "3",
    1e9,
  ]);
  await refuseAll("time", "`warmUp`", (value) => untyped.time({ warmUp: value }), [-1, NaN, Infinity, "x"]);
  await refuseAll("time", "`expected`", (value) => untyped.time({ expected: value }), [-1, NaN, "x"]);
  await assertRefused(() => untyped.time({ reps: 3 }), "`reps` is not an option here", "a misspelt option");
  const buffer = (size: number, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC) =>
    gpu.createBuffer("a stranger's", { size, usage });
  const [q, k, v] = [qkv.q, qkv.k, qkv.v].map(({ data }) => buffer(data.byteLength));
  await assertRefused(
    () => untyped.forward({ q, k: buffer(16), v }),
    "The buffer of `k` has 16 bytes",
    "small",
  );
  const unread = buffer(k.size, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
  await assertRefused(() => untyped.forward({ q, k: unread, v }), "lacks the usage COPY_SRC", "usage");
  await assertRefused(() => untyped.forward({ q, k: qkv.k, v }), "it should be a buffer, as `q` is", "mixed");
  await assertRefused(() => untyped.forward({ ...qkv, k }), "it should be { data, shape }", "mixed");
});

Deno.test("a setup that is wrong is told of the whole call, not of a slice of it", async () => {
  const info = { ...{ description: "", vendor: "", backend: "", features: [], subgroupSize: 0 } };
  const limits = new Proxy({}, { get: (_, name) => name === "maxStorageBufferBindingSize" ? 5000 : 1e6 });
  const gpu = { info: { ...info, subgroupDirective: "", nanosecondsPerTick: 0, limits } } as unknown as Gpu;
  const whole = { ...shape, batch: 2, heads: 4, kvHeads: 2 };
  for (
    const make of [
      () => slice(gpu, { shape: { ...whole, heads: 5 }, config }),
      () => guess({ shape: { ...whole, heads: 5 }, config }, { gpu }),
    ]
  ) {
    await assertRefused(make, "`heads` is 5; it should be a multiple of `kvHeads`, 2.", "five heads");
  }
  await assertRefused(
    () => slice(gpu, { shape: { ...whole, seqQ: 7000 }, config }),
    "A single key head of this call does not fit: `q` needs ",
    "a key head beyond the limit",
  );
});

gpuTest(
  "gpu: buffers that cannot be read are a typed error each, and the next call is right",
  async (gpu) => {
    using psa = await createPsa(gpu, SMALL);
    using elsewhere = await openTestGpu();
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const bufferOf = (device: GPUDevice, { byteLength }: Float32Array, options = {}) =>
      device.createBuffer({ size: byteLength, usage, ...options });
    const [q, k, v] = [qkv.q, qkv.k, qkv.v].map(({ data }) => bufferOf(gpu.device, data));
    const destroyed = bufferOf(gpu.device, qkv.k.data), { size } = destroyed;
    destroyed.destroy();
    const strange = {
      destroyed,
      mapped: bufferOf(gpu.device, qkv.k.data, { mappedAtCreation: true }),
      "of another device": bufferOf(elsewhere.device, qkv.k.data),
      "no buffer": { usage, size } as GPUBuffer,
    };
    for (const [what, bad] of Object.entries(strange)) {
      const { kind, message } = await assertRejects(
        () => psa.forward({ q, k: bad, v }),
        GpuError,
        "copying inputs: `k` is a buffer that this device cannot copy; it should be made by `gpu.device`",
      );
      assertEquals(kind, "validation", `${what}: ${message}`);
      assert(
        (await psa.forward({ q, k, v })).out.data.every(Number.isFinite),
        `after a buffer that is ${what}`,
      );
    }
    strange.mapped.unmap();
    psa[Symbol.dispose]();
    assertEquals(psa.extraBytes, 0);
  },
);

gpuTest(
  "gpu: a prepared call that was freed is refused by name, and is freed when it has run",
  async (gpu) => {
    using psa = await createPsa(gpu, { ...SMALL, ready: [] });
    await psa.load(qkv);
    const { live } = gpu, levels = { data: new Int32Array(18).fill(1), shape: [1, 2, 3, 3] };
    const call = await psa.prepare(levels), running = call.forward();
    call.free();
    call.free();
    assert((await running).out.data.every(Number.isFinite), "a call that was freed while it ran");
    assertEquals(gpu.live.buffers, live.buffers);
    for (const again of [() => call.forward(), () => call.run(), () => call.time()]) {
      const { kind } = await assertRejects(again, GpuError, "This call has been freed; prepare another one.");
      assertEquals(kind, "disposed");
    }
  },
);
