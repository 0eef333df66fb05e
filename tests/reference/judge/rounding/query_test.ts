/** Errors of stored queries: components that are rounded alike are off together, and so are all scores of a row. */
import { judgeHonest } from "../../../../fixtures/conformance/honest/judging.ts";
import { QueryErrors } from "../../../../reference/judge/rounding/query.ts";
import { seededRandom } from "../../../../mod.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { drawn } from "../../../support/seed.ts";

Deno.test("query errors: components that differ by a sign and a power of two are off by the same share", () => {
  const errors = new QueryErrors([3, -1.5, 5, 0, -5, 6], (x) => (0.01 * x) ** 2);
  assertEquals([...errors.groups], [0, 0, 1, 2, 1, 0]);
  assertEquals(errors.count, 3);
  const of = (...factors: number[]) => errors.variance(factors) * 1e4;
  const near = (got: number, want: number) => assert(Math.abs(got - want) < 1e-9, `${got}, not ${want}`);
  near(of(1, 0, 0, 0, 0, 0), 9);
  near(of(1, 2, 0, 0, 0, 1), (3 - 3 + 6) ** 2); // all off by 1 %: what cancels in the product cancels in its error
  near(of(0, 0, 1, 7, 1, 0), 0);
  near(of(1, 0, 1, 0, 0, 0), 9 + 25);
  near(errors.variance([9, 9, 1, 0, 0, 0, 0, 0], 2) * 1e4, 9);
});

Deno.test("query errors: components are independent where none are alike", () => {
  const random = seededRandom(2), query = Float64Array.from({ length: 9 }, random.normal);
  const factors = query.map(random.normal), errors = new QueryErrors(query, (x) => x * x);
  const want = query.reduce((sum, x, c) => sum + (x * factors[c]) ** 2, 0);
  assert(Math.abs(errors.variance(factors) / want - 1) < 1e-12);
});

const SHARED = [
  "slowly growing maximum, 16K",
  "queries of equal components, 16K",
  "scores that hardly vary, 16K",
];

for (const data of SHARED.filter((_, i) => drawn(i, SHARED.length))) {
  Deno.test(`query errors: what all scores share does not average out in the log-sum-exp, ${data}`, () => {
    const order = { name: "tiles of 64", tile: 64, inner: "ascending" } as const;
    const { share } = judgeHonest(data, { dtype: "f16", arithmetic: "queries in f16", orders: [order] });
    assert(share > 0.01 && share <= 0.7, `it takes ${share} of its bounds`);
  });
}
