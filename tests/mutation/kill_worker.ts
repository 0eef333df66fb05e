/** The worker of the kill matrix: some mistakes, or one right kernel, over a suite that it builds once. */
import { MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/deviations/stages/catalogue.ts";
import { Catalogue } from "../../fixtures/conformance/diagnose/catalogue.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import { answerWith } from "../support/spread.ts";
import { attentionCases, HONEST, honestOutcome, killMatrix, type KillWork } from "./kill_matrix.ts";
import { HONEST_STAGES, honestStages, stageCases, stageMatrix } from "./kill_stages.ts";

const built = new Map<string, Judged[]>(), catalogue = new Catalogue();

/** The cases of a suite, built once. */
function casesOf(key: string, make: () => Judged[]): Judged[] {
  const cases = built.get(key) ?? make();
  built.set(key, cases);
  return cases;
}

answerWith((work: KillWork) => {
  switch (work.kind) {
    case "attention": {
      const cases = casesOf(`attention ${work.suite}`, () => attentionCases(work.suite));
      return killMatrix(cases, { mistakes: [MISTAKES[work.place]], catalogue })[0];
    }
    case "stages": {
      const cases = casesOf(`stages ${work.suite}`, () => stageCases(work.suite));
      return stageMatrix(cases, [STAGE_MISTAKES[work.place]])[0];
    }
    case "right": {
      const kernel = HONEST[work.place], { dtype } = kernel;
      return honestOutcome(
        casesOf(`attention ${work.suite} ${dtype}`, () => attentionCases(work.suite, dtype)),
        kernel,
      );
    }
    case "right stages":
      return honestStages(work.suite, HONEST_STAGES[work.place]);
  }
});
