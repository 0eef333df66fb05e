/**
 * The library in the hands of somebody who gives it what they have.
 *
 * @module
 */
import { assert, assertEquals, assertRejects } from "@std/assert";
import * as door from "../../../mod.ts";
import {
  createPsa,
  InputError,
  makeWorkload,
  openGpu,
  pyramidAttention,
  type Qkv,
  tensor,
} from "../../../mod.ts";
import { move } from "./move.ts";

const SHAPE = { batch: 1, heads: 2, kvHeads: 2, seqQ: 128, seqK: 200, headDim: 32, valueDim: 32 };
const CONFIG = {
  blockM: 64,
  blockN: 64,
  tile: 32,
  importance: { kind: "pooled" },
  assignment: { mode: "density", density: 0.5 },
} as const;
const SETUP = { shape: SHAPE, config: CONFIG, levels: [0, 1, 2, 4, 8] };
/** Block 0 of head 0 and block 1 of head 1 are seen by nobody. */
const LEVELS = tensor(new Int32Array([0, 1, 2, 8, 0, 4, 1, 2, 1, 0, 2, 4, 2, 0, 8, 1]), [1, 2, 2, 4]);

/** The workload of the shape. */
function inputs(seed = 1): Qkv<Float32Array> {
  const { qkv } = makeWorkload("gaussian", { ...SHAPE, seed, dtype: "f32" });
  return qkv as Qkv<Float32Array>;
}

/** The same with NaN in the keys and values that nobody sees. */
function poisoned(): Qkv<Float32Array> {
  const qkv = inputs();
  for (const { data } of [qkv.k, qkv.v]) {
    data.fill(NaN, 0, 64 * 32);
    data.fill(NaN, (200 + 64) * 32, (200 + 128) * 32);
  }
  return qkv;
}

move("NaN in tokens that nobody sees does not reach the reference", () => {
  const options = { blockM: 64, blockN: 64 };
  const clean = pyramidAttention(inputs(), LEVELS, options),
    dirty = pyramidAttention(poisoned(), LEVELS, options);
  assertEquals(dirty.out.data, clean.out.data);
  return Promise.resolve();
});

move("NaN in tokens that nobody sees does not reach the kernel", async () => {
  using gpu = await openGpu();
  using psa = await createPsa(gpu, SETUP);
  const clean = await psa.forward(inputs(), { levels: LEVELS });
  const dirty = await psa.forward(poisoned(), { levels: LEVELS });
  assertEquals(dirty.out.data, clean.out.data);
});

move("two calls at once give what each gives alone, or are refused", async () => {
  using gpu = await openGpu();
  using psa = await createPsa(gpu, SETUP);
  const alone = [await psa.forward(inputs(1)), await psa.forward(inputs(2))];
  const both = await Promise.allSettled([psa.forward(inputs(1)), psa.forward(inputs(2))]);
  both.forEach((one, n) => {
    if (one.status === "fulfilled") assertEquals(one.value.out.data, alone[n].out.data);
    else {assert(
        one.reason instanceof InputError || /one call|busy|at once/.test(String(one.reason)),
        one.reason,
      );}
  });
});

move("a call after dispose is refused and harms no other", async () => {
  using gpu = await openGpu();
  const gone = await createPsa(gpu, SETUP);
  using stays = await createPsa(gpu, SETUP);
  gone[Symbol.dispose]();
  await assertRejects(async () => await gone.forward(inputs()), Error, "dispose");
  assertEquals((await stays.forward(inputs())).out.shape, [1, 2, 128, 32]);
});

/** Refused by an InputError that matches. */
async function assertThrows(call: () => unknown, says: RegExp): Promise<void> {
  const error = await assertRejects(async () => await call());
  assert(error instanceof InputError, String(error));
  assert(says.test(error.message) && error.message.length <= 300, error.message);
}

const FORWARDS:
  readonly (readonly [what: string, change: (qkv: Qkv<Float32Array>) => unknown, says: RegExp])[] = [
    [
      "100 numbers for a shape of 8192",
      (qkv) => ({ ...qkv, q: { ...qkv.q, data: qkv.q.data.slice(0, 100) } }),
      /100/,
    ],
    ["raw arrays", ({ q, k, v }) => ({ q: q.data, k: k.data, v: v.data }), /tensor|shape/],
    [
      "tokens before heads",
      (qkv) => ({ ...qkv, q: tensor(qkv.q.data, [1, 128, 2, 32]) }),
      /B, H, L, D|heads, (query )?tokens/i,
    ],
    ["nothing", () => undefined, /q|qkv/],
    ["no values", ({ q, k }) => ({ q, k }), /v/],
  ];
for (const [what, change, says] of FORWARDS) {
  move(`forward with ${what}`, async () => {
    using gpu = await openGpu();
    using psa = await createPsa(gpu, SETUP);
    await assertThrows(() => psa.forward(change(inputs()) as Qkv<Float32Array>), says);
  });
}

const SETUPS: readonly (readonly [what: string, setup: unknown, says: RegExp])[] = [
  ["the type fp16", { ...SETUP, dtype: "fp16" }, /fp16/],
  ["no config", { shape: SHAPE }, /config/],
  ["no shape", { config: CONFIG }, /shape/],
  ["the level 3", { ...SETUP, levels: [3] }, /3/],
  ["the level -1", { ...SETUP, levels: [-1] }, /-1/],
  ["the level NaN", { ...SETUP, levels: [NaN] }, /NaN/],
  ["the level 128 in blocks of 64", { ...SETUP, levels: [128] }, /128/],
  ["half a token", { ...SETUP, shape: { ...SHAPE, seqQ: 128.5 } }, /128\.5/],
];
for (const [what, setup, says] of SETUPS) {
  move(`createPsa with ${what}`, async () => {
    using gpu = await openGpu();
    await assertThrows(async () => {
      using _ = await createPsa(gpu, setup as Parameters<typeof createPsa>[1]);
    }, says);
  });
}

for (const name of ["judge", "diagnose", "estimate"]) {
  move(`${name} is in mod.ts`, () => {
    assertEquals(typeof (door as Record<string, unknown>)[name], "function");
    return Promise.resolve();
  });
}
