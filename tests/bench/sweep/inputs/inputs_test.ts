/** Inputs of the sweep. */
import { inputSources } from "../../../../bench/sweep/inputs/inputs.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { variantsOf } from "../../../../bench/sweep/options/variants.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import { assert, assertEquals } from "../../../support/assert.ts";

Deno.test("sweep: an input is loaded once for all of its heads, and again after another one", async () => {
  const args = ["--workload", "gaussian", "--workload", "video", "--seq", "64", "--dim", "8", "--heads", "3"];
  const names = METHODS.map(({ name }) => name);
  const [options] = variantsOf(parseOptions([...args, "--per-head", "--no-gpu"], names));
  const [first, second] = await inputSources(options);
  const heads = await first.load();
  assertEquals(heads.map(({ head }) => head), [0, 1, 2]);
  assert(await first.load() === heads, "the heads are those that were made before");
  assertEquals((await second.load()).map(({ name }) => name), ["video", "video", "video"]);
  const again = await first.load();
  assert(again !== heads, "only the last input is kept");
  assertEquals(await again[2].groups[0].load(), await heads[2].groups[0].load());
});
