/**
 * The kernel with matrix units, on a machine that has none: it compiles in Dawn for all shapes of the suite, and, with
 * matrices that are emulated, gives what it should, also where the maxima of a sample do not do.
 */
import {
  attentionTolerance,
  compare,
  createPsa,
  type ForwardResult,
  openGpu,
  parseCase,
  pyramidAttention,
  type PyramidAttentionOptions,
  type Qkv,
  seededRandom,
  type Tensor,
  tensor,
} from "../../../mod.ts";
import { resolveCase } from "../../../fixtures/cases.ts";
import { suiteCases } from "../../../fixtures/conformance/suites.ts";
import { matrixCode, usesMatrices } from "../../../kernels/attention/matrix/code.ts";
import type { MatrixShape } from "../../../kernels/device/capabilities.ts";
import type { AttentionKernelOptions } from "../../../kernels/attention/variant.ts";
import { MATRIX_FEATURE } from "../../../kernels/device/open/backend.ts";
import { openDawn } from "../../../kernels/device/open/dawn.ts";
import { MATRIX_SHAPES } from "../../../kernels/device/probe/matrices.ts";
import { groupTokens } from "../../../kernels/lists/entry.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { checkAttention } from "../../support/attention_check.ts";
import { dawnNeed } from "../../support/dawn.ts";
import { emulatedMatrices, emulatedProducts } from "../../support/emulated_matrices.ts";
import { drawn } from "../../support/seed.ts";
import { testWith } from "../../support/skip.ts";

/** A device with matrix units, as NVIDIA's adapters tell of themselves. */
const DEVICE = {
  ...{ subgroupSize: 32, subgroupDirective: "", matrices: MATRIX_SHAPES[0] },
  limits: { maxComputeWorkgroupStorageSize: 49152 },
};

/** The options that decide the text of the kernel, for all attention of the standard suite: with lists and dense. */
function kernelsOfSuite(): AttentionKernelOptions[] {
  const all = suiteCases("standard", { dtype: "f16" }).filter(({ stage }) => stage === "attention").flatMap(
    (given) => {
      const { headDim, valueDim, blockM, blockN, causal, seqK, levels = "1" } = resolveCase(given);
      const group = groupTokens(levels.split(",").map(Number), blockN), shape = { headDim, valueDim };
      const call = {
        shape,
        blockM,
        causal: causal === true,
        dtype: "f16" as const,
      };
      const whole = seqK % 128 === 0;
      return [
        { ...call, group, dense: false, partial: !whole, whole, full: false },
        {
          ...call,
          group: 8 as const,
          dense: true,
          partial: false,
          whole: seqK % 8 === 0,
          full: seqK % 32 === 0,
        },
        ...(seqK % 32 === 0 && causal !== true
          ? [{
            ...{ ...call, group: 8 as const, dense: true, partial: false, whole: true, full: true },
            ...{ shared: "last" as const, headsInTurn: 2 },
          }]
          : []),
      ];
    },
  );
  return [...new Map(all.map((each) => [JSON.stringify(each), each])).values()];
}

testWith(await dawnNeed(), {
  name: "matrices: the kernel compiles in Dawn for every shape of the suite",
  ...{ sanitizeOps: false, sanitizeResources: false },
  fn: async () => {
    const adapter = await (await openDawn({ driver: "null" })).requestAdapter();
    const features = ["shader-f16", "subgroups", MATRIX_FEATURE] as GPUFeatureName[];
    const device = await adapter!.requestDevice({ requiredFeatures: features });
    const compile = async (code: string) => {
      device.pushErrorScope("validation");
      device.createShaderModule({ code });
      return (await device.popErrorScope())?.message;
    };
    const kernels = kernelsOfSuite().filter((options) => usesMatrices(DEVICE, options));
    assert(kernels.length > 30, `${kernels.length} kernels are few`);
    const [largest, ...others] = MATRIX_SHAPES;
    for (const [i, options] of kernels.entries()) {
      for (const product of [largest, others[i % others.length]]) {
        const name = JSON.stringify({ ...options, product });
        assertEquals(await compile(matrixCode(options, product)), undefined, name);
      }
    }
    const broken = matrixCode(kernels[0], largest).replace(
      "subgroupMatrixLoad<Left",
      "subgroupMatrixLoad<Right",
    );
    assert(await compile(broken) !== undefined, "a wrong kernel compiles");
    device.destroy();
  },
});

