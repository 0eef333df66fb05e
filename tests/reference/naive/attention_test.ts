import fc from "fast-check";
import { pyramidAttention } from "../../../mod.ts";
import { assert } from "../../support/assert.ts";
import {
  assertClose,
  attentionCall,
  attentionCaseName,
  attentionCases,
  factTest,
} from "../../support/attention_case.ts";
import { twinAttention } from "../../../reference/naive/attention.ts";

factTest("attention: equal to the brute-force twin, every option crossed", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const got = pyramidAttention(qkv, levels, options), want = twinAttention(qkv, levels, options);
  assertClose(got.out, want.out);
  assertClose(got.lse, want.lse);
}, { runs: 600 });

factTest("attention: equal to the twin with a scale of its own", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const scaled = { ...options, scale: -0.4 };
  assertClose(pyramidAttention(qkv, levels, scaled).out, twinAttention(qkv, levels, scaled).out);
});

Deno.test("twin: a counter-example prints as its canonical case string", () => {
  const details = fc.check(fc.property(attentionCases(), (c) => c.seqK < 20), { seed: 1 });
  assert(details.counterexample !== null);
  const smallest = details.counterexample[0];
  assert(fc.stringify(smallest) === attentionCaseName(smallest), fc.stringify(smallest));
});
