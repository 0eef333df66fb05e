import { compare, InputError, tensor } from "../../../mod.ts";
import { assertAlmostEquals, assertEquals, assertThrows } from "../../support/assert.ts";

const vector = (...numbers: number[]) => tensor(new Float64Array(numbers), [numbers.length]);

Deno.test("compare: relative L2 is over the truth, the second argument", () => {
  const { relL2, maxAbs, cosine, nonFinite } = compare(vector(3, 4.5), vector(3, 4));
  assertAlmostEquals(relL2, 0.1, 1e-15);
  assertEquals(maxAbs, 0.5);
  assertAlmostEquals(cosine, (9 + 18) / (5 * Math.hypot(3, 4.5)), 1e-15);
  assertEquals(nonFinite, 0);
});

Deno.test("compare: equal tensors are at distance 0 at cosine 1, also when they are zero", () => {
  assertEquals(compare(vector(0, 0), vector(0, 0)), { relL2: 0, maxAbs: 0, cosine: 1, nonFinite: 0 });
  assertEquals(compare(vector(2, -4), vector(2, -4)), { relL2: 0, maxAbs: 0, cosine: 1, nonFinite: 0 });
});

Deno.test("compare: anything is infinitely far from a truth of zeros; zeros are at distance 1 from any truth", () => {
  assertEquals(compare(vector(1, 0), vector(0, 0)), { relL2: Infinity, maxAbs: 1, cosine: 0, nonFinite: 0 });
  assertEquals(compare(vector(0, 0), vector(0, 7)), { relL2: 1, maxAbs: 7, cosine: 0, nonFinite: 0 });
});

Deno.test("compare: opposite tensors have cosine -1 and distance 2", () => {
  const { relL2, cosine } = compare(vector(-1, -2), vector(1, 2));
  assertEquals(relL2, 2);
  assertAlmostEquals(cosine, -1, 1e-15);
});

Deno.test("compare: equal infinities agree, as in the lse of rows that see nothing", () => {
  const same = compare(vector(-Infinity, 1), vector(-Infinity, 1));
  assertEquals(same, { relL2: 0, maxAbs: 0, cosine: 1, nonFinite: 0 });
});

Deno.test("compare: a non-finite value that the truth does not have counts, and no bound accepts it", () => {
  for (const bad of [NaN, Infinity, -Infinity]) {
    const { relL2, maxAbs, nonFinite } = compare(vector(bad, 1), vector(1, 1));
    assertEquals([relL2, maxAbs, nonFinite], [Infinity, Infinity, 1]);
  }
  assertEquals(compare(vector(Infinity, NaN), vector(-Infinity, NaN)).nonFinite, 2);
});

Deno.test("compare: a finite value where the truth is infinite is not accepted either", () => {
  const { relL2, maxAbs, nonFinite } = compare(vector(0, 1), vector(-Infinity, 1));
  assertEquals([relL2, maxAbs, nonFinite], [Infinity, Infinity, 0]);
});

Deno.test("compare: tiny and huge values neither vanish nor overflow", () => {
  assertAlmostEquals(compare(vector(3e-200, 4.4e-200), vector(3e-200, 4e-200)).relL2, 0.08, 1e-12);
  assertAlmostEquals(compare(vector(3e200, 4.4e200), vector(3e200, 4e200)).relL2, 0.08, 1e-12);
});

Deno.test("compare: element types may differ, shapes may not", () => {
  assertEquals(compare(tensor(new Float16Array([0.5]), [1]), vector(0.5)).relL2, 0);
  assertThrows(
    () => compare(tensor(new Float64Array(6), [2, 3]), tensor(new Float64Array(6), [3, 2])),
    InputError,
    "`got` has shape [2,3]; it should have the shape of `want`, [3,2].",
  );
});
