/**
 * Outputs of this project's own kernels for cases of single stages: importance, levels, the similarity cap. They are the
 * stages of a call that `createPsa` builds, as everyone gets them.
 *
 * @module
 */
import type { StageCall } from "../../fixtures/conformance/deviations/stages/stage_mistake.ts";
import { stageCallOf } from "../../fixtures/conformance/diagnose/stages.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import { importanceKindOf } from "../../fixtures/conformance/stages.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poison } from "../../kernels/device/poison.ts";
import { type StageName, submitStages } from "../../kernels/device/work/stage.ts";
import { download, upload } from "../../kernels/device/transfer.ts";
import { createPsa } from "../../kernels/psa.ts";
import { configErrors } from "../../reference/config/validate.ts";
import type { AssignmentConfig, PsaConfig } from "../../reference/config/config.ts";
import type { Tensor } from "../../reference/tensor.ts";

/** The options of the method that a case of a stage needs. */
interface Asked {
  readonly config: Partial<PsaConfig>;
  /** The stages that run; importance is given where it does not. */
  readonly stages: readonly StageName[];
  /** The stage whose output is judged. */
  readonly judged: "importance" | "levels";
}

/** The stages of cases that run on the device. */
const ASKED: Readonly<Record<string, (call: StageCall) => Asked>> = {
  importance: ({ given }) => {
    const { kind } = importanceKindOf(given), stride = given.stride ?? 1;
    const importance = kind === "antidiagonal"
      ? { kind, stride }
      : { kind: kind === "pooled" ? kind : "full" } as const;
    return { config: { importance }, stages: ["order", "importance"], judged: "importance" };
  },
  levels: ({ given: { mode, text }, parameters }) => ({
    config: { textLength: text, assignment: { mode, ...parameters } as AssignmentConfig },
    ...{ stages: ["order", "levels"], judged: "levels" },
  }),
  // Every block wants level 8, in any number: the levels of each query block are the caps.
  cap: ({ given: { blockN }, parameters }) => ({
    config: {
      tile: blockN / 8,
      assignment: { mode: "topk", ratios: [[8, 0, 1]] },
      similarityThresholds: (parameters as { thresholds: PsaConfig["similarityThresholds"] }).thresholds,
      causal: false,
    },
    ...{ stages: ["order", "importance", "levels"], judged: "levels" },
  }),
};

/**
 * Runs the kernels of a case of one stage, and gives what they write by the names of the case's outputs.
 *
 * @param gpu the device
 * @param judged the case
 * @returns undefined for stages that have no kernel (gradients, segments, orders), and for blocks that the method
 * does not have
 */
export async function gpuStage(gpu: Gpu, judged: Judged): Promise<Record<string, Tensor> | undefined> {
  const call = stageCallOf(judged), { stage } = call.given;
  if (ASKED[stage] === undefined) return undefined;
  const { config: own, stages, judged: output } = ASKED[stage](call), { given, tensors } = call;
  const { blockM, blockN, tile, causal } = given;
  const config: PsaConfig = {
    ...{ blockM, blockN, tile, causal, importance: { kind: "pooled" } },
    ...{ assignment: { mode: "density", density: 1 }, ...own },
  };
  if (configErrors(config).length > 0) return undefined;
  const qkv = inputsOf(call), dtype = qkv.q.data instanceof Float16Array ? "f16" : "f32";
  using scope = gpu.scope();
  using psa = await createPsa(scope, {
    shape: { ...given, valueDim: given.headDim },
    dtype,
    config,
    ready: [],
  });
  await psa.load(qkv as Parameters<typeof psa.load>[0]);
  const { stages: all } = await psa.prepare();
  const buffer = (name: "importance" | "levels") => all.find((one) => one.name === name)!.outputs[name];
  if (!stages.includes("importance")) {
    upload(scope, buffer("importance"), { data: numbers(tensors.importance) });
  }
  poison(scope, buffer(output));
  await submitStages(scope, all.filter(({ name }) => stages.includes(name)));
  const { shape, data: { length } } = tensors[`expected_${stage}`];
  if (stage === "cap") return { cap: await capOf(scope, buffer("levels"), { given, shape }) };
  const bytes = await download(scope, buffer(output), { size: 4 * length });
  return {
    [stage]: { data: stage === "importance" ? new Float32Array(bytes) : new Int32Array(bytes), shape },
  };
}

/** The inputs of a case; zeros where the stage reads none. */
function inputsOf({ given, tensors }: StageCall): Readonly<Record<"q" | "k" | "v", Tensor>> {
  const { batch, heads, kvHeads, seqQ, seqK, headDim } = given;
  const half = Object.values(tensors).some(({ data }) => data instanceof Float16Array);
  const zeros = (shape: readonly number[]): Tensor => {
    const length = shape.reduce((product, size) => product * size, 1);
    return { data: half ? new Float16Array(length) : new Float32Array(length), shape };
  };
  const kv = [batch, kvHeads, seqK, headDim];
  return { q: tensors.q ?? zeros([batch, heads, seqQ, headDim]), k: tensors.k ?? zeros(kv), v: zeros(kv) };
}

/** The levels of the first query block of each key head. Where query blocks differ, the first that does counts. */
async function capOf(
  gpu: Gpu,
  levels: GPUBuffer,
  { given, shape }: { readonly given: StageCall["given"]; readonly shape: readonly number[] },
): Promise<Tensor> {
  const { batch, heads, kvHeads, seqQ, blockM } = given,
    rows = Math.ceil(seqQ / blockM),
    columns = shape[shape.length - 1];
  const all = new Int32Array(await download(gpu, levels, { size: 4 * batch * heads * rows * columns }));
  const data = new Int32Array(batch * kvHeads * columns);
  for (let at = 0; at < all.length; at++) {
    const row = Math.floor(at / columns), kv = Math.floor(Math.floor(row / rows) * kvHeads / heads);
    const to = kv * columns + at % columns,
      first = Math.floor(row / rows) * kvHeads % heads === 0 && row % rows === 0;
    if (first) data[to] = all[at];
    else if (data[to] !== all[at]) data[to] = -1;
  }
  return { data, shape };
}

/** Numbers that can be brought to the device. */
function numbers({ data }: Tensor): Tensor["data"] & ArrayBufferView<ArrayBuffer> {
  return data as Tensor["data"] & ArrayBufferView<ArrayBuffer>;
}
