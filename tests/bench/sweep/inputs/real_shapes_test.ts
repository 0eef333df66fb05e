/** Options of real shapes: presets, heads, layers, truth and memory, and the sentences about impossible ones. */
import { InputError, modelTokens, presets } from "../../../../mod.ts";
import { blockImportance, levelsForDensity, makeWorkload } from "../../../../mod.ts";
import { cutHeads, planMemory } from "../../../../bench/sweep/inputs/groups.ts";
import { inputSources } from "../../../../bench/sweep/inputs/inputs.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { variantsOf } from "../../../../bench/sweep/options/variants.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { requireRoom } from "../../../../bench/sweep/files/room.ts";
import { runInput } from "../../../../bench/sweep/run/run.ts";
import { checkImportance } from "../../../../bench/sweep/truth/importance_check.ts";
import { makeHeads } from "../../../../bench/sweep/inputs/workload_heads.ts";
import { DEFAULT_TRACES } from "../../../../fixtures/traces.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../../support/assert.ts";

const NAMES = METHODS.map(({ name }) => name);
const parse = (text: string) => parseOptions(text.split(" "), NAMES);

Deno.test("presets: a model stands for its shape, blocks, order, importance and quotas; what is given goes first", () => {
  const wan = parse("--preset Wan2.1-1.3B");
  assertEquals([wan.seq, wan.heads, wan.kvHeads, wan.dim, wan.grid], [64800, 12, 12, 128, [18, 45, 80]]);
  assertEquals([wan.workloads, wan.orders, wan.importances], [["model"], ["gilbert"], ["sampled"]]);
  assertEquals([wan.blockM, wan.blockN, wan.tile, wan.methods.at(-1)], [[128], [128], [32], "psa-released"]);
  const other = parse("--preset Wan2.1-1.3B --grid 21,30,52 --heads 4 --methods psa --block-n 64");
  assertEquals([other.seq, other.heads, other.kvHeads, other.blockN, other.methods], [32760, 4, 4, [64], [
    "psa",
  ]]);
  const text = parse("--preset CogVideoX-5B");
  assertEquals([text.seq, text.textLength, text.orders], [13 * 30 * 45 + 226, 226, ["raster"]]);
  const qwen = parse("--preset Qwen2.5-VL");
  assertEquals([qwen.workloads, qwen.heads, qwen.kvHeads, qwen.causal, qwen.grid], [
    ["sinks"],
    28,
    4,
    [true],
    null,
  ]);
  const files = parse("--preset Wan2.1-14B --input a.safetensors --heads 0,3-5");
  assertEquals([files.workloads, files.chosenHeads, files.blockM], [[], [0, 3, 4, 5], [128]]);
  for (const [model, { config: { order } }] of Object.entries(presets)) {
    const { grid } = modelTokens(model as keyof typeof presets);
    if (order?.kind === "gilbert") assertEquals(grid, order.box);
  }
});

Deno.test("presets: what does not fit is named", () => {
  const refused = (text: string, sentence: string) => assertThrows(() => parse(text), InputError, sentence);
  refused("--preset Wan2.1", '--preset is "Wan2.1"; the nearest is Wan2.1-14B. It should be one of');
  refused(
    "--preset Wan2.1-1.3B --seq 32760",
    "There are 32760 tokens; the grid of Wan2.1-1.3B, 18,45,80, holds 64800",
  );
  refused("--preset CogVideoX-5B --seq 17550", "and 226 tokens of text hold 17776");
  refused("--preset Qwen2.5-VL --grid 2,4,8", "takes no video");
  refused("--preset Qwen2.5-VL --seq 512", "512 tokens of text in full; 512 tokens should be more");
  refused("--truth maybe", ". It should be one of auto, cpu, gpu, rows");
  refused("--input a --heads 3-1", '--heads is "3-1"; it should be whole numbers and ranges');
  refused("--layers x", '--layers is "x"');
  refused("--truth-rows 0", "--truth-rows is 0");
  refused("--memory 0", '--memory is "0"');
});

