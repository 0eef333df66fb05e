/** The drivers in docs/ read and write the raw format as this project does. */
import { runExport } from "../../bench/conformance/export.ts";
import { runVerify } from "../../bench/conformance/verify.ts";
import { readManifest } from "../../fixtures/conformance/manifest.ts";
import { readTensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { assertEquals } from "../assert.ts";
import { TemporaryFolder } from "../sweep/command.ts";
import { fileURLToPath } from "node:url";

const DRIVERS = fileURLToPath(new URL("../../docs/drivers", import.meta.url));
const DENSE = [
  "--suite",
  "standard",
  "--filter",
  "attention levels=1 causal=false scale=",
  "--format",
  "raw",
];

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
  Deno.test(`drivers: the one for Triton reads ${dtype} files, writes outputs that pass, and leaves out with a reason`, async () => {
    await using folder = new TemporaryFolder();
    const [cases, outputs] = [folder.at("cases"), folder.at("outputs")];
    await runExport(["--out", cases, "--dtype", dtype, "--filter", "attention bm=64 bn=64"]);
    await Deno.mkdir(outputs);
    const script = `import sys, json; sys.path.insert(0, sys.argv[1]); import run_triton
reasons = {}
for c in json.load(open(sys.argv[2] + "/manifest.json"))["cases"]:
    tensors, metadata = run_triton.read_file(sys.argv[2] + "/" + c["file"])
    reasons[c["case"]] = run_triton.reason_to_skip(json.loads(metadata["parameters"]), tensors, "new")
    out = tensors["expected_out_${dtype}"]
    run_triton.write_file(sys.argv[3] + "/" + c["file"], {"out": out}, {"case": c["case"]})
json.dump(reasons, open(sys.argv[4], "w"))`;
    const reasons = folder.at("reasons.json");
    if (!await ran("python3", ["-B", "-c", script, DRIVERS, cases, outputs, reasons])) return;
    for (const [name, reason] of Object.entries(JSON.parse(await Deno.readTextFile(reasons)))) {
      assertEquals(
        reason === null,
        name.includes(" D=64 ") && !name.includes("causal=true"),
        `${name}: ${reason}`,
      );
    }
    const { code, text } = await runVerify([cases, "--outputs", outputs]);
    assertEquals(code, 0, text);
  });
}

Deno.test("drivers: the program in C computes dense attention of raw cases", async () => {
  await using folder = new TemporaryFolder();
  const [cases, outputs] = [folder.at("cases"), folder.at("outputs")];
  await runExport(["--out", cases, ...DENSE]);
  await Deno.mkdir(outputs);
  if (!await ran("cc", ["-O2", "-o", folder.at("run"), `${DRIVERS}/run_raw.c`, "-lm"])) return;
  for (const { file } of (await readManifest(cases)).cases) {
    const { q, k, v } = (await readTensorFile(`${cases}/${file}`)).tensors, stem = file.slice(0, -5);
    const sizes = [q.shape[1], k.shape[1], q.shape[2], k.shape[2], q.shape[3], v.shape[3]].map(String);
    await ran(folder.at("run"), [`${cases}/${stem}`, `${outputs}/${stem}`, ...sizes]);
  }
  const { code, text } = await runVerify([cases, "--outputs", outputs]);
  assertEquals(code, 0, text);
});
