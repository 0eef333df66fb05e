/**
 * The kill matrix of gradients and single stages: every mistake of their catalogue is planted, found and named.
 *
 * @module
 */
import { STAGE_MISTAKES } from "../../fixtures/conformance/deviations/stages/catalogue.ts";
import { runStageMistake } from "../../fixtures/conformance/deviations/stages/stage_mistake.ts";
import { importanceKindOf } from "../../fixtures/conformance/stages.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { type FloatData, type Tensor, toFloat64 } from "../../reference/tensor.ts";
import type { KernelDType } from "../../reference/judge/tolerance.ts";
import { bfloat16, type Simulation } from "../../fixtures/conformance/honest/attention.ts";
import { simulateGradient, simulateImportance } from "../../fixtures/conformance/honest/stages.ts";
import { explainStages, stageCallOf } from "../../fixtures/conformance/diagnose/stages.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import type { Outcome } from "./outcome.ts";
import { judgedCase, judgeKernel } from "../../fixtures/conformance/diagnose/planted.ts";

/** The result for one mistake in a stage in one suite. */
export interface StageOutcome extends Outcome {
  readonly stage: string;
}

/** The cases of a suite that are not of attention, with their truth. */
export function stageCases(suite: string, dtype: KernelDType = "f32"): Judged[] {
  return suiteCases(suite, { dtype }).filter(({ stage }) => stage !== "attention").map(judgedCase);
}

/** Arithmetic of a kernel for gradients and importance that is right. */
export type HonestStage = Pick<Simulation, "store" | "sum" | "steps" | "backwards"> & {
  readonly name: string;
  readonly dtype: KernelDType;
  readonly halfSums?: boolean;
};

/** Kernels that are right: formats and orders of summation. */
export const HONEST_STAGES: readonly HonestStage[] = [
  { name: "f32", dtype: "f32", store: Math.fround, sum: Math.fround, steps: Infinity },
  {
    name: "f32 backwards, 4 products at a time",
    dtype: "f32",
    store: Math.fround,
    sum: Math.fround,
    steps: 4,
    backwards: true,
  },
  { name: "f16", dtype: "f16", store: Math.f16round, sum: Math.fround, steps: Infinity },
  {
    name: "f16 with sums of 64 in f16",
    dtype: "f16",
    store: Math.f16round,
    sum: Math.f16round,
    steps: 64,
    halfSums: true,
  },
  { name: "bf16", dtype: "bf16", store: bfloat16, sum: Math.fround, steps: 32 },
];

/** The outputs of an honest kernel in a case of gradients or importance; whole numbers are the truth. */
export function honestOutputs(judged: Judged, formats: HonestStage): Record<string, Tensor> {
  const call = stageCallOf(judged), { given, tensors } = call;
  const right = runStageMistake(call, { name: "none", stage: "order", sections: "orders", give: () => ({}) });
  const { blockM, blockN, causal, scale, tail } = given;
  const float = (name: string) => tensors[name] as Tensor<FloatData>;
  if (given.stage === "gradient") {
    const qkv = { q: float("q"), k: float("k"), v: float("v") },
      levels = tensors.levels as Tensor<Int32Array>;
    const options = { blockM, blockN, scale, causal, tail, ...formats };
    return { ...right, ...simulateGradient(qkv, levels, toFloat64(float("dout")), options) };
  }
  if (given.stage !== "importance") return right;
  const options = { ...importanceKindOf(given), ...formats };
  return { importance: simulateImportance({ q: float("q"), k: float("k") }, options) };
}

/** How many cases of gradients and stages an honest kernel fails, and how much of the budget it uses. */
export function honestStages(suite: string, formats: HonestStage): { failing: string[]; used: number } {
  const cases = stageCases(suite, formats.dtype);
  const read = judgeKernel(cases, (judged) => honestOutputs(judged, formats), formats);
  return {
    failing: read.flatMap(({ verdict }) => verdict.problems.map((text) => `${verdict.case}: ${text}`)),
    used: Math.max(...read.flatMap(({ verdict }) => Object.values(verdict.budget))),
  };
}

/** Plants mistakes, one at a time: every one, or some. */
export function stageMatrix(cases: readonly Judged[], mistakes = STAGE_MISTAKES): StageOutcome[] {
  return mistakes.map((mistake) => {
    const own = cases.filter(({ listed }) => listed.case.startsWith(`${mistake.stage} `));
    const read = judgeKernel(own, (judged) => runStageMistake(stageCallOf(judged), mistake));
    const failing = read.filter(({ verdict }) => verdict.problems.length > 0).length;
    const names = explainStages(read).flatMap((found) => found.names);
    return { mistake: mistake.name, stage: mistake.stage, failing, cases: own.length, names };
  });
}
