/** Attention is what the definition says, in shapes, tails, groups of heads and block sizes of all kinds. */
import fc from "fast-check";
import { denseAttention, pyramidAttention } from "../../../mod.ts";
import { naiveAttention } from "../../../reference/naive/attention.ts";
import { assert } from "../../support/assert.ts";
import {
  assertSame,
  attentionCall,
  attentionCaseName,
  attentionCases,
  factTest,
} from "../../support/attention_case.ts";

factTest("attention: equal to the naive loops, every option crossed", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const got = pyramidAttention(qkv, levels, options), want = naiveAttention(qkv, levels, options);
  assertSame(got.out, want.out);
  assertSame(got.lse, want.lse);
}, { runs: 600 });

factTest("attention: equal to the naive loops with a scale of its own", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const scaled = { ...options, scale: -0.4 };
  assertSame(pyramidAttention(qkv, levels, scaled).out, naiveAttention(qkv, levels, scaled).out);
});

factTest("attention: dense attention is equal to the naive loops at level 1", (c) => {
  const { qkv, levels, options } = attentionCall({ ...c, levels: [1] });
  const got = denseAttention(qkv, { causal: c.causal }), want = naiveAttention(qkv, levels, options);
  assertSame(got.out, want.out);
  assertSame(got.lse, want.lse);
});

Deno.test("naive: a counter-example prints as its canonical case string", () => {
  const details = fc.check(fc.property(attentionCases(), (c) => c.seqK < 20), { seed: 1 });
  assert(details.counterexample !== null);
  const smallest = details.counterexample[0];
  assert(fc.stringify(smallest) === attentionCaseName(smallest), fc.stringify(smallest));
});
