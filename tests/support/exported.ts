/**
 * Folders of cases and of outputs, as users of the conformance kit have them.
 *
 * @module
 */
import { runExport } from "./kit.ts";
import { type Manifest, readManifest } from "../../fixtures/conformance/manifest.ts";
import { readTensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { type Tensor, writeSafetensors } from "../../mod.ts";
import type { TemporaryFolder } from "./command.ts";

/** A filter that leaves few cases. */
export const FEW = "attention Lq=128 Lk=512";

/** Cases of one suite with right outputs in float32. */
export async function exported(
  folder: TemporaryFolder,
  ...args: string[]
): Promise<{ cases: string; outputs: string; manifest: Manifest }> {
  const cases = folder.at("cases"), outputs = folder.at("outputs");
  await runExport(["--out", cases, ...args]);
  await Deno.mkdir(outputs);
  const manifest = await readManifest(cases);
  for (const listed of manifest.cases) {
    const contents = await readTensorFile(`${cases}/${listed.file}`), tensors: Record<string, Tensor> = {};
    for (const name of JSON.parse(contents.metadata.outputs)) {
      const truth = contents.tensors[`expected_${name}`];
      tensors[name] = truth.data instanceof Int32Array
        ? truth
        : { ...truth, data: Float32Array.from(truth.data) };
    }
    await Deno.writeFile(`${outputs}/${listed.file}`, writeSafetensors(tensors));
  }
  return { cases, outputs, manifest };
}
