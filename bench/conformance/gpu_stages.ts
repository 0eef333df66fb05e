/**
 * What this project's own kernels give for cases of single stages: importance, levels, the similarity cap. They are built by
 * the stages' own builders, not by `createPsa`: cases of levels and caps have blocks of 8 tokens, which attention has not.
 *
 * @module
 */
import type { StageCall } from "../../fixtures/conformance/deviations/stages/stage_mistake.ts";
import { stageCallOf } from "../../fixtures/conformance/diagnose/stages.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import { importanceKindOf } from "../../fixtures/conformance/stages.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { type Encode, submitPass } from "../../kernels/device/pass.ts";
import { poison } from "../../kernels/device/poison.ts";
import { download, upload } from "../../kernels/device/transfer.ts";
import { buildImportance } from "../../kernels/importance/importance.ts";
import { buildCap } from "../../kernels/levels/cap.ts";
import { buildLevels } from "../../kernels/levels/levels.ts";
import type { AssignmentConfig, PsaConfig } from "../../reference/config/config.ts";
import type { Tensor } from "../../reference/tensor.ts";

/** A stage that is built, and the buffer that is judged. */
interface Built {
  readonly encode: Encode;
  readonly output: GPUBuffer;
}

/** The stages of a case that run on the device. */
const BUILDERS: Readonly<Record<string, (gpu: Gpu, call: StageCall) => Promise<Built>>> = {
  importance: async (gpu, { given, tensors }) => {
    const { blockM, blockN, causal, stride } = given, { kind } = importanceKindOf(given);
    const importance = kind === "antidiagonal"
      ? { kind, stride: stride ?? 1 }
      : { kind: kind === "pooled" ? kind : "full" } as const;
    const { encode, outputs } = await buildImportance(gpu, {
      buffers: { q: load(gpu, tensors.q), k: load(gpu, tensors.k) },
      shape: given,
      dtype: dtypeOf(tensors.q),
      config: { blockM, blockN, causal, importance },
    });
    return { encode, output: outputs.importance };
  },
  levels: async (gpu, { given, tensors, parameters }) => {
    const { blockM, blockN, tile, text, causal, mode } = given;
    const { encode, outputs } = await buildLevels(gpu, {
      importance: load(gpu, tensors.importance),
      k: gpu.createBuffer("no keys", { size: 16 }),
      shape: given,
      config: {
        ...{ blockM, blockN, tile, textLength: text, causal },
        assignment: { mode, ...parameters } as AssignmentConfig,
      },
      dtype: "f32",
    });
    return { encode, output: outputs.levels };
  },
  cap: async (gpu, { given, tensors: { k }, parameters }) => {
    const { thresholds } = parameters as { thresholds: PsaConfig["similarityThresholds"] };
    const { caps, encode = () => {} } = await buildCap(gpu, {
      ...{ k: load(gpu, k), shape: given, dtype: dtypeOf(k) },
      config: { blockN: given.blockN, similarityThresholds: thresholds },
    });
    return { encode, output: caps };
  },
};

/**
 * Runs the kernels of a case of one stage, and gives what they write by the names of the case's outputs.
 *
 * @param gpu the device
 * @param judged the case
 * @returns undefined for stages that have no kernel: gradients, segments, orders
 */
export async function gpuStage(gpu: Gpu, judged: Judged): Promise<Record<string, Tensor> | undefined> {
  const call = stageCallOf(judged), { stage } = call.given;
  if (BUILDERS[stage] === undefined) return undefined;
  using scope = gpu.scope();
  const { encode, output } = await BUILDERS[stage](scope, call);
  poison(scope, output);
  await submitPass(scope, [encode], { label: stage });
  const { shape, data: { length } } = call.tensors[`expected_${stage}`];
  const bytes = await download(scope, output, { size: 4 * length });
  return {
    [stage]: { data: stage === "importance" ? new Float32Array(bytes) : new Int32Array(bytes), shape },
  };
}

/** A buffer with a tensor in it. */
function load(gpu: Gpu, { data }: Tensor): GPUBuffer {
  const buffer = gpu.createBuffer("input of a stage", { size: data.byteLength });
  upload(gpu, buffer, { data: data as Tensor["data"] & ArrayBufferView<ArrayBuffer> });
  return buffer;
}

function dtypeOf({ data }: Tensor): "f32" | "f16" {
  return data instanceof Float16Array ? "f16" : "f32";
}
