/** Importance is what the definition says, kind by kind. */
import {
  antidiagonalImportance,
  fullImportance,
  pooledImportance,
  sampledImportance,
  sampleOffsets,
} from "../../../mod.ts";
import { naiveImportance } from "../../../reference/naive/importance.ts";
import { assertSame } from "../../support/attention_case.ts";
import { queryKeyOf, selectionFact } from "../../support/selection_case.ts";

const SCALES = [undefined, 0.3];

selectionFact("sampled importance is equal to the naive loops", (c) => {
  const { blockM, blockN, seed } = c, qk = queryKeyOf(c);
  const offsetsOf = (batchHead: number) => sampleOffsets({ blockM, blockN, seed, batchHead });
  for (const scale of SCALES) {
    const want = naiveImportance(qk, { kind: "sampled", blockM, blockN, scale, offsetsOf });
    assertSame(sampledImportance(qk, { blockM, blockN, seed, scale }), want);
  }
});

selectionFact("full importance is equal to the naive loops", (c) => {
  const { blockM, blockN } = c, qk = queryKeyOf(c);
  for (const scale of SCALES) {
    const want = naiveImportance(qk, { kind: "full", blockM, blockN, scale });
    assertSame(fullImportance(qk, { blockM, blockN, scale }), want);
  }
}, { runs: 40 });

selectionFact("antidiagonal importance is equal to the naive loops", (c) => {
  const { blockM, blockN, stride, causal } = c, qk = queryKeyOf(c);
  const want = naiveImportance(qk, { kind: "antidiagonal", blockM, blockN, stride, causal });
  assertSame(antidiagonalImportance(qk, { blockM, blockN, stride, causal }), want);
});

selectionFact("pooled importance is equal to the naive loops", (c) => {
  const { blockM, blockN } = c, qk = queryKeyOf(c);
  for (const scale of SCALES) {
    const want = naiveImportance(qk, { kind: "pooled", blockM, blockN, scale });
    assertSame(pooledImportance(qk, { blockM, blockN, scale }), want);
  }
}, { runs: 40 });
