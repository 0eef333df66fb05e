/** Files in half precision, from export to diagnosis: right gradients and stages pass, wrong ones are placed and named. */
import { stageCallOf } from "../../bench/conformance/diagnose_stages.ts";
import { HONEST_STAGES, honestOutputs } from "../../bench/conformance/kill_stages.ts";
import { runVerify } from "../../bench/conformance/verify.ts";
import { exportCases, readManifest } from "../../fixtures/conformance/manifest.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/stage_mistakes/catalogue.ts";
import { runStageMistake } from "../../fixtures/conformance/stage_mistakes/stage_mistake.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { readTensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { type Tensor, writeSafetensors } from "../../mod.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";
import { TemporaryFolder } from "../sweep/command.ts";

/** Tensors as a file in the element type; whole numbers and log-sum-exps stay what they are. */
function stored(tensors: Readonly<Record<string, Tensor>>, dtype: string): Uint8Array {
  const floats = Object.entries(tensors).filter(([, { data }]) => !(data instanceof Int32Array));
  const half = floats.map(([name, { data, shape }]): [string, Tensor] => [
    name,
    { data: dtype === "f16" && name !== "lse" ? Float16Array.from(data) : Float32Array.from(data), shape },
  ]);
  const bf16 = dtype === "bf16" ? floats.map(([name]) => name).filter((name) => name !== "lse") : [];
  return writeSafetensors({ ...tensors, ...Object.fromEntries(half) }, {}, { bf16 });
}

for (const dtype of ["f16", "bf16"] as const) {
  Deno.test(`conformance: ${dtype} files of gradients and stages, right and wrong`, async () => {
    await using folder = new TemporaryFolder();
    const cases = folder.at("cases"), kernel = HONEST_STAGES.find((one) => one.dtype === dtype)!;
    for (const stage of ["gradient", "importance", "levels"]) {
      const wanted = suiteCases("smoke", { dtype }).filter((given) => given.stage === stage);
      await exportCases(`${cases}-${stage}`, wanted, { suite: "smoke", seed: 0, format: "safetensors" });
      const own = `${cases}-${stage}`, outputs = folder.at(`outputs-${stage}`);
      await Deno.mkdir(outputs);
      const manifest = await readManifest(own);
      const mistake = STAGE_MISTAKES.find((one) => one.stage === stage)!;
      const write = async (wrong: boolean) => {
        for (const listed of manifest.cases) {
          const judged = { contents: await readTensorFile(`${own}/${listed.file}`), listed };
          const call = stageCallOf(judged);
          const tensors = wrong ? runStageMistake(call, mistake) : honestOutputs(judged, kernel);
          await Deno.writeFile(`${outputs}/${listed.file}`, stored(tensors, dtype));
        }
      };
      await write(false);
      const right = await runVerify([own, "--outputs", outputs]);
      assertEquals(right.code, 0, right.text);
      await write(true);
      const { code, text } = await runVerify([own, "--outputs", outputs, "--diagnose"]);
      assertEquals(code, 1);
      assertStringIncludes(text, `matches '${mistake.name}' to`);
      assert(!text.includes("unknown"), text);
    }
  });
}
