/** Budgets of density: by hand, and against an independent implementation on the traces. */
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
  tensor,
  type Trace,
} from "../../mod.ts";
import { assert, assertAlmostEquals, assertEquals } from "../assert.ts";
import { head } from "../tensor_tools.ts";

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
  const file = (path: string) => new URL(`../../fixtures/data/${path}`, import.meta.url);
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

const RISING = tensor(new Float64Array(40).map((_, at) => at % 10), [1, 2, 2, 10]);

Deno.test("budget: fractional means are spread over the rows of each head", () => {
  const { data } = levelsForDensity(RISING, 0.25, { shares: BINARY_SHARES });
  const counts = [0, 1, 2, 3].map((row) =>
    data.subarray(row * 10, row * 10 + 10).reduce((sum, x) => sum + x, 0)
  );
  assertEquals(counts, [2, 3, 2, 3]);
  assertEquals([...data.subarray(10, 20)], [0, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
});

Deno.test("budget: shares buy level r for r times as many blocks, finer levels for more important ones", () => {
  const { data } = levelsForDensity(RISING, 0.25, { shares: { 1: 0.4, 2: 0.4, 4: 0.2 } });
  assertEquals([...data.subarray(0, 10)], [0, 0, 0, 0, 0, 4, 4, 2, 2, 1]);
});

Deno.test("budget: a row that would get nothing gets one block at the first level", () => {
  assertEquals([...levelsForDensity(RISING, 0.01).data.subarray(0, 10)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
  const coarse = levelsForDensity(RISING, 0.01, { shares: { 2: 0.5, 8: 0.5 } }).data;
  assertEquals([...coarse.subarray(0, 10)], [0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
});

Deno.test("budget: where shares would pass the row nothing is skipped, and level 1 takes the rest", () => {
  const { data } = levelsForDensity(RISING, 0.8, { shares: { 1: 0.6, 2: 0.2, 4: 0.2 } });
  // level 2: 10 * 0.2 * 0.4 / 0.8 = 1 block a row, level 4: 10 * 0.2 * 0.8 / 0.8 = 2
  assertEquals([...data.subarray(0, 10)], [4, 4, 2, 1, 1, 1, 1, 1, 1, 1]);
  assertAlmostEquals(levelDensity(levelsForDensity(RISING, 1)), 1, 0);
});

Deno.test("budget: a share of nothing changes nothing", () => {
  const want = levelsForDensity(RISING, 0.01, { shares: { 2: 1 } });
  assertEquals(levelsForDensity(RISING, 0.01, { shares: { 1: 0, 2: 1 } }), want);
});

Deno.test("budget: shares may come as a map in any order", () => {
  const map = new Map([[4, 0.2], [1, 0.6], [2, 0.2]]);
  assertEquals(levelsForDensity(RISING, 0.35, { shares: map }), levelsForDensity(RISING, 0.35));
});

Deno.test("budget: causal rows count what they see, the sink and the diagonal first", () => {
  const importance = tensor(new Float64Array(36).map((_, at) => at % 6 === 5 ? 9 : at % 6), [1, 1, 6, 6]);
  const sizes = { blockM: 4, blockN: 4, seqQ: 24, seqK: 24, causal: true, shares: BINARY_SHARES };
  const rows = (density: number) => [...levelsForDensity(importance, density, sizes).data].join("");
  assertEquals(rows(0.1), "100000110000101000100100100010100001");
  // half of 1, 2, 3, 4, 5, 6 blocks: running sums .5, 1.5, 3, 5, 7.5, 10.5 make 0, 1, 2, 2, 2, 3 blocks
  assertEquals(rows(0.5), "100000110000101000100100100010100011");
});

Deno.test("budget: queries before the first key get no block", () => {
  const importance = tensor(new Float64Array(6).fill(1), [1, 1, 3, 2]);
  const levels = levelsForDensity(importance, 0.5, { blockM: 4, blockN: 4, seqQ: 12, seqK: 8, causal: true });
  assertEquals([...levels.data.subarray(0, 2)], [0, 0]);
  assert(levels.data.some((level) => level > 0));
});
