/** The conformance kit as its users meet it: folders, files, sentences, exit codes. */
import { runExport } from "../../bench/conformance/export.ts";
import { callOfFile } from "../../bench/conformance/diagnose.ts";
import { runVerify } from "../../bench/conformance/verify.ts";
import { truthOf } from "../../fixtures/conformance/call.ts";
import { readTensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { InputError, writeSafetensors } from "../../mod.ts";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "../assert.ts";
import { TemporaryFolder } from "../sweep/command.ts";
import { runScript } from "../sweep/command.ts";
import { exported, FEW } from "./exported.ts";

Deno.test("conformance: smoke is small, quick and the same bytes each time; right outputs pass", async () => {
  await using folder = new TemporaryFolder();
  const started = performance.now();
  const { cases, outputs } = await exported(folder);
  assert(performance.now() - started < 20_000);
  let bytes = 0;
  for await (const { name } of Deno.readDir(cases)) bytes += (await Deno.stat(`${cases}/${name}`)).size;
  assert(bytes < 10e6, `${bytes} bytes`);
  await runExport(["--out", folder.at("again")]);
  assertEquals(
    await Deno.readTextFile(folder.at("again/manifest.json")),
    await Deno.readTextFile(`${cases}/manifest.json`),
  );
  const { code, text } = await runVerify([cases, "--outputs", outputs]);
  assertEquals(code, 0, text);
});

for (const dtype of ["f16", "bf16"]) {
  Deno.test(`conformance: cases in ${dtype} are rounded first, and the truth is that of the rounded inputs`, async () => {
    await using folder = new TemporaryFolder();
    const { cases, manifest } = await exported(folder, "--dtype", dtype, "--filter", FEW);
    const [listed] = manifest.cases, contents = await readTensorFile(`${cases}/${listed.file}`);
    assertEquals(String(contents.dtypes.q).toLowerCase(), dtype);
    const truth = truthOf(callOfFile({ contents, listed }));
    assertEquals(Array.from(truth.out.data), Array.from(contents.tensors.expected_out.data as Float64Array));
  });
}

Deno.test("conformance: everything that is wrong with a file has its own sentence", async () => {
  await using folder = new TemporaryFolder();
  const { cases, outputs, manifest: { cases: [first, second] } } = await exported(folder, "--filter", FEW);
  const path = `${outputs}/${first.file}`, right = await Deno.readFile(path);
  const { tensors: { out } } = await readTensorFile(path);
  const other = (await readTensorFile(`${outputs}/${second.file}`)).tensors.out;
  const data = out.data as Float32Array;
  const broken: [string, Uint8Array | null][] = [
    ["the output file is missing", null],
    ["half-written", right.slice(0, right.length / 2)],
    ["tensor `out` is missing", writeSafetensors({ result: out })],
    [
      "`out` has shape",
      writeSafetensors({ out: { data, shape: [out.shape[1], out.shape[0], ...out.shape.slice(2)] } }),
    ],
    ["it should be f32", writeSafetensors({ out: { data: new Int32Array(data.length), shape: out.shape } })],
    ["1 NaN or infinite", writeSafetensors({ out: { data: data.with(7, NaN), shape: out.shape } })],
    ["all zeros", writeSafetensors({ out: { data: new Float32Array(data.length), shape: out.shape } })],
    ["equals that of another case", writeSafetensors({ out: other })],
    ["stale: the hash", writeSafetensors({ out }, { case_sha256: "0123" })],
    ["stale: its metadata names", writeSafetensors({ out }, { case: second.case })],
  ];
  for (const [sentence, bytes] of broken) {
    await (bytes === null ? Deno.remove(path) : Deno.writeFile(path, bytes));
    const { code, text } = await runVerify([cases, "--outputs", outputs]);
    assertEquals(code, 1, sentence);
    assertStringIncludes(text, sentence);
  }
  await Deno.writeFile(path, writeSafetensors({ out: { ...out, data: Float64Array.from(data) } }));
  const { code, text } = await runVerify([cases, "--outputs", outputs]);
  assertEquals(code, 0);
  assertStringIncludes(text, "it was converted");
});

Deno.test("conformance: what cannot be judged is refused by name, with exit code 2", async () => {
  await using folder = new TemporaryFolder();
  const { cases, outputs, manifest: { cases: [first] } } = await exported(folder, "--filter", FEW);
  const refused = (args: string[], sentence: string) =>
    assertRejects(() => runVerify(args), InputError, sentence);
  await refused([cases, "--outputs", cases], "folder of cases itself");
  await refused([cases], "`--outputs` is missing");
  await refused([folder.at("nowhere"), "--outputs", outputs], "There is no folder");
  await refused([outputs, "--outputs", cases], "manifest.json cannot be read");
  await assertRejects(
    () => runExport(["--out", cases, "--suite", "tiny"]),
    InputError,
    "smoke, standard, full",
  );
  await assertRejects(() => runExport(["--out", cases, "--filter", "bn=7"]), InputError, "matches no case");
  const bytes = await Deno.readFile(`${cases}/${first.file}`);
  bytes[bytes.length - 1] ^= 1;
  await Deno.writeFile(`${cases}/${first.file}`, bytes);
  await refused([cases, "--outputs", outputs], "was changed after its export");
  assertEquals((await runScript("conformance/verify.ts", [cases, "--outputs", outputs])).code, 2);
  await Deno.remove(`${cases}/${first.file}`);
  await refused([cases, "--outputs", outputs], "is in the manifest and not in");
});

Deno.test("conformance: JUnit is escaped XML, and JSON says the same as the text", async () => {
  await using folder = new TemporaryFolder();
  const { cases, outputs, manifest: { cases: [first] } } = await exported(folder, "--filter", FEW);
  await Deno.writeFile(
    `${outputs}/${first.file}`,
    writeSafetensors({ 'a<&"b': { data: new Int32Array(1), shape: [1] } }, { case: "<&>\u0001" }),
  );
  const { text, code } = await runVerify([
    cases,
    "--outputs",
    outputs,
    "--json",
    "--junit",
    folder.at("junit.xml"),
  ]);
  assertEquals(code, 1);
  assertEquals(
    JSON.parse(text).verdicts.filter(({ problems }: { problems: string[] }) => problems.length > 0).length,
    1,
  );
  const xml = await Deno.readTextFile(folder.at("junit.xml"));
  assertStringIncludes(xml, "names the case &lt;&amp;&gt;?");
  assertEquals(xml.match(/<testcase /g)?.length, JSON.parse(text).verdicts.length);
  assert(!/[<&](?=[<&])/.test(xml));
});
