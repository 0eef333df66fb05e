/**
 * Kernels made of the reference: with mistakes of the catalogue, or with an honest kernel's arithmetic.
 *
 * @module
 */
import { buildCase } from "../../fixtures/conformance/case_file.ts";
import { arranged, restored } from "../../fixtures/conformance/call.ts";
import type { TensorFile } from "../../fixtures/conformance/tensor_file.ts";
import type { Case } from "../../fixtures/cases.ts";
import type { AttentionResult } from "../../reference/attention.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { headOf } from "../../reference/visible.ts";
import { simulateAttention, type Simulation } from "../../tests/tolerance/simulated.ts";
import { callOfFile, type Catalogue } from "./diagnose.ts";
import { type Judged, type JudgeOptions, judgeOutputs, type ReadCase } from "./judge.ts";
import type { Mistake } from "../../fixtures/conformance/mistakes.ts";

/** A case in memory, as if it had been exported and read. */
export function judgedCase(given: Case): Judged {
  const { name, stem, tensors, metadata } = buildCase(given);
  return {
    contents: { tensors: { ...tensors }, metadata: { ...metadata } },
    listed: { case: name, file: `${stem}.safetensors`, sha256: {} },
  };
}

/** Outputs as a file of a kernel that writes float32; whole numbers stay as they are. */
export function outputFile(outputs: Outputs): TensorFile {
  const tensors = Object.entries(outputs).map(([name, { data, shape }]): [string, Tensor] => [
    name,
    { data: data instanceof Int32Array ? data : Float32Array.from(data), shape },
  ]);
  return { tensors: Object.fromEntries(tensors), metadata: {}, dtypes: {} };
}

/** What a kernel gives for a case: outputs of attention, or those of another stage by name. */
export type Outputs = AttentionResult | Readonly<Record<string, Tensor>>;

/** Every case with the outputs of a kernel, judged. */
export function judgeKernel(
  cases: readonly Judged[],
  kernel: (judged: Judged) => Outputs,
  options?: JudgeOptions,
): ReadCase[] {
  return cases.map((judged) => {
    const output = outputFile(kernel(judged));
    return { ...judged, output, verdict: judgeOutputs(judged, output, options) };
  });
}

/** The reference with one mistake. */
export function judgeMistake(cases: readonly Judged[], mistake: Mistake, catalogue: Catalogue): ReadCase[] {
  return judgeKernel(cases, (judged) => catalogue.run(judged, mistake));
}

/** An honest kernel: the simulated arithmetic, head by head. */
export function simulated(judged: Judged, simulation: Simulation): AttentionResult {
  const call = callOfFile(judged), qkv = arranged(call);
  const [batch, heads, seqQ] = qkv.q.shape, valueDim = qkv.v.shape[3];
  const out = new Float64Array(batch * heads * seqQ * valueDim), lse = new Float64Array(batch * heads * seqQ);
  for (let head = 0; head < batch * heads; head++) {
    const { qkv: own, levels } = headOf(qkv, call.levels, head);
    const result = simulateAttention(own, levels, { ...call.options, ...simulation });
    out.set(result.out.data, head * seqQ * valueDim);
    lse.set(result.lse.data, head * seqQ);
  }
  return restored({
    out: { data: out, shape: [batch, heads, seqQ, valueDim] },
    lse: { data: lse, shape: [batch, heads, seqQ] },
  }, call);
}