Deno.test("files: heads and layers are chosen, and those that are not there are named", async () => {
  const load = async (text: string) => {
    const [variant] = variantsOf(parse(`--input ${DEFAULT_TRACES[0]}${text}`));
    const [source] = await inputSources(variant);
    return (await source.load())[0];
  };
  const whole = await load(""), one = await load(" --heads 1");
  assertEquals([one.shape.heads, one.shape.kvHeads, one.name], [1, 1, whole.name]);
  const all = (await whole.groups[0].load()).q.data;
  assertEquals((await one.groups[0].load()).q.data, all.slice(all.length / 2));
  assertEquals((await load(" --layers 4")).name, whole.name);
  await assertRejects(
    () => load(" --heads 1,2"),
    InputError,
    "--heads names head 2 of trace-a-layer4; its heads are 0 to 1.",
  );
  await assertRejects(
    () => load(" --layers 5-9"),
    InputError,
    "--layers is 5,6,7,8,9; no input has such a layer.",
  );
});

Deno.test("memory: heads in groups within one key head or of whole ones; a head that does not fit is named", () => {
  assertEquals(cutHeads({ batch: 2, heads: 4, kvHeads: 2 }, 8), [[0, 8]]);
  assertEquals(cutHeads({ batch: 2, heads: 4, kvHeads: 2 }, 5), [[0, 4], [4, 8]]);
  assertEquals(cutHeads({ batch: 1, heads: 28, kvHeads: 4 }, 3).slice(0, 4), [[0, 3], [3, 6], [6, 7], [
    7,
    10,
  ]]);
  const shape = { seqQ: 75600, seqK: 75600, headDim: 128, valueDim: 128 };
  const { groupHeads, workers } = planMemory("x", { shape, bytes: 2 ** 31 });
  assert(groupHeads === 1 && workers >= 1 && workers <= 2);
  assertThrows(
    () => planMemory("x", { shape, bytes: 2 ** 30 }),
    InputError,
    "--memory is 1.0 GiB; one head of x needs about 1.8",
  );
});

Deno.test("disk: results that do not fit are told before anything is computed", async () => {
  await requireRoom(".", 10);
  await assertRejects(
    () => requireRoom("results", 10, 1e6),
    InputError,
    "its disk has 1000000 bytes free, and the results of 10 cases",
  );
});

Deno.test("workloads: heads that are made alone or in workers are those of the whole, text included", async () => {
  const options = { heads: 2, seqQ: 8200, headDim: 64, seed: 3, textLength: 8 };
  const { qkv: { q, k } } = makeWorkload("gaussian", options), size = 8208 * 64;
  const part = await makeHeads({ name: "gaussian", options: { ...options, keyHeads: [0, 2] }, workers: 2 });
  assertEquals([part.q.shape, part.k.shape], [q.shape, k.shape]);
  for (const at of [0, size - 1, size + 5, 2 * size - 1]) assertEquals(part.q.data[at], q.data[at]);
  const last = makeWorkload("gaussian", { ...options, keyHeads: [1, 2] }).qkv;
  assertEquals(last.k.data, k.data.slice(size));
  assertEquals(last.q.shape, [1, 1, 8208, 64]);
});

Deno.test("psa-released: with a preset it has the quotas, the cap and the text of the model", async () => {
  const args = "--preset CogVideoX-5B --grid 2,8,15 --heads 1 --no-gpu --methods psa-released";
  const options = parse(args);
  const { inputs: [{ source, cases, options: variant }] } = await planSweep(options, { gpu: null });
  const [input] = await source.load();
  const { rows: [row] } = await runInput(input, cases, { options: variant, gpu: null, onProgress: () => {} });
  assertEquals([row.seq_k, row.method, row.block_n], [2 * 8 * 15 + 226, "psa-released", 128]);
  assert(row.density >= 2 / 4, `the text is read in full: ${row.density}`);
});

Deno.test("importance of a device: a distance is seen, and a change of rank is counted", () => {
  const { qkv } = makeWorkload("gaussian", { seqQ: 128, headDim: 8, heads: 2 });
  const options = { blockM: 32, blockN: 16 }, importance = { kind: "sampled", seed: 2 } as const;
  const scores = blockImportance(qkv, { ...options, importance }), call = { qkv, options, firstHead: 0 };
  assertEquals(checkImportance(call, scores, importance), { error: 0, ties: 0 });
  const own = scores.data.subarray(scores.data.length - 8);
  [own[2], own[3]] = [own[3], own[2]];
  const { error, ties } = checkImportance(call, scores, importance);
  assert(error > 1e-3 && ties === 2, `${error} ${ties}`);
  assertEquals(levelsForDensity(scores, 0.5).shape, scores.shape);
});
