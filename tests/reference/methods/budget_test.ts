/** More density keeps at least as much, and full density keeps everything. */
import { choose, methodInputs, methodLayout, METHODS, type Selection } from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";
import { randomQkv } from "../../support/method_tools.ts";
import { TEST_SEED } from "../../support/seed.ts";

const GRID = { width: 8, height: 8, depth: 8 }, TOKENS = 512, DENSITIES = [0.1, 0.5, 1];
/** Ends that stop at shares of the importance, a density of its own, and a term that is paid from the density. */
const NOT_ALL = ["psa-threshold", "psa-released", "pisa"];

/** Whether nothing is left out or pooled. */
function isDense(selection: Selection): boolean {
  if ("mask" in selection) return selection.density === 1;
  return selection.levels.data.every((level) => level === 1);
}

Deno.test("methods: more density reads as much or more, and all of it reads everything", () => {
  const qkv = randomQkv({ heads: 2, kvHeads: 1, seqQ: TOKENS, dim: 8, seed: TEST_SEED >>> 0 });
  for (const method of METHODS) {
    const layout = methodLayout(method, { order: { kind: "raster" }, blockM: 32, blockN: 16, grid: GRID });
    const inputs = methodInputs(qkv, { blockM: layout.blockM, blockN: layout.blockN, grid: GRID });
    const made = DENSITIES.map((density) => choose(method, inputs, density));
    made.slice(1).forEach(({ density }, i) => {
      if (method.name === "moga" && DENSITIES[i] < 0.15) return; // its windows are longer from .15 on
      assert(density >= made[i].density - 1e-12, `${method.name}: ${density} after ${made[i].density}`);
    });
    const all = made[DENSITIES.length - 1];
    if (NOT_ALL.includes(method.name)) continue;
    assertEquals([isDense(all), all.status], [true, "ok"], method.name);
    assertAlmostEquals(all.density, 1, 1e-12, method.name);
  }
});
