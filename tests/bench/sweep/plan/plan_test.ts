import { costOf, planSweep, shardOf } from "../../../../bench/sweep/plan/plan.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import { assert, assertEquals } from "../../../support/assert.ts";

/** The plan of a command line without a GPU. */
function planOf(...args: string[]) {
  const options = parseOptions(["--no-gpu", ...args], METHODS.map(({ name }) => name));
  return planSweep(options, { gpu: null });
}

const INPUTS = ["--workload", "video", "--workload", "gaussian", "--workload", "sinks", "--seq", "256"];

Deno.test("plan: shards have every case once, and about the same cost", async () => {
  const { inputs, total } = await planOf(...INPUTS);
  const cases = inputs.flatMap((input) => input.cases), count = 4;
  const shards = Array.from({ length: count }, (_, i) => shardOf(inputs, { index: i + 1, count }));
  assertEquals(shards.flatMap((shard) => [...shard]).sort((a, b) => a - b), cases.map(({ index }) => index));
  assertEquals(cases.length, total);
  const costs = shards.map((shard) =>
    cases.filter(({ index }) => shard.has(index)).reduce((sum, { given }) => sum + costOf(given), 0)
  );
  assert(Math.max(...costs) < 1.5 * Math.min(...costs), `costs ${costs}`);
});

Deno.test("plan: an axis that a method does not depend on gives it no further cases", async () => {
  const methods = ["--methods", "dense,psa,pooled-topk,psa-released,sta"];
  const axes = ["--order", "raster,gilbert", "--importance", "sampled,full", "--densities", ".5,.25"];
  const { inputs } = await planOf(
    "--workload",
    "video",
    "--seq",
    "256",
    "--grid",
    "4,8,8",
    ...methods,
    ...axes,
  );
  const counts = Map.groupBy(inputs.flatMap(({ cases }) => cases), ({ given }) => given.method.name);
  assertEquals(Object.fromEntries([...counts].map(([name, cases]) => [name, cases.length])), {
    dense: 1,
    psa: 8,
    "pooled-topk": 4,
    "psa-released": 4,
    sta: 2,
  });
});

Deno.test("plan: blocks, tiles, element types and causality are crossed with the rest, in their canonical strings", async () => {
  const small = ["--workload", "video", "--seq", "256", "--densities", ".25", "--methods", "psa,sta"];
  const axes = ["--block-m", "32,64", "--block-n", "16,64", "--tile", "16,32", "--dtype", "f32,f16"];
  const { inputs } = await planOf(...small, "--grid", "4,8,8", ...axes);
  const cases = inputs.flatMap((input) => input.cases.map(({ given }) => given));
  const told = cases.filter(({ method }) => method.name === "psa").map(({ data }) =>
    [data.dtype, data.blockM, data.blockN, data.tile].join(" ")
  );
  // A tile of 32 does not fit into a key block of 16.
  const pairs = ["16 16", "64 16", "64 32"];
  assertEquals(
    told,
    ["f32", "f16"].flatMap((dtype) =>
      ["32", "64"].flatMap((blockM) => pairs.map((pair) => `${dtype} ${blockM} ${pair}`))
    ),
  );
  assertEquals(new Set(cases.map(({ name }) => name)).size, cases.length);
  assertEquals(cases.filter(({ method }) => method.name === "sta").length, 2 * 2, "its tiles are its own");
  for (const { options, cases: own } of inputs) {
    for (const { given: { data } } of own) assertEquals([data.dtype], [options.dtype]);
  }
});

Deno.test("plan: --causal says what an input is, or leaves it as it is", async () => {
  const causal = async (...args: string[]) => {
    const { inputs } = await planOf("--workload", "gaussian", "--workload", "sinks", "--seq", "256", ...args);
    return inputs.map(({ cases: [{ given: { data } }] }) => data.causal ?? false);
  };
  assertEquals(await causal(), [false, true]);
  assertEquals(await causal("--causal", "true"), [true, true]);
  assertEquals(await causal("--causal", "false,input"), [false, false, true]);
});

Deno.test("plan: causal inputs are scored along antidiagonals, others by samples, unless asked otherwise", async () => {
  const importances = async (...args: string[]) => {
    const { inputs } = await planOf(...INPUTS, "--methods", "psa", ...args);
    return inputs.map(({ cases: [{ given }] }) => given.importance);
  };
  assertEquals(await importances(), ["sampled", "sampled", "antidiagonal"]);
  assertEquals(await importances("--importance", "pooled"), ["pooled", "pooled", "pooled"]);
});
