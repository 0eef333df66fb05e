/**
 * Outputs of this project's own kernels for exported cases.
 *
 * @module
 */
import { parseCase, resolveCase } from "../../fixtures/cases.ts";
import type { Manifest } from "../../fixtures/conformance/manifest.ts";
import { readTensorFile } from "../../fixtures/conformance/tensor_file.ts";
import { orderConfigOf } from "../../fixtures/conformance/call.ts";
import { writeHere } from "../../fixtures/guarded.ts";
import { writeSafetensors } from "../../fixtures/safetensors.ts";
import { openGpu } from "../../kernels/device/open/open.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { POISON, poisonOutputs } from "../../kernels/device/poison.ts";
import { download } from "../../kernels/device/transfer.ts";
import { createPsa } from "../../kernels/psa.ts";
import { requireInput } from "../../reference/errors.ts";
import { attentionShape, type Tensor } from "../../reference/tensor.ts";
import { callOfFile } from "../../fixtures/conformance/diagnose/of_case.ts";
import type { DeviceChoice } from "../options/device.ts";
import { gpuStage } from "./gpu_stages.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";

/** Bytes behind outputs in which nothing should be written. */
const GUARD = 4096;

/**
 * Runs the kernels on every case of attention, importance, levels and caps in float32 or float16, and writes what they
 * give.
 *
 * @returns the files of the cases that the kernels are not made for
 * @throws {InputError} if the cases are raw
 */
export async function gpuOutputs(
  folder: string,
  outputs: string,
  { manifest, device }: { readonly manifest: Manifest; readonly device?: DeviceChoice },
): Promise<Set<string>> {
  requireInput(manifest.format === "safetensors", "`--gpu` needs cases in the format safetensors.");
  const skipped = new Set<string>();
  using gpu = await openGpu(device);
  for (const listed of manifest.cases) {
    const { stage, dtype } = resolveCase(parseCase(listed.case));
    const able = dtype === "f32" || dtype === "f16" && gpu.has("shader-f16");
    const judged = { contents: await readTensorFile(`${folder}/${listed.file}`), listed };
    const given = !able
      ? undefined
      : stage === "attention"
      ? await gpuAttention(gpu, judged)
      : { tensors: await gpuStage(gpu, judged), outside: "" };
    if (given?.tensors === undefined) {
      skipped.add(listed.file);
      continue;
    }
    const metadata = { case: listed.case, case_sha256: listed.sha256[listed.file], outside: given.outside };
    await writeHere(`${outputs}/${listed.file}`, writeSafetensors(given.tensors, metadata));
  }
  return skipped;
}

/** The outputs of our kernels for a case, in its element type. */
export interface AttentionOutputs {
  /** Outputs and log-sum-exps. */
  readonly tensors: {
    readonly out: Tensor<Float32Array | Float16Array>;
    readonly lse: Tensor<Float32Array>;
  };
  /** A sentence about what was written behind a buffer; empty if nothing was. */
  readonly outside: string;
}

/**
 * One case of attention on the device.
 *
 * @param gpu the device
 * @param judged the case
 */
export async function gpuAttention(gpu: Gpu, judged: Judged): Promise<AttentionOutputs> {
  const { qkv, levels, options } = callOfFile(judged);
  const { blockM, blockN, tile, scale, causal, tail } = options;
  using guarded = gpu.scope({ guard: GUARD });
  using psa = await createPsa(guarded, {
    shape: attentionShape(qkv),
    dtype: qkv.q.data instanceof Float16Array ? "f16" : "f32",
    levels: [...new Set(levels.data)].filter((level) => level > 0),
    config: {
      ...{ blockM, blockN, tile, scale, causal, tail },
      order: orderConfigOf(parseCase(judged.listed.case)),
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 1 },
    },
    ready: [],
  });
  await psa.load(qkv as Parameters<typeof psa.load>[0]);
  const call = await psa.prepare(levels);
  poisonOutputs(guarded, call.stages);
  const { out, lse } = await call.forward();
  const found = [
    await strayWords(guarded, psa.outputs.out, { name: "out", size: out.data.byteLength }),
    await strayWords(guarded, psa.outputs.lse, { name: "lse", size: lse.data.byteLength }),
  ];
  return { tensors: { out, lse }, outside: found.filter((text) => text !== "").join("; ") };
}

/** Looks whether the poison behind a buffer's content is still there. */
async function strayWords(
  gpu: Gpu,
  buffer: GPUBuffer,
  { name, size }: { readonly name: string; readonly size: number },
): Promise<string> {
  const words = new Uint32Array(await download(gpu, buffer, { offset: Math.ceil(size / 4) * 4 }));
  const stray = words.filter((word) => word !== POISON).length;
  if (stray === 0) return "";
  const first = words.findIndex((word) => word !== POISON);
  return `${stray} of the ${words.length} words behind \`${name}\` were written, the first ${
    4 * first
  } bytes behind its end`;
}
