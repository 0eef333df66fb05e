/** Tuning by time: each choice gets the density at which it takes as long as psa, and the whole forward call is measured. */
import { formatTuned, parseTuned, type Tuned } from "../../../bench/tune/file.ts";
import { measureForward } from "../../../bench/tune/forward.ts";
import { openInputs, splitInputs } from "../../../bench/tune/inputs.ts";
import { ChoiceTimes, psaChoice, type TimeChoice } from "../../../bench/tune/times.ts";
import { choiceTimes } from "../../../bench/tune/times_on_device.ts";
import { tuneInputs, type TuneOptions } from "../../../bench/tune/tune.ts";
import type { Choice } from "../../../reference/config/tuned.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";
import { drawn } from "../../support/seed.ts";
import { gpuTest } from "../../support/stage_case.ts";

const PSA = psaChoice("raster", false), POOLED: Choice = { ...PSA, importance: "pooled" };
const SIZES = { workload: "video", seq: "128", dim: "16", heads: "2" };
const OPTIONS: TuneOptions = {
  blockM: 16,
  blockN: 16,
  density: 0.25,
  seed: 1,
  rounds: [1, 4],
  methods: ["ranked"],
};

/** Scoring by samples costs 2, means 5, a tile order 1; attention 100 at density 1. */
const time: TimeChoice = ({ importance, rest, order }, density) =>
  Promise.resolve(
    (importance === "sampled" ? 2 : 0) + (rest === "mean" ? 5 : 0) + (order === "tile" ? 1 : 0) +
      100 * density,
  );

Deno.test("times: a choice is asked for the density that takes as long as psa in the first order", async () => {
  const times = new ChoiceTimes(time, { density: 0.2, order: "raster", causal: false });
  assertEquals(await times.spend(PSA), { asked: 0.2, cost: 0.2 });
  const asked = async (choice: Choice) => (await times.spend(choice))!.asked;
  assertAlmostEquals(await asked(POOLED), 0.22);
  assertAlmostEquals(await asked({ ...POOLED, rest: "mean" }), 0.17);
  assertAlmostEquals(await asked({ ...PSA, order: "tile" }), 0.19);
  const { cost } = (await times.spend(POOLED, 0.44))!;
  assertAlmostEquals(cost, 0.4);
  const slow = new ChoiceTimes(
    async (choice, density) => await time(choice, density) + (choice.rest === "mean" ? 99 : 0),
    {
      ...{ density: 0.2, order: "raster", causal: false },
    },
  );
  assertEquals(await slow.spend({ ...POOLED, rest: "mean" }), null);
  const flat = new ChoiceTimes(() => Promise.resolve(1), { density: 0.2, order: "raster", causal: false });
  assertEquals(
    await flat.spend(POOLED),
    { asked: 0.2, cost: 0.2 },
    "where noise hides what density costs, density counts",
  );
});

Deno.test("times: tuning keeps the budget of time, and the file says so", async () => {
  const inputs = splitInputs(await openInputs(SIZES, [1, 2]), 0.5, 1);
  const times = new ChoiceTimes(time, { density: 0.25, order: "raster", causal: false });
  const tuned = await tuneInputs(inputs, { ...OPTIONS, budget: "time", times });
  assertEquals(parseTuned(formatTuned(tuned), "t.json").budget, "time");
  for (const { choice, asked, cost } of tuned.heads) {
    assertAlmostEquals(await time(choice, asked), await time(PSA, 0.25));
    assertAlmostEquals(cost, 0.25);
  }
  const names = tuned.proof.lines.map(({ name }) => name);
  assertEquals(
    names,
    ["tuned", "psa", "block-topk", "pooled-topk-mean"],
    "random has no kernel that chooses",
  );
});

if (drawn(0, 4)) { // a commit in four draws it
  gpuTest(
    "times: on the device the budget is measured, and the whole forward has error and time",
    async (gpu) => {
      const inputs = await openInputs({ ...SIZES, heads: "1" }, [1]),
        about = { blockM: 16, blockN: 16, density: 0.4, seed: 1 };
      const known: string[] = [];
      const times = await choiceTimes(gpu, inputs[0], {
        ...about,
        recall: async (name, make) => (known.push(name), await make()),
      });
      assertEquals(await times.spend(PSA), { asked: 0.4, cost: 0.4 });
      assertEquals(known.length, 1, "psa at the density, which is the budget");
      const threshold: Choice = { ...PSA, method: "xattention", importance: null, shares: null };
      assert((await times.spend(threshold, 0.3))!.cost > 0);
      const dense: Choice = { ...POOLED, shares: { 1: 1 } }, { shape } = inputs[0];
      const heads = shape.heads.map((head) => ({ head, choice: dense, asked: 1 }));
      const tuned = { shape, ...about, heads, baselineOrder: "raster" } as unknown as Tuned;
      const [psa, whole] = await measureForward(gpu, inputs[0], { tuned, psaAsked: 0.2, seconds: 0 });
      assertEquals([psa.name, whole.name, whole.density], ["psa", "tuned", 1]);
      assert(whole.error < 1e-5 && psa.error > 0.01 && psa.density < 0.3, `${whole.error} ${psa.error}`);
      assert(psa.time!.median > 0 && whole.time!.median > 0);
    },
  );
}
