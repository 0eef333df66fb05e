/** The drivers in docs/ read and write the raw format as this project does. */
import { runExport } from "../../bench/conformance/export.ts";
import { runVerify } from "../../bench/conformance/verify.ts";
import { readManifest } from "../../fixtures/conformance/manifest.ts";
import { readTensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { TemporaryFolder } from "../sweep/command.ts";
import { fileURLToPath } from "node:url";

const DRIVERS = fileURLToPath(new URL("../../docs/drivers", import.meta.url));
/** Runs a program; false, with the reason printed, if this machine has none of that name. */
async function ran(program: string, args: string[]): Promise<boolean> {
  try {
    const { code, stderr } = await new Deno.Command(program, { args, stderr: "piped" }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
    return true;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped: there is no ${program} here`);
    return false;
  }
}

for (const dtype of ["f32", "f16", "bf16"]) {
  Deno.test(`drivers: Python reads a raw case in ${dtype} and writes outputs that pass`, async () => {
    await using folder = new TemporaryFolder();
    await runExport([
      "--out",
      folder.at("cases"),
      "--dtype",
      dtype,
      "--filter",
      "attention Lq=128 bn=32",
      "--format",
      "raw",
    ]);
    const script = `import sys, os, json; sys.path.insert(0, sys.argv[1]); import raw_cases
for c in json.load(open(sys.argv[2] + "/manifest.json"))["cases"]:
    tensors, metadata = raw_cases.read_case(os.path.join(sys.argv[2], c["file"]))
    name = "expected_out_" + metadata["parameters"]["dtype"]
    raw_cases.write_outputs(os.path.join(sys.argv[3], c["file"]), {"out": tensors[name][1:]}, c["case"])`;
    if (!await ran("python3", ["-B", "-c", script, DRIVERS, folder.at("cases"), folder.at("outputs")])) {
      return;
    }
    const { code, text } = await runVerify([folder.at("cases"), "--outputs", folder.at("outputs")]);
    assertEquals(code, 0, text);
  });
}

for (const dtype of ["f16", "bf16"]) {
  Deno.test(`drivers: those for PyTorch and Triton read ${dtype} files, write outputs that pass, and leave out with a reason`, async () => {
    await using folder = new TemporaryFolder();
    const [cases, outputs, reasons] = ["cases", "outputs", "reasons.json"].map((name) => folder.at(name));
    await runExport(["--out", cases, "--suite", "standard", "--dtype", dtype, "--filter", "attention bn=64"]);
    const script = `import sys, json; sys.path.insert(0, sys.argv[1])
from case_files import run_cases
from run_triton import reason_to_skip
def echo(tensors, parameters):
    return {"out": tensors["expected_out_${dtype}"]}
reasons = {}
def reason(parameters, tensors):
    reasons[json.dumps(parameters)] = reason_to_skip(parameters, tensors, "new")
    return "seqQ is 100" if parameters["seqQ"] == 100 else None
run_cases(sys.argv[2], sys.argv[3], echo, reason)
json.dump(reasons, open(sys.argv[4], "w"))`;
    if (!await ran("python3", ["-B", "-c", script, DRIVERS, cases, outputs, reasons])) return;
    for (const [text, reason] of Object.entries(JSON.parse(await Deno.readTextFile(reasons)))) {
      const { headDim, valueDim, causal, blockM, seqQ, seqK, levels } = JSON.parse(text);
      const high = levels.split(",").some((level: string) => Number(level) > 8);
      const rows = seqQ === seqK || (seqQ < seqK && seqQ % blockM === 0);
      const fits = [64, 128].includes(headDim) && valueDim === headDim && !causal && !high && rows;
      assertEquals(reason === null, fits, `${text}: ${reason}`);
    }
    const written = [...Deno.readDirSync(outputs)].map(({ name }) => name).sort();
    const listed = (await readManifest(cases)).cases.filter((one) => !one.case.includes(" Lq=100 "));
    assertEquals(written, listed.map(({ file }) => file).sort());
    const { text } = await runVerify([cases, "--outputs", outputs]);
    const lines = text.split("\n");
    assertEquals(lines.filter((line) => line.startsWith("right  ")).length, listed.length, text);
    assertEquals(lines.filter((line) => line.includes("stale") || line.includes("damaged")), []);
  });
}

Deno.test("drivers: those for PyTorch and Triton say how they are called, and need no package for it", async () => {
  if (!await ran("python3", ["--version"])) return;
  for (const [driver, ...args] of [["run_pytorch.py", "cases", "outputs", "kernel"], ["run_triton.py"]]) {
    const { code, stderr } = await new Deno.Command("python3", {
      args: ["-B", `${DRIVERS}/${driver}`, ...args],
    })
      .output();
    assertEquals(code, 1);
    assertStringIncludes(new TextDecoder().decode(stderr), `python ${driver} CASES OUTPUTS`);
  }
});

Deno.test("drivers: the program in C compiles without a warning and computes raw cases, pooled blocks too", async () => {
  await using folder = new TemporaryFolder();
  const [cases, outputs] = [folder.at("cases"), folder.at("outputs")];
  const filter = "attention causal=false tail=exact order=raster B=1";
  await runExport(["--out", cases, "--suite", "standard", "--filter", filter, "--format", "raw"]);
  await Deno.mkdir(outputs);
  const strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2"];
  if (!await ran("cc", [...strict, "-o", folder.at("run"), `${DRIVERS}/run_raw.c`, "-lm"])) return;
  const listed = (await readManifest(cases)).cases;
  for (const { file } of listed) {
    const { tensors: { q, k, v }, metadata } = await readTensorFile(`${cases}/${file}`);
    const { blockM, blockN, scale = q.shape[3] ** -0.5 } = JSON.parse(metadata.parameters);
    const sizes = [q.shape[1], k.shape[1], q.shape[2], k.shape[2], q.shape[3], v.shape[3], blockM, blockN];
    const stem = file.slice(0, -".json".length);
    await ran(folder.at("run"), [`${cases}/${stem}`, `${outputs}/${stem}`, ...[...sizes, scale].map(String)]);
  }
  const { code, text } = await runVerify([cases, "--outputs", outputs]);
  assertEquals(code, 0, text);
  assert(listed.some((one) => one.case.includes("levels=0,1,2,4,8")) && listed.length > 10);
});
