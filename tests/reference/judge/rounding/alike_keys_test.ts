/** Errors of stored pooled keys: components that are rounded alike do not average out in a product. */
import { judgeHonest } from "../../../../fixtures/conformance/honest/judging.ts";
import { AlikeKeys } from "../../../../reference/judge/rounding/alike_keys.ts";
import { seededRandom } from "../../../../mod.ts";
import { assert } from "../../../support/assert.ts";

const F16 = { unit: 2 ** -11 };
const DIM = 32, KEYS = 400;

/** Keys of each of which the components come from one number by a sign and a small factor. */
function keysOf(factor: (c: number, x: number) => number): Float64Array {
  const random = seededRandom(5), keys = new Float64Array(KEYS * DIM);
  for (let t = 0; t < KEYS; t++) {
    const x = 1 + random.uniform();
    for (let c = 0; c < DIM; c++) keys[t * DIM + c] = factor(c, x) * (random.uniform() < 0.5 ? -1 : 1);
  }
  return keys;
}

const random = seededRandom(6);
const KINDS = {
  "equal": keysOf((_, x) => x),
  "nearly equal": keysOf((c, x) => x + 1e-7 * c),
  "a power of two apart": keysOf((c, x) => x * 2 ** (c % 3)),
  "different": keysOf(() => 1 + random.uniform()),
};

for (const [kind, keys] of Object.entries(KINDS)) {
  Deno.test(`alike keys: the variance is that of roundings, components ${kind}`, () => {
    const query = new Float64Array(DIM), counts = new Int32Array(KEYS).fill(2);
    const errors = keys.map((x) => (F16.unit * x) ** 2 / 3);
    const pooled = new AlikeKeys({ keys, errors, counts, dim: DIM }, F16);
    let seen = 0, expected = 0;
    for (let t = 0; t < KEYS; t++) {
      let error = 0;
      for (let c = 0; c < DIM; c++) query[c] = Math.sign(keys[t * DIM + c]);
      for (let c = 0; c < DIM; c++) {
        const key = keys[t * DIM + c];
        error += query[c] * (new Float16Array([key])[0] - key);
      }
      seen += error ** 2;
      expected += pooled.variance(t, query);
    }
    // A number is rounded by half a unit of 1; expected is half a unit of the number, which is 1 to 2.
    assert(seen < expected && expected < 4 * seen, `seen ${seen}, expected ${expected}`);
  });
}

Deno.test("alike keys: a kernel that stores pooled keys of equal components in f16 is right", () => {
  const order = { name: "tiles of 64", tile: 64, inner: "ascending" } as const;
  const data = "pooled keys of equal components, many rows";
  const { share } = judgeHonest(data, { dtype: "f16", arithmetic: "f16 storage", orders: [order] });
  assert(share > 0.01 && share <= 0.7, `it takes ${share} of its bounds`);
});
