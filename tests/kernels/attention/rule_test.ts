/** Rules of keys on the device: the bits are those of the method's mask, and calls give what they give for that mask. */
import {
  createPsa,
  type KeyRule,
  type MaskSelection,
  methodInputs,
  methodOf,
  type Qkv,
} from "../../../mod.ts";
import { readMask } from "../../../kernels/attention/masked/bits.ts";
import { buildRule } from "../../../kernels/attention/masked/rule.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { submitPass } from "../../../kernels/device/work/pass.ts";
import { poison } from "../../../kernels/device/poison.ts";
import { upload } from "../../../kernels/device/transfer.ts";
import { InputError } from "../../../reference/errors.ts";
import { seededRandom } from "../../../reference/random.ts";
import { attentionShape } from "../../../reference/tensor.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** One call, whose 4 query heads share 2 key heads. */
interface RuleCase {
  readonly method: string;
  readonly causal: boolean;
  readonly seqQ: number;
  readonly seqK: number;
  readonly dim: number;
  readonly blockN: number;
  readonly dtype: "f32" | "f16";
}

/** Whole numbers, whose products are exact, with many that are equal, at a scale of 1/4 or 1/8; blocks at the end have 2^n keys. */
function callOf({ seqQ, seqK, dim, dtype }: RuleCase): Qkv {
  const random = seededRandom(5), Type = dtype === "f16" ? Float16Array : Float32Array;
  const draw = (heads: number, tokens: number) => ({
    data: new Type(heads * tokens * dim).map(() => Math.round(2 * random.normal())),
    shape: [1, heads, tokens, dim],
  });
  return { q: draw(4, seqQ), k: draw(2, seqK), v: draw(2, seqK) } as Qkv;
}

const CASES: readonly RuleCase[] = [
  { method: "moba", causal: true, seqQ: 100, seqK: 104, dim: 16, blockN: 16, dtype: "f32" },
  { method: "moba", causal: false, seqQ: 33, seqK: 272, dim: 64, blockN: 64, dtype: "f16" },
  { method: "token-topk", causal: false, seqQ: 21, seqK: 300, dim: 16, blockN: 16, dtype: "f32" },
  { method: "token-topk", causal: true, seqQ: 40, seqK: 37, dim: 16, blockN: 16, dtype: "f16" },
  { method: "token-topk", causal: false, seqQ: 3, seqK: 8300, dim: 16, blockN: 16, dtype: "f32" }, // more than 256 words a row
  { method: "ssa", causal: true, seqQ: 70, seqK: 400, dim: 16, blockN: 16, dtype: "f32" },
  { method: "adamas-scaled", causal: true, seqQ: 40, seqK: 37, dim: 16, blockN: 16, dtype: "f16" },
];

/** The choice of a method, for a call. */
function chosen(given: RuleCase, qkv: Qkv): MaskSelection & { readonly rule: KeyRule } {
  const inputs = methodInputs(qkv, { blockM: 32, blockN: given.blockN, causal: given.causal });
  return methodOf(given.method).select(inputs, 0.23) as MaskSelection & { readonly rule: KeyRule };
}

gpuTest(
  "rules: the device chooses the keys that methods do, all at once or a few queries at a time",
  async (gpu) => {
    for (const given of CASES) {
      const qkv = callOf(given), shape = attentionShape(qkv), { mask, rule } = chosen(given, qkv);
      for (const scoreBytes of [undefined, 4 * 3 * 2 * shape.seqK]) { // the other: 3 queries of 2 heads, of keys
        using scope = gpu.scope();
        const [q, k, v] = (["q", "k", "v"] as const).map((name) => {
          const buffer = scope.createBuffer(name, { size: qkv[name].data.byteLength });
          upload(scope, buffer, { data: qkv[name].data as Float32Array<ArrayBuffer> });
          return buffer;
        });
        const scale = 1 / Math.sqrt(given.dim);
        const made = await buildRule(scope, { shape, dtype: given.dtype, scale, q, k, v, scoreBytes }, rule);
        poison(scope, made.mask);
        await submitPass(scope, made.encodes, { label: "rule" });
        const got = await readMask(scope, made, shape);
        for (let head = 0; head < 4; head++) {
          const what = `${JSON.stringify(given)}, head ${head}, ${scoreBytes} bytes`;
          assertEquals(got.rows(head, 0, given.seqQ), mask.rows(head, 0, given.seqQ), what);
        }
      }
    }
  },
);

gpuTest("rules: a call that chooses keys gives what it gives for their mask, tails and all", async (gpu) => {
  for (const at of [0, 4, 5]) await checkCall(gpu, CASES[at]);
});

/** Compares outputs, levels and density, bit for bit: the work lists are the same. */
async function checkCall(gpu: Gpu, given: RuleCase): Promise<void> {
  const { causal, blockN } = given, qkv = callOf(given), { mask, rule } = chosen(given, qkv);
  using psa = await createPsa(gpu, {
    shape: attentionShape(qkv),
    dtype: given.dtype,
    ready: [],
    config: {
      ...{ blockM: 32, blockN, tile: blockN, causal, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    },
  });
  await psa.load(qkv);
  const want = await (await psa.prepare({ mask })).forward(), call = await psa.prepare({ rule });
  const made = call.stages.flatMap(({ outputs }) => Object.values<GPUBuffer>(outputs));
  made.forEach((buffer) => poison(gpu, buffer));
  for (let run = 0; run < 2; run++) { // lists of a second run are made anew
    const { out, lse, levels, density } = await call.forward();
    assertEquals([levels, density], [want.levels, want.density]);
    assertEquals(out.data, want.out.data);
    assertEquals(lse.data, want.lse.data);
  }
  const refused = (rule: unknown, message: string) =>
    assertRejects(() => psa.prepare({ rule } as { rule: KeyRule }), InputError, message);
  await refused(
    null,
    '`rule` is null; its kind should be "nearest", "best", "listed", "either", "gated", "changed" or "levels".',
  );
  await refused(
    { ...rule, kind: "worst" },
    '`rule` is "worst"; its kind should be "nearest", "best", "listed", "either", "gated", "changed" or "levels".',
  );
  await refused({ ...rule, unit: 20 }, "`unit` is 20; it should be 1 or a multiple of 16.");
  await refused(
    { ...rule, counts: new Int32Array(2) },
    `\`counts\` holds 2 numbers; this call needs ${given.seqQ}.`,
  );
  assert((await call.time()).milliseconds[0] > 0);
}
