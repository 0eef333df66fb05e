/** Sums whose roundings are not independent: equal and nearly equal terms, and terms that are lost. */
import { seededRandom } from "../../../../mod.ts";
import { SINGLE, Sum } from "../../../../reference/judge/rounding/sum.ts";
import { assert } from "../../../support/assert.ts";

const TERMS = 16384;

/** Terms of a sum, each from a seeded normal number and its place. */
const HARD: Record<string, (x: number, at: number) => number> = {
  "equal": () => 0.7,
  "nearly equal": (x) => 0.7 + 1e-6 * x,
  "equal, not side by side": (_, at) => [0.7, 0.3, 0.1][at % 3],
  "one large, others lost": (x, at) => at === 0 ? 1e4 : 1e-4 * (1 + Math.abs(x)),
  "one large, others of half a unit": (_, at) => at === 0 ? 2 ** 20 : 0.0625 * (1 + at % 2 / 8),
  "a slow ramp": (_, at) => 0.3 + at / TERMS / 1000,
  "normal": (x) => x,
};

/** The error of a sum in single precision, one after the other, terms being exact. */
function error(terms: Float64Array): number {
  let rounded = 0, exact = 0;
  for (const term of terms) {
    rounded = Math.fround(rounded + term);
    exact += term;
  }
  return Math.abs(rounded - exact);
}

for (const [name, term] of Object.entries(HARD)) {
  Deno.test(`sum: errors of terms that are rounded alike stay inside, ${name}`, () => {
    const random = seededRandom(1);
    const terms = Float64Array.from({ length: TERMS }, (_, at) => Math.fround(term(random.normal(), at)));
    const sum = new Sum();
    for (const each of terms) sum.add(each);
    const bound = 5.58 * Math.sqrt(sum.variance(SINGLE)); // what a bound that fails once in 3e6 multiplies with
    for (const order of [terms, terms.toReversed(), terms.toSorted(), terms.toSorted().reverse()]) {
      assert(error(order) <= bound, `${error(order)} of ${bound}`);
    }
  });
}

Deno.test("sum: random terms are not taken to be alike: one of 4096 that is left out is seen", () => {
  const random = seededRandom(2), sum = new Sum();
  for (let at = 0; at < 4096; at++) sum.add(random.normal());
  assert(5.86 * Math.sqrt(sum.variance(SINGLE)) < 0.1, "a term has about 1");
});
