/** `--preset` on every command that takes it: the options that it stands for, and the sentences about options that contradict it. */
import { main } from "../../../bench/cli/psa.ts";
import { runExport, runVerify } from "../../support/kit.ts";
import { planClaim } from "../../../bench/claim/plan.ts";
import { readTensorFile } from "../../../fixtures/conformance/tensor_file.ts";
import { InputError, presetConfig, psa, writeSafetensors } from "../../../mod.ts";
import type { Qkv, Tensor } from "../../../mod.ts";
import { DEFAULT_TRACES } from "../../../fixtures/traces.ts";
import { modelCalls } from "../../../bench/sweep/inputs/model_calls.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { callPsa, runPsa, TemporaryFolder } from "../../support/command.ts";

const COMMANDS = ["sweep", "claim", "bench", "export"] as const;

for (
  const [args, sentence] of [
    [["--preset", "Wan2.1"], '--preset is "Wan2.1"; the nearest is Wan2.1-14B'],
    [
      ["--preset", "Wan2.1-1.3B", "--grid", "2,8"],
      '--grid is "2,8"; it should be three whole numbers T,Y,X.',
    ],
    [
      ["--preset", "Qwen2.5-VL", "--grid", "2,8,8"],
      "--preset Qwen2.5-VL takes no video; --grid should be left out.",
    ],
    [["--preset", "Wan2.1-1.3B", "--heads", "13"], "--heads is 13; Wan2.1-1.3B has 12 heads."],
    [["--preset", "Wan2.1-1.3B", "--heads", "0"], "--heads is 0; it should be at least 1."],
  ] as const
) {
  Deno.test(`presets: ${args.slice(2).join(" ") || args[1]} is refused alike by all commands`, async () => {
    await using folder = new TemporaryFolder();
    for (const name of COMMANDS) {
      const own = name === "bench" ? [] : ["--out", folder.at(name)];
      const { message } = await assertRejects(() => main([name, ...args, ...own]), InputError);
      assert(message.startsWith(sentence), `${name}: ${message}`);
      assertEquals(message.trimEnd().split("\n").length, 1, name);
    }
    assertEquals([...Deno.readDirSync(folder.path)].length, 0, "something was written");
  });
}

for (
  const [name, args, sentence] of [
    [
      "claim",
      ["--preset", "Wan2.1-1.3B", "--layers", "3"],
      "--layers chooses from files; --preset Wan2.1-1.3B needs",
    ],
    [
      "bench",
      ["--preset", "Wan2.1-1.3B", "--parts", "table"],
      '--parts holds "table"; the parts of a model are forward',
    ],
    [
      "bench",
      ["--preset", "Wan2.1-1.3B", "--tokens", "128"],
      "--preset has its own calls; --tokens should be left out.",
    ],
    ["bench", ["--heads", "2"], "--heads needs --preset with it."],
    ["claim", ["--grid", "2,8,8"], "--grid needs --preset with it."],
    ["export", ["--heads", "2"], "--heads needs --preset with it."],
    [
      "export",
      ["--preset", "CogVideoX-5B", "--suite", "smoke"],
      "--preset is one case; --suite should be left out.",
    ],
    [
      "export",
      ["--preset", "Wan2.1-14B"],
      "--preset Wan2.1-14B has 1.7e+11 pairs of tokens in 40 heads, whose truth",
    ],
    [
      "claim",
      ["--preset", "Wan2.1-1.3B", "--input", DEFAULT_TRACES[0], "--heads", "7"],
      "--heads names head 7 of trace-a-layer4; its heads are 0 to 1.",
    ],
  ] as const
) {
  Deno.test(`presets: ${name} ${args.join(" ").replace(/\S*\//, "")} is refused`, async () => {
    await using folder = new TemporaryFolder();
    const own = name === "bench" ? [] : ["--out", folder.at("out")];
    const { message } = await assertRejects(() => main([name, ...args, ...own]), InputError);
    assert(message.includes(sentence), message);
  });
}

Deno.test("presets: a refusal is exit code 2 and one line", async () => {
  const { code, stderr } = await callPsa("bench", ["--preset", "Wan2.1-1.3B", "--heads", "13"]);
  assertEquals([code, stderr.trim()], [2, "--heads is 13; Wan2.1-1.3B has 12 heads."]);
});

Deno.test("presets: bench:gpu times the whole method and its stages at a model's configuration", async () => {
  const { code, stdout, stderr } = await runPsa("bench", [
    ...["--preset", "CogVideoX-5B", "--heads", "1", "--grid", "1,2,16", "--seconds", "0.1", "--json"],
  ]);
  assertEquals(code, 0, stderr);
  const rows = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(new Set(rows.map(({ part }) => part)), new Set(["forward", "stages"]));
  for (const { bench } of rows) assert(bench.startsWith("CogVideoX-5B D=64 H=1 L=258 "), bench);
});

Deno.test("presets: key heads are shared by as many query heads as in the model", async () => {
  const [{ shape, config }] = await modelCalls({ preset: "Wan2.1-1.3B", grid: "2,8,8", heads: 2 });
  assertEquals([shape.heads, shape.kvHeads, shape.seqQ, shape.headDim], [2, 2, 128, 128]);
  assertEquals(config.order, {
    kind: "gilbert",
    box: { width: 8, height: 8, depth: 2 },
    variant: "released",
  });
});

Deno.test("presets: the claim has a model's heads, one by one, in its own order and blocks", async () => {
  const model = { preset: "Wan2.1-1.3B", grid: "2,8,8", heads: "2" };
  const { inputs } = await planClaim({ quick: true, filter: "", model }, { gpu: null });
  const cases = inputs.flatMap((each) => each.cases.map(({ given }) => given.data));
  assertEquals(new Set(cases.map(({ head }) => head)), new Set([0, 1]));
  const own = cases.filter(({ method }) => method !== "sta" && method !== "draft");
  for (const { order, blockN, workload, seqQ } of own) {
    assertEquals([order, blockN, workload, seqQ], ["gilbert", 128, "model", 128]);
  }
  assert(cases.some(({ method }) => method === "psa-released"));
});

Deno.test("presets: export writes a call with the levels that the configuration selects, in its order", async () => {
  await using folder = new TemporaryFolder();
  const box = { width: 10, height: 8, depth: 4 };
  await runExport(["--preset", "Wan2.2-5B", "--heads", "1", "--grid", "4,8,10", "--out", folder.path]);
  const { cases: [{ file, case: name }] } = JSON.parse(await Deno.readTextFile(folder.at("manifest.json")));
  assert(name.includes("grid=4x8x10 order=released mode=threshold preset=Wan2.2-5B workload=model"), name);
  const { tensors } = await readTensorFile(folder.at(file)),
    { q, k, v, levels, expected_out: truth } = tensors;
  const want = psa({ q, k, v } as Qkv, presetConfig("Wan2.2-5B", { box }));
  assertEquals(levels, want.levels);
  const far = Math.max(...(truth as Tensor<Float64Array>).data.map((x, i) => Math.abs(x - want.out.data[i])));
  assert(far < 1e-12, `${far}`);
  await Deno.mkdir(folder.at("outputs"));
  await Deno.writeFile(
    folder.at(`outputs/${file}`),
    writeSafetensors({ out: tensors.expected_out_f32, lse: tensors.expected_lse }),
  );
  const { code, text } = await runVerify([folder.path, "--outputs", folder.at("outputs")]);
  assertEquals(code, 0, text);
});
