/** Honest kernels are not called wrong: a few from the family of `deno task honest`, different ones for each commit. */
import { HARD_DATA } from "../../../fixtures/conformance/honest/hard.ts";
import { judgeHonest } from "../../../fixtures/conformance/honest/judging.ts";
import { ORDERS } from "../../../fixtures/conformance/honest/sums.ts";
import { ladderOf, seededRandom } from "../../../mod.ts";
import { assert } from "../../support/assert.ts";
import { TEST_SEED } from "../../support/seed.ts";

const QUICK = Object.keys(HARD_DATA).filter((name) => !/many rows|4K|16K/.test(name));
const SLOW = Object.keys(HARD_DATA).filter((name) => /many rows/.test(name));

for (const dtype of ["f32", "f16", "bf16"] as const) {
  Deno.test(`honest kernels are right in their own arithmetic, ${dtype}`, () => {
    const random = seededRandom(TEST_SEED, dtype.length);
    const draw = <T>(all: readonly T[]) => all[random.below(all.length)];
    const data = ladderOf(dtype).map((_, i) => i === 0 ? draw(SLOW) : draw(QUICK));
    ladderOf(dtype).forEach(({ name: arithmetic }, i) => {
      const verdict = judgeHonest(data[i], { dtype, arithmetic, orders: [draw(ORDERS)] });
      assert(!(verdict.share > 1), `${JSON.stringify(verdict)}, seed ${TEST_SEED}`);
    });
  });
}
