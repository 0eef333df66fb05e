/** docs/choosing.md: its tables, the advice of each cell, and the measurements behind them. */
import {
  CHOOSING_PARTS,
  type ChoosingRow,
  crossTune,
  type CrossTuned,
} from "../../../bench/tune/choosing.ts";
import { adviceFor, withChoices } from "../../../bench/tune/choosing_page.ts";
import { openInputs } from "../../../bench/tune/inputs.ts";
import { HeadMeasure } from "../../../bench/tune/measure.ts";
import { proofOf } from "../../../bench/tune/proof.ts";
import { assert, assertEquals, assertMatch, assertThrows } from "../../support/assert.ts";

/** A proof over three heads, whose errors beside psa's 1 are spread a little, or widely. */
function crossed(tuned: number, mean: number, spread = 0.01): CrossTuned {
  const at = (error: number) => ({ error, asked: 0.1, density: 0.1, cost: 0.1 });
  const pairs = [-1, 0, 1].map((side, head) => {
    const off = 1 + side * spread;
    const measured = {
      psa: at(1),
      "block-topk": at(1.5),
      random: at(2),
      "pooled-topk-mean": at(mean * off),
      tuned: at(tuned * off),
    };
    return { input: "a", head, measured };
  });
  return { proof: proofOf(pairs), chosen: [["x", 3], ["y", 2], ["z", 1]] };
}

const row = (together: CrossTuned, each: CrossTuned): ChoosingRow => ({
  ...{ inputs: CHOOSING_PARTS[0].kind.name, orders: ["tile"], density: 0.1, together, each },
});

Deno.test("choosing: a cell advises what is better beyond its interval, else psa", () => {
  assertEquals(adviceFor(row(crossed(0.8, 0.9), crossed(0.7, 0.9))), "tuned, each head");
  assertEquals(adviceFor(row(crossed(0.8, 0.6), crossed(0.7, 0.6))), "pooled-topk-mean");
  assertEquals(adviceFor(row(crossed(0.8, 1.2), crossed(0.7, 1.2, 0.5))), "tuned, all heads alike");
  assertEquals(
    adviceFor(row(crossed(0.9, 1.2, 0.5), crossed(1.1, 1.2, 0.5))),
    "psa, or tuned, all heads alike",
  );
  assertEquals(adviceFor(row(crossed(1.1, 1.2), crossed(1, 1.2))), "psa");
});

Deno.test("choosing: the page gets its rows between its marks, in the order of kinds and densities", () => {
  const page = "a\n\n<!-- choices: deno task choosing --write -->\n\nold\n\n<!-- end of choices -->\n\nb\n";
  const first = row(crossed(0.5, 0.6), crossed(0.7, 0.6)), last = { ...first, density: 0.35 };
  const other = { ...first, inputs: CHOOSING_PARTS.at(-1)!.kind.name };
  const text = withChoices(page, [other, last, first]);
  const lines = text.split("\n").filter((line) => line.includes("| tile"));
  assertMatch(
    lines[0],
    /\| tile +\| 0\.1 +\| 0\.100 +\| 1\.000 \| 1\.500 .*\| 0\.6 \(0\.58.* to 0\.61.*\) +\| 0\.5 \(.*\) +\| 0\.7 \(.*\) +\| tuned, all heads alike \|$/,
  );
  assertEquals(lines.map((line) => / 0\.35 /.test(line)), [false, true, false, false, true, false]);
  assertMatch(lines[3], /\| 3 x x; 2 x y; 1 x others \|/);
  assert(!text.includes("old") && text.startsWith("a\n") && text.endsWith("\n\nb\n"), text);
  assertThrows(() => withChoices("nothing", []), Error, "has no place for the table");
});

Deno.test("choosing: every input is held out once, and what it is proved with was chosen on the others", async () => {
  const inputs = await openInputs({ workload: "video", seq: "128", dim: "8", heads: "1" }, [1, 2, 3]);
  const opened: string[] = [], sizes = { blockM: 16, blockN: 16, density: 0.25 };
  const { proof, chosen } = await crossTune(
    inputs,
    { ...sizes, orders: ["raster"], together: false },
    async (input, at) => {
      opened.push(`${input.seed}`);
      return new HeadMeasure(await input.load(at), sizes);
    },
  );
  assertEquals(opened, ["2", "3", "1", "1", "3", "2", "1", "2", "3"]);
  assertEquals(proof.pairs, 3);
  assertEquals(chosen.reduce((sum, [, times]) => sum + times, 0), 3);
});
