/** The bound on the norm of many errors holds, and is tight. */
import { normBound } from "../../../reference/judge/concentration.ts";
import { seededRandom } from "../../../mod.ts";
import { assert } from "../../support/assert.ts";
import { TEST_SEED } from "../../support/seed.ts";

const DRAWS = 20_000, FAILURE = 0.01;

Deno.test("norm: sums of squares are beyond the bound as seldom as they should be, and not much more seldom", () => {
  const random = seededRandom(TEST_SEED);
  for (const groups of [[1], [1, 1, 1, 1], [5, 1, 0.5, 0.1], new Array(40).fill(1), new Array(200).fill(1)]) {
    const bound = normBound([groups], FAILURE);
    let beyond = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const square = groups.reduce((sum, w) => sum + w * random.normal() ** 2, 0);
      if (Math.sqrt(square) > bound) beyond++;
    }
    const spread = Math.sqrt(DRAWS * FAILURE);
    assert(beyond <= DRAWS * FAILURE + 4 * spread, `${groups.length} groups: ${beyond} of ${DRAWS} beyond`);
    const mean = Math.sqrt(groups.reduce((sum, w) => sum + w, 0));
    assert(bound < 3.7 * mean, `${groups.length} groups: ${bound / mean}`);
  }
});

Deno.test("norm: parts that are the same are bounded as one, whatever they have to do with each other", () => {
  const random = seededRandom(TEST_SEED), parts = [[4, 1, 1], [1, 2]];
  const bound = normBound(parts, FAILURE);
  let beyond = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    // The worst case: the largest groups of both parts lie in one direction and have the same error.
    const [a, b, c] = [random.normal(), random.normal(), random.normal()];
    const square = (4 + 2) * a * a + (1 + 1) * b * b + c * c;
    if (Math.sqrt(square) > bound) beyond++;
  }
  assert(beyond <= DRAWS * FAILURE + 4 * Math.sqrt(DRAWS * FAILURE), `${beyond} of ${DRAWS} beyond`);
  assert(normBound(parts, FAILURE) > normBound([[5, 2, 2]], FAILURE));
});

Deno.test("norm: one group needs 5.86 deviations, and more than 64 are 64", () => {
  assert(Math.abs(normBound([[1]], 1e-6 / 3) - 5.86) < 0.02);
  const many = normBound([new Array(6400).fill(1 / 6400)], 1e-6 / 3);
  assert(Math.abs(many - normBound([new Array(64).fill(1 / 64)], 1e-6 / 3)) < 1e-9);
});
