/**
 * Outputs of this project's own kernels for exported cases.
 *
 * @module
 */
import { parseCase, resolveCase } from "../../fixtures/cases.ts";
import { type Manifest, readTensorFile } from "../../fixtures/conformance/manifest.ts";
import { arranged, restored } from "../../fixtures/conformance/call.ts";
import { writeSafetensors } from "../../fixtures/safetensors.ts";
import { openGpu } from "../../kernels/device/gpu.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa } from "../../kernels/psa.ts";
import { requireInput } from "../../reference/errors.ts";
import { attentionShape, type Tensor, toFloat64 } from "../../reference/tensor.ts";
import { callOfFile } from "./diagnose.ts";
import type { Judged } from "./judge.ts";

/**
 * Runs the kernels on every case of attention in float32 or float16, and writes what they give.
 *
 * @returns the files of the cases that the kernels are not made for
 * @throws {InputError} if the cases are raw
 */
export async function gpuOutputs(folder: string, outputs: string, manifest: Manifest): Promise<Set<string>> {
  requireInput(manifest.format === "safetensors", "`--gpu` needs cases in the format safetensors.");
  const skipped = new Set<string>();
  using gpu = await openGpu();
  for (const listed of manifest.cases) {
    const { stage, dtype } = resolveCase(parseCase(listed.case));
    if (
      stage !== "attention" || dtype === "bf16" ||
      dtype === "f16" && !gpu.info.features.includes("shader-f16")
    ) {
      skipped.add(listed.file);
      continue;
    }
    const contents = await readTensorFile(`${folder}/${listed.file}`);
    const { out, lse } = await gpuAttention(gpu, { contents, listed });
    const metadata = { case: listed.case, case_sha256: listed.sha256[listed.file] };
    await Deno.writeFile(`${outputs}/${listed.file}`, writeSafetensors({ out, lse }, metadata));
  }
  return skipped;
}

/** What our kernels give for a case, in its element type. */
export interface AttentionOutputs {
  /** Outputs. */
  readonly out: Tensor<Float32Array | Float16Array>;
  /** Log-sum-exps. */
  readonly lse: Tensor<Float32Array>;
}

/**
 * One case of attention on the device; the tokens are arranged beforehand.
 *
 * @param gpu the device
 * @param judged the case
 */
export async function gpuAttention(gpu: Gpu, judged: Judged): Promise<AttentionOutputs> {
  const call = callOfFile(judged), qkv = arranged(call);
  const { blockM, blockN, tile, scale, causal, tail } = call.options;
  const levels = [...new Set(call.levels.data)].filter((level) => level > 0);
  using psa = await createPsa(gpu, {
    shape: attentionShape(qkv),
    dtype: qkv.q.data instanceof Float16Array ? "f16" : "f32",
    levels,
    config: {
      ...{ blockM, blockN, tile, scale, causal, tail },
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 1 },
    },
  });
  const { out, lse } = await psa.forward(qkv, { levels: call.levels });
  const back = restored({ out: toFloat64(out), lse: toFloat64(lse) }, call);
  return {
    out: {
      ...back.out,
      data: out.data instanceof Float16Array
        ? Float16Array.from(back.out.data)
        : Float32Array.from(back.out.data),
    },
    lse: { ...back.lse, data: Float32Array.from(back.lse.data) },
  };
}
