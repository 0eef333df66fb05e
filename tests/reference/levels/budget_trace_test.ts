/** Budgets of density on traces, against what an independent implementation of the same rules reached. */
import {
  antidiagonalImportance,
  BINARY_SHARES,
  compare,
  DEFAULT_SHARES,
  denseAttention,
  fullImportance,
  levelDensity,
  levelsForDensity,
  loadTrace,
  pyramidAttention,
  type Shares,
  type Trace,
} from "../../../mod.ts";
import { assertAlmostEquals, assertEquals } from "../../support/assert.ts";
import { head } from "../../support/tensor_tools.ts";

/** One row of a file of expected results. */
interface Expected {
  readonly order: string;
  readonly head: number;
  readonly method: string;
  readonly request: number;
  readonly density: number;
  readonly rel_l2: number;
}

const BLOCKS = { blockM: 64, blockN: 64, seqQ: 4096, seqK: 4096 };
const SHARES: Readonly<Record<string, Shares>> = {
  "psa": DEFAULT_SHARES,
  "psa-1248": { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 },
  "block-topk": BINARY_SHARES,
};
/** The methods whose attention is computed, at this density. */
const WITH_ERROR = ["psa", "block-topk"], ERROR_DENSITY = 0.1;

/** A trace and the rows that are expected of it for tokens in raster order. */
async function traceAndExpected(name: string): Promise<{ trace: Trace; expected: Expected[] }> {
  const file = (path: string) => new URL(`../../../fixtures/data/${path}`, import.meta.url);
  const trace = await loadTrace(file(`traces/${name}.safetensors`).pathname);
  const rows: Expected[] = JSON.parse(await Deno.readTextFile(file(`expected/${name}.json`)));
  return { trace, expected: rows.filter(({ order, method }) => order === "raster" && method in SHARES) };
}

/** One query head of a trace with the keys and values that it reads. */
function headOfTrace({ qkv: { q, k, v } }: Trace, index: number) {
  const kvHead = Math.floor(index / (q.shape[1] / k.shape[1]));
  return { q: head(q, index), k: head(k, kvHead), v: head(v, kvHead) };
}

for (const name of ["trace-a-layer4", "trace-c-layer1"]) {
  Deno.test(`budget: densities of ${name} to all digits, errors to 1e-4`, async () => {
    const { trace, expected } = await traceAndExpected(name), causal = trace.causal;
    assertEquals(expected.length, trace.qkv.q.shape[1] * 3 * 3, "heads, methods, densities");
    let errors = 0;
    for (let index = 0; index < trace.qkv.q.shape[1]; index++) {
      const qkv = headOfTrace(trace, index);
      const importance = causal
        ? antidiagonalImportance(qkv, { block: 64, stride: 8, causal })
        : fullImportance(qkv, BLOCKS);
      const dense = index === 0 ? denseAttention(qkv, { causal }).out : null;
      for (const want of expected.filter((row) => row.head === index)) {
        const label = `head ${index}, ${want.method}, density ${want.request}`;
        const levels = levelsForDensity(importance, want.request, {
          shares: SHARES[want.method],
          causal,
          ...BLOCKS,
        });
        const density = levelDensity(levels, { causal, ...BLOCKS });
        assertEquals(Number(density.toFixed(6)), want.density, label);
        if (dense === null || !WITH_ERROR.includes(want.method) || want.request !== ERROR_DENSITY) continue;
        const { out } = pyramidAttention(qkv, levels, { ...BLOCKS, causal });
        assertAlmostEquals(compare(out, dense).relL2, want.rel_l2, 1e-4, label);
        errors++;
      }
    }
    assertEquals(errors, WITH_ERROR.length);
  });
}
