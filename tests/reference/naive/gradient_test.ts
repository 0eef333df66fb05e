/** Gradients are what the definition says, with every option of attention crossed. */
import { pyramidAttentionGradient, seededRandom } from "../../../mod.ts";
import { naiveGradient } from "../../../reference/naive/gradient.ts";
import { assertSame, attentionCall, factTest, randomTensor } from "../../support/attention_case.ts";

for (const [name, withLse] of [["out", false], ["out and lse", true]] as const) {
  factTest(`gradient of ${name}: equal to the naive loops, every option crossed`, (c) => {
    const { qkv, levels, options } = attentionCall(c), random = seededRandom(c.seed, 1);
    const dout = randomTensor([c.batch, c.heads, c.seqQ, c.valueDim], random);
    const dlse = withLse ? randomTensor([c.batch, c.heads, c.seqQ], random) : undefined;
    const got = pyramidAttentionGradient(qkv, levels, dout, { ...options, dlse });
    const want = naiveGradient(qkv, levels, dout, { ...options, dlse });
    for (const one of ["dq", "dk", "dv"] as const) assertSame(got[one], want[one]);
  }, { runs: 150 });
}

factTest("gradient: equal to the naive loops with a scale of its own", (c) => {
  const { qkv, levels, options } = attentionCall(c), scaled = { ...options, scale: -0.4 };
  const dout = randomTensor([c.batch, c.heads, c.seqQ, c.valueDim], seededRandom(c.seed, 1));
  const got = pyramidAttentionGradient(qkv, levels, dout, scaled),
    want = naiveGradient(qkv, levels, dout, scaled);
  for (const one of ["dq", "dk", "dv"] as const) assertSame(got[one], want[one]);
});
