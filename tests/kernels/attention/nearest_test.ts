/** The nearest codes on the device. The transform of whole numbers is exact, so the mask equals the reference's bit for bit. */
import {
  type MaskSelection,
  type MethodInputs,
  methodInputs,
  methodOf,
  type NearestCodes,
  nearestMask,
  type Qkv,
  seededRandom,
} from "../../../mod.ts";
import { InputError } from "../../../reference/errors.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** Whole numbers, with many codes that are equally near; 2 query heads a key head. */
function callOf(seqQ: number, seqK: number, dtype: "f32" | "f16", dim: number): Qkv {
  const random = seededRandom(3), Type = dtype === "f16" ? Float16Array : Float32Array;
  const draw = (heads: number, tokens: number) => ({
    data: new Type(heads * tokens * dim).map(() => Math.round(8 * random.normal())),
    shape: [1, heads, tokens, dim],
  });
  return { q: draw(4, seqQ), k: draw(2, seqK), v: draw(2, seqK) } as Qkv;
}

gpuTest("nearest: the device chooses the keys that adamas does", async (gpu) => {
  const cases = [
    { name: "adamas-published", causal: false, call: callOf(33, 300, "f32", 16) },
    { name: "adamas-scaled", causal: true, call: callOf(70, 70, "f16", 64) },
    { name: "adamas-scaled", causal: false, call: callOf(5, 8300, "f32", 8) }, // more than 256 words a row
  ];
  for (const { name, causal, call } of cases) {
    const inputs: MethodInputs = methodInputs(call, { blockM: 16, blockN: 16, causal });
    const { mask, rule } = methodOf(name).select(inputs, 0.2) as MaskSelection;
    using made = await nearestMask(gpu, call, rule as NearestCodes);
    const got = await made.choose();
    for (let head = 0; head < 4; head++) {
      const [, , seqQ] = mask.shape;
      assertEquals(
        got.rows(head, 0, seqQ),
        mask.rows(head, 0, seqQ),
        `${name}, causal ${causal}, head ${head}`,
      );
    }
    assert((await made.time()).milliseconds[0] > 0);
  }
});

gpuTest("nearest: what it cannot turn is refused in a sentence", async (gpu) => {
  const call = callOf(5, 40, "f32", 16),
    codes: NearestCodes = {
      kind: "nearest",
      thresholds: new Float64Array(12),
      seen: new Int32Array(5),
      counts: new Int32Array(5),
    };
  const refused = (qkv: Qkv, own: NearestCodes, sentence: string) =>
    assertRejects(() => nearestMask(gpu, qkv, own), InputError, sentence);
  await refused(
    callOf(5, 40, "f32", 24),
    codes,
    "The head dimension is 24; codes need a power of two from 8 to 256.",
  );
  await refused(
    call,
    { ...codes, counts: new Int32Array(4) },
    "`counts` holds 4 numbers; this call needs 5.",
  );
  await refused(
    { ...call, k: { ...call.k, data: Float64Array.from(call.k.data) } },
    codes,
    "`q` is f32 and `k` is f64",
  );
});
