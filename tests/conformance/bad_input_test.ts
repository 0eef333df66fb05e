/** Bad input of the conformance kit: each has a sentence and an exit code, and nothing passes in silence. */
import { runExport } from "../../bench/conformance/export.ts";
import { runVerify } from "../../bench/conformance/verify.ts";
import type { Manifest, ManifestCase } from "../../fixtures/conformance/manifest.ts";
import { readTensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { InputError, readSafetensors, type Tensor, writeSafetensors } from "../../mod.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "../assert.ts";
import { TemporaryFolder } from "../sweep/command.ts";
import { exported, FEW } from "./exported.ts";

/** Manifests that cannot be right, by what is done to the right one. */
const MANIFESTS: [what: string, change: (manifest: Manifest) => unknown, sentence: string][] = [
  ["null", () => null, "is null; it should be an object"],
  ["a list", () => [], "is []; it should be an object"],
  ["another version", (right) => ({ ...right, version: "0" }), "has version 0; it should be 1"],
  ["no cases", (right) => ({ ...right, cases: [] }), "has no `suite` or no `cases`"],
  ["a case that is null", (right) => ({ ...right, cases: [null] }), "Case 0 of"],
  ["a case without a name", (right) => ({ ...right, cases: [{}] }), "has no `case` or no `file`"],
  ["a case without hashes", changed(() => ({ sha256: {} })), "has no hash of"],
  ["hashes that are null", changed(() => ({ sha256: null })), "`sha256` of Case 0"],
  ["a wrong hash", changed(({ file }) => ({ sha256: { [file]: "00" } })), "was changed after its export"],
  [
    "a file elsewhere",
    changed(() => ({ file: "../a.json", sha256: { "../a.json": "0" } })),
    "it should be one in",
  ],
  ["another name", changed(() => ({ case: "attention D=7" })), "calls attention_B-1_H-2_Lq-128_Lk-512"],
  ["a case twice", (right) => ({ ...right, cases: [...right.cases, right.cases[0]] }), "twice"],
  [
    "names exchanged",
    changed((_, [, second]) => ({ case: second.case })),
    "the file itself says",
  ],
];

/** A change of the first case of a manifest. */
function changed(change: (first: ManifestCase, cases: readonly ManifestCase[]) => Record<string, unknown>) {
  return (right: Manifest) => {
    const { cases, cases: [first, ...rest] } = right;
    return { ...right, cases: [{ ...first, ...change(first, cases) }, ...rest] };
  };
}

for (const [what, change, sentence] of MANIFESTS) {
  Deno.test(`conformance: a manifest with ${what} cannot be judged`, async () => {
    await using folder = new TemporaryFolder();
    const { cases, outputs, manifest } = await exported(folder, "--filter", FEW);
    await Deno.writeTextFile(`${cases}/manifest.json`, JSON.stringify(change(manifest)));
    await assertRejects(() => runVerify([cases, "--outputs", outputs]), InputError, sentence);
  });
}

Deno.test("conformance: arguments that cannot be meant are refused", async () => {
  await using folder = new TemporaryFolder();
  const { cases, outputs } = await exported(folder, "--filter", FEW);
  const file = `${cases}/manifest.json`;
  const refusals: [string[], string][] = [
    [[cases, "more", "--outputs", outputs], "`more` is another word"],
    [[cases, "--outputs", file], "There is no folder"],
    [[file, "--outputs", outputs], "There is no folder"],
    [[cases, "--outputs", outputs, "--junit", folder.at("no/junit.xml")], "`--junit` is"],
  ];
  for (const [args, sentence] of refusals) {
    await assertRejects(() => runVerify(args), InputError, sentence);
  }
  await assertRejects(() => runExport(["--out", file, "--filter", FEW]), InputError, "cannot be a folder");
});

/** The JSON of one raw output. */
interface RawOutput {
  tensors: Record<string, Record<string, unknown>>;
}

/** Raw outputs that are damaged, by what is done to the right JSON. */
const RAW_OUTPUTS: [what: string, change: (right: RawOutput) => unknown, sentence: string][] = [
  ["null", () => null, "The JSON is null"],
  ["without tensors", () => ({}), "`tensors` of the JSON is not there"],
  ["with a tensor that is null", () => ({ tensors: { out: null } }), "Tensor `out` of the JSON is null"],
  ["without a shape", edited({ shape: undefined }), "has `shape` undefined"],
  ["with a shape of text", edited({ shape: "1,2" }), 'has `shape` "1,2"'],
  ["with fractions in its shape", edited({ shape: [0.5, 4, 128, 64] }), "a list of whole numbers"],
  ["without a file", edited({ file: undefined }), "has `file` undefined"],
  ["with a file that is missing", edited({ file: "nothing.bin" }), "names nothing.bin, which cannot be read"],
  ["with an unknown type", edited({ dtype: "float32" }), 'has `dtype` "float32"'],
  ["with another type", edited({ dtype: "f64" }), "of f64 needs"],
];

/** A change of how the output is described. */
function edited(change: Record<string, unknown>) {
  return ({ tensors: { out } }: RawOutput) => ({ tensors: { out: { ...out, ...change } } });
}

Deno.test("conformance: damaged raw outputs have a sentence each", async () => {
  await using folder = new TemporaryFolder();
  const cases = folder.at("cases"), outputs = folder.at("outputs");
  await runExport(["--out", cases, "--filter", `${FEW} seed=1`, "--format", "raw"]);
  await Deno.mkdir(outputs);
  const { cases: [{ file }] }: Manifest = JSON.parse(await Deno.readTextFile(`${cases}/manifest.json`));
  const { tensors: { expected_out: truth } } = await readTensorFile(`${cases}/${file}`);
  const right = { tensors: { out: { file: "out.bin", dtype: "f32", shape: truth.shape } } };
  await Deno.writeFile(`${outputs}/out.bin`, new Uint8Array(Float32Array.from(truth.data).buffer));
  const verified = async (content: unknown) => {
    await Deno.writeTextFile(`${outputs}/${file}`, JSON.stringify(content));
    return await runVerify([cases, "--outputs", outputs]);
  };
  assertEquals((await verified(right)).code, 0);
  for (const [what, change, sentence] of RAW_OUTPUTS) {
    const { code, text } = await verified(change(right));
    assertEquals(code, 1, what);
    assertStringIncludes(text, "damaged or half-written: ");
    assertStringIncludes(text, sentence);
  }
});

Deno.test("conformance: a folder in place of an output, and files of no case, are said", async () => {
  await using folder = new TemporaryFolder();
  const { cases, outputs, manifest: { cases: [{ file }] } } = await exported(folder, "--filter", FEW);
  await Deno.rename(`${outputs}/${file}`, `${outputs}/misspelt.safetensors`);
  await Deno.mkdir(`${outputs}/${file}`);
  const { code, text } = await runVerify([cases, "--outputs", outputs]);
  assertEquals(code, 1);
  assertStringIncludes(text, "the output file is a folder");
  assertStringIncludes(text, "1 files in");
  assertStringIncludes(text, "belong to no case, such as misspelt.safetensors");
});

/** A file of one tensor of whole numbers as numpy and PyTorch write them, in 64 bits. */
function longs(name: string, { data, shape }: Tensor): Uint8Array {
  const bytes = writeSafetensors({ [name]: { data: Float64Array.from(data), shape } });
  new BigInt64Array(bytes.buffer, bytes.length - 8 * data.length).set(Array.from(data, BigInt));
  const type = new TextDecoder().decode(bytes).indexOf('"F64"');
  bytes.set(new TextEncoder().encode('"I64"'), type);
  return bytes;
}

Deno.test("conformance: whole numbers in 64 bits are converted, which is said, and still judged", async () => {
  await using folder = new TemporaryFolder();
  const { cases, outputs, manifest } = await exported(folder, "--filter", "levels");
  const { file } = manifest.cases.find((one) => one.case.startsWith("levels "))!;
  const { tensors: { levels } } = readSafetensors(await Deno.readFile(`${outputs}/${file}`));
  await Deno.writeFile(`${outputs}/${file}`, longs("levels", levels));
  const right = await runVerify([cases, "--outputs", outputs]);
  assertEquals(right.code, 0, right.text);
  assertStringIncludes(right.text, "`levels` is i64 where i32 was expected; it was converted");
  const wrong = { ...levels, data: levels.data.map((x, i) => i === 0 ? x + 1 : x) as Int32Array };
  await Deno.writeFile(`${outputs}/${file}`, longs("levels", wrong));
  assertEquals((await runVerify([cases, "--outputs", outputs])).code, 1);
});

Deno.test("conformance: gradients of another case are named as such", async () => {
  await using folder = new TemporaryFolder();
  const { cases, outputs, manifest } = await exported(folder, "--filter", "gradient");
  const [first, second] = manifest.cases, path = `${outputs}/${first.file}`;
  const { tensors } = await readTensorFile(path);
  const others = (await readTensorFile(`${outputs}/${second.file}`)).tensors;
  await Deno.writeFile(path, writeSafetensors({ ...tensors, dq: others.dq }));
  const { text } = await runVerify([cases, "--outputs", outputs]);
  assertStringIncludes(text, `\`dq\` equals that of another case: ${second.case}`);
});
