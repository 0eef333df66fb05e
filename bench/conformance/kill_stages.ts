/**
 * The kill matrix of gradients and single stages: every mistake of their catalogue is planted, found and named.
 *
 * @module
 */
import { STAGE_MISTAKES } from "../../fixtures/conformance/stage_mistakes/catalogue.ts";
import { runStageMistake } from "../../fixtures/conformance/stage_mistakes/stage_mistake.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import type { Tensor } from "../../reference/tensor.ts";
import type { KernelDType } from "../../reference/tolerance.ts";
import { explainStages, stageCallOf } from "./diagnose_stages.ts";
import { type Judged, judgeOutputs, type ReadCase } from "./judge.ts";
import type { Outcome } from "./kill_matrix.ts";
import { judgedCase } from "./planted.ts";

/** What became of one mistake in a stage in one suite. */
export interface StageOutcome extends Outcome {
  readonly stage: string;
}

/** The cases of a suite that are not of attention, with their truth. */
export function stageCases(suite: string, dtype: KernelDType = "f32"): Judged[] {
  return suiteCases(suite, { dtype }).filter(({ stage }) => stage !== "attention").map(judgedCase);
}

/** Outputs as a kernel writes them: floats in single precision. */
function written(tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, { data, shape }]) => [
      name,
      { data: data instanceof Int32Array ? data : Float32Array.from(data), shape },
    ]),
  );
}

/** Judges cases with the outputs of `kernel`. */
export function judgeStages(
  cases: readonly Judged[],
  kernel: (judged: Judged) => Readonly<Record<string, Tensor>>,
): ReadCase[] {
  return cases.map((judged) => {
    const output = { tensors: written(kernel(judged)), metadata: {}, dtypes: {} };
    return { ...judged, output, verdict: judgeOutputs(judged, output) };
  });
}

/** Plants every mistake, one at a time. */
export function stageMatrix(cases: readonly Judged[]): StageOutcome[] {
  return STAGE_MISTAKES.map((mistake) => {
    const own = cases.filter(({ listed }) => listed.case.startsWith(`${mistake.stage} `));
    const read = judgeStages(own, (judged) => runStageMistake(stageCallOf(judged), mistake));
    const failing = read.filter(({ verdict }) => verdict.problems.length > 0).length;
    const names = explainStages(read).flatMap((found) => found.names);
    return { mistake: mistake.name, stage: mistake.stage, failing, cases: own.length, names };
  });
}