Deno.test("matrices: which calls run by them", () => {
  const call = {
    ...{ blockM: 128, dtype: "f16", dense: false, causal: false, partial: false, group: 8 } as const,
    shape: { headDim: 128, valueDim: 136 },
  };
  assert(usesMatrices(DEVICE, call));
  assert(!usesMatrices({ ...DEVICE, matrices: null }, call));
  assert(!usesMatrices(DEVICE, { ...call, dtype: "f32" }));
  assert(!usesMatrices(DEVICE, { ...call, shape: { headDim: 136, valueDim: 64 } }), "queries are too wide");
  assert(!usesMatrices({ ...DEVICE, limits: { maxComputeWorkgroupStorageSize: 32768 } }, call));
});

/** Keys that grow: the sampled maximum of most rows is far below theirs. Values behind the first 40 tokens are spoilt. */
function growingCall(
  shape: { seqQ: number; seqK: number; headDim: number; valueDim: number },
): Qkv<Float16Array<ArrayBuffer>> {
  const random = seededRandom(3), { seqQ, seqK, headDim, valueDim } = shape;
  const numbers = (tokens: number, dim: number, of: (token: number) => number) =>
    tensor(
      Float16Array.from({ length: tokens * dim }, (_, i) => of(Math.floor(i / dim))),
      [1, 1, tokens, dim],
    );
  const q = numbers(seqQ, headDim, (token) => (token % 3 === 0 ? 4 : 0.5) * (1 + 0.1 * random.normal()));
  const k = numbers(seqK, headDim, (token) => token / seqK * 3 + 0.1 * random.normal());
  const v = numbers(seqK, valueDim, () => random.normal());
  return { q, k, v };
}

/** Opens the method on emulated matrices, for one head whose dimensions are those of the growing call. */
async function openEmulated(
  { product, seqQ, seqK, causal, headDim = 16, valueDim = 24 }: {
    readonly product: MatrixShape;
    readonly seqQ: number;
    readonly seqK: number;
    readonly causal: boolean;
    readonly headDim?: number;
    readonly valueDim?: number;
  },
) {
  const shape = { batch: 1, heads: 1, kvHeads: 1, seqQ, seqK, headDim, valueDim };
  const options = { blockM: 32, blockN: 16, causal } as const;
  const gpu = await openGpu({ gpu: emulatedMatrices([product]) });
  assertEquals(gpu.info.matrices, product, "matrices are not emulated");
  const psa = await createPsa(gpu, {
    ...{ shape, dtype: "f16", levels: [1, 4], ready: [] },
    config: {
      ...{ ...options, tile: 16, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1 },
    },
  });
  assertEquals(psa.arithmetic, "queries in f16");
  return { gpu, psa, options, qkv: growingCall(shape) };
}

/** Asserts that a call gave what the reference gives. */
function assertRight(
  got: ForwardResult,
  { qkv, levels, options }: {
    readonly qkv: Qkv;
    readonly levels: Tensor<Int32Array>;
    readonly options: PyramidAttentionOptions;
  },
): void {
  const want = pyramidAttention(qkv, levels, options);
  const bound = attentionTolerance(qkv, levels, { ...options, dtype: "f16", accumulate: "f32" });
  const out = compare(got.out, want.out), lse = compare(got.lse, want.lse);
  assertEquals([out.nonFinite, lse.nonFinite], [0, 0]);
  assert(out.relL2 <= bound.relL2, `relative L2 ${out.relL2}, bound ${bound.relL2}`);
  assert(lse.maxAbs <= bound.lse, `log-sum-exp off by ${lse.maxAbs}, bound ${bound.lse}`);
}

