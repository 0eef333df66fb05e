/**
 * `deno run -A tests/mutation/visibility.ts [smoke|standard]`: which mistakes each case of a suite can see. A case sees a mistake whose
 * outputs or log-sum-exps are ten times as far from the truth as the bound allows.
 *
 * @module
 */
import { MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { candidatesOf, changes } from "../../fixtures/conformance/diagnose/candidate.ts";
import { type Evidence, evidenceOf } from "../../fixtures/conformance/diagnose/evidence.ts";
import { callOfFile } from "../../fixtures/conformance/diagnose/of_case.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { attentionCases } from "./kill_matrix.ts";

/** How many times the bound a mistake has to be away. */
const MARGIN = 10;

/** What each case sees, and what no case does. */
export interface Visibility {
  readonly cases: readonly { readonly name: string; readonly sees: readonly string[] }[];
  readonly unseen: readonly string[];
}

/** A case with its truth as outputs. */
function rightCase(judged: Judged): Evidence {
  const { expected_out: out, expected_lse: lse } = judged.contents.tensors as Record<
    string,
    Tensor<Float64Array>
  >;
  const bound = JSON.parse(judged.contents.metadata.tolerance);
  return evidenceOf({ call: callOfFile(judged), output: { out, lse }, truth: { out, lse }, bound }, 0);
}

/** Which mistakes each case sees. */
export function visibility(cases: readonly Judged[]): Visibility {
  const usual = MISTAKES.map((mistake) => candidatesOf(mistake)[0]), seen = new Set<string>();
  const rows = cases.map((judged) => {
    const evidence = rightCase(judged);
    const sees = usual.filter((one) => changes(evidence, one, MARGIN, Infinity)).map((
      { mistakes: [{ name }] },
    ) => name);
    sees.forEach((name) => seen.add(name));
    return { name: judged.listed.case, sees };
  });
  return { cases: rows, unseen: MISTAKES.map(({ name }) => name).filter((name) => !seen.has(name)) };
}

if (import.meta.main) {
  const { cases, unseen } = visibility(attentionCases(Deno.args[0] ?? "smoke"));
  for (const { name, sees } of cases) {
    console.log(`${String(sees.length).padStart(4)} of ${MISTAKES.length}  ${name}`);
  }
  console.log(`seen by no case with a margin of ${MARGIN}: ${unseen.join("; ") || "none"}`);
}