/** Asserts that rows whose maximum the sample misses are right, and that what is not seen has no influence. */
async function checkGrowing(product: MatrixShape): Promise<void> {
  const call = await openEmulated({ product, seqQ: 72, seqK: 72, causal: true }), { psa, qkv } = call;
  using _gpu = call.gpu;
  using _psa = psa;
  const rows = Int32Array.from({ length: 15 }, (_, i) => [1, 1, 0, 1, 4][i % 5]);
  const levels = { data: rows, shape: [1, 1, 3, 5] };
  const clean = await psa.forward(qkv, { levels });
  assertRight(clean, { ...call, levels });
  const k = { ...qkv.k, data: qkv.k.data.slice().fill(NaN, 48 * 16) };
  const v = { ...qkv.v, data: qkv.v.data.slice().fill(Infinity, 48 * 24) };
  const got = await psa.forward({ q: qkv.q, k, v }, { levels });
  assertEquals(got.out.data.slice(0, 48 * 24), clean.out.data.slice(0, 48 * 24));
  assertEquals(got.lse.data.slice(0, 48), clean.lse.data.slice(0, 48));
  assert(got.out.data.slice(-24).every((x) => !Number.isFinite(x)), "the last row sees what is not finite");
  const last = { ...qkv.v, data: qkv.v.data.slice().fill(Infinity, 71 * 24) }; // scores are finite, and the row before sees none
  const own = await psa.forward({ ...qkv, v: last }, { levels });
  assertEquals(own.out.data.slice(0, 71 * 24), clean.out.data.slice(0, 71 * 24));
  assert(own.out.data.slice(-24).every((x) => x === Infinity), "the value of its own token");
}

for (const { product, by } of emulatedProducts(0)) {
  Deno.test(
    `matrices, emulated${by}: rows whose maximum the sample misses are right, and what is not seen has no influence`,
    () => checkGrowing(product),
  );
}

const WIDE = { seqQ: 32, seqK: 75, headDim: 72, valueDim: 72 };
const OTHERS = [
  { name: "wide heads, dense", sizes: WIDE, rows: null },
  { name: "wide heads, with lists", sizes: WIDE, rows: [4, 1, 0, 1, 1] },
  { name: "narrow heads, dense", sizes: { seqQ: 64, seqK: 75 }, rows: null },
] as const;

/** Products whose text does not take a device in software three times as long to compile. */
const QUICK = MATRIX_SHAPES.filter(({ K }) => K === 16);

// Each takes a device in software ten seconds to compile: a commit draws one.
for (const [i, { name, sizes, rows }] of OTHERS.entries()) {
  if (!drawn(i, OTHERS.length + 1)) continue;
  for (const { product, by } of emulatedProducts(1, QUICK)) {
    Deno.test(`matrices, emulated${by}: ${name}, with a tail of keys`, async () => {
      const call = await openEmulated({ ...sizes, product, causal: false }), { psa, qkv } = call;
      using _gpu = call.gpu;
      using _psa = psa;
      const levels = rows === null ? "dense" : { data: Int32Array.from(rows), shape: [1, 1, 1, 5] };
      const got = await psa.forward(qkv, { levels });
      assertRight(got, { ...call, levels: got.levels });
    });
  }
}

if (drawn(OTHERS.length, OTHERS.length + 1)) {
  Deno.test("matrices, emulated: in dense causal calls every query block of more heads than take turns is made once", async () => {
    using gpu = await openGpu({ gpu: emulatedMatrices() });
    const name = "attention B=1 H=18 Hk=9 Lq=70 Lk=75 D=16 bm=32 bn=16 dtype=f16 causal=true";
    await checkAttention(gpu, parseCase(name), { dense: true });
  });
}
