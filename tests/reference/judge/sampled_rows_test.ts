import {
  attentionRows,
  denseAttention,
  estimateRelativeError,
  InputError,
  loadTrace,
  makeWorkload,
  psa,
  type PsaConfig,
  type Qkv,
  sampleQueryRows,
  type Tensor,
} from "../../../mod.ts";
import { DEFAULT_TRACES } from "../../../fixtures/traces.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";

const BLOCK_M = 64, DRAWS = 200;
/** Of 200 intervals of 95 %, fewer than these hold the error once in 25 times. */
const LEAST = 0.925;

/** The squared norms of the rows of one or of the difference of two tensors. */
function squares({ data, shape }: Tensor, other?: Tensor): Float64Array {
  const dim = shape[3];
  return Float64Array.from({ length: data.length / dim }, (_, row) => {
    let sum = 0;
    for (let c = 0; c < dim; c++) sum += (data[row * dim + c] - (other?.data[row * dim + c] ?? 0)) ** 2;
    return sum;
  });
}

/** The first tokens of a call. */
function firstTokens(qkv: Qkv, tokens: number): Qkv {
  const cut = ({ data, shape: [batch, heads, length, dim] }: Tensor): Tensor<Float64Array> => {
    const parts = Array.from(
      { length: batch * heads },
      (_, h) => [...data.subarray(h * length * dim, (h * length + tokens) * dim)],
    );
    return { data: Float64Array.from(parts.flat()), shape: [batch, heads, tokens, dim] };
  };
  return { q: cut(qkv.q), k: cut(qkv.k), v: cut(qkv.v) };
}

const inputs: readonly [string, () => Promise<{ qkv: Qkv; causal: boolean }>][] = [
  ...DEFAULT_TRACES.map((path) =>
    [`trace ${path.replace(/.*\//, "")}`, async () => {
      const { qkv, causal } = await loadTrace(path);
      return { qkv: firstTokens(qkv, 1024), causal };
    }] as [string, () => Promise<{ qkv: Qkv; causal: boolean }>]
  ),
  ...(["video", "sinks"] as const).map((name) =>
    [
      `workload ${name}`,
      () => Promise.resolve(makeWorkload(name, { seqQ: 1024, heads: 2, headDim: 32, seed: 5 })),
    ] as [
      string,
      () => Promise<{ qkv: Qkv; causal: boolean }>,
    ]
  ),
];

for (const [name, load] of inputs) {
  for (const density of [0.15, 0.4]) {
    Deno.test(`sampled rows: intervals hold the error of all rows, ${name} at density ${density}`, async () => {
      const { qkv, causal } = await load();
      const config: PsaConfig = {
        blockM: BLOCK_M,
        blockN: 32,
        tile: 32,
        causal,
        importance: causal ? { kind: "antidiagonal", stride: 8 } : { kind: "full" },
        assignment: { mode: "density", density },
      };
      const truth = denseAttention(qkv, { causal }).out;
      const errors2 = squares(psa(qkv, config).out, truth), norms2 = squares(truth);
      const sum = (numbers: Float64Array) => numbers.reduce((total, number) => total + number, 0);
      const relL2 = Math.sqrt(sum(errors2) / sum(norms2));
      const [batch, heads, seqQ] = truth.shape;
      for (const perBlock of [1, 4, 16]) {
        let held = 0, width = 0;
        for (let seed = 0; seed < DRAWS; seed++) {
          const { rows, strata } = sampleQueryRows({ batch, heads, seqQ }, BLOCK_M, {
            seed,
            perBlock,
            causal,
          });
          const at = rows.flatMap((list, head) => list.map((row) => head * seqQ + row));
          const { low, high } = estimateRelativeError(
            at.map((i) => errors2[i]),
            at.map((i) => norms2[i]),
            strata,
          );
          if (low <= relL2 && relL2 <= high) held++;
          width += Math.log(high / low) / DRAWS;
        }
        assert(
          held >= LEAST * DRAWS,
          `${held} of ${DRAWS} intervals with ${perBlock} a block hold ${relL2}.`,
        );
        const widest = perBlock === 1 ? 1.2 : 0.8;
        assert(width < widest, `Intervals with ${perBlock} a block are ${width} wide.`);
      }
    });
  }
}

Deno.test("sampled rows: every block of every head is hit, by distinct rows, and other seeds draw others", () => {
  const shape = { batch: 2, heads: 3, seqQ: 70 };
  const { rows, strata } = sampleQueryRows(shape, 16, { seed: 3, perBlock: 8 });
  assertEquals(rows.length, 6);
  for (const list of rows) {
    const blocks = Object.groupBy(list, (row) => Math.floor(row / 16));
    assertEquals(Object.values(blocks).map((block) => new Set(block).size), [8, 8, 8, 8, 6]);
    assertEquals(list, [...list].sort((a, b) => a - b));
  }
  assertEquals(strata.sizes, Array.from({ length: 6 }, () => [16, 16, 16, 16, 6]).flat());
  assertEquals(strata.of.length, rows.flat().length);
  assertEquals(sampleQueryRows(shape, 16, { seed: 3, perBlock: 8 }), { rows, strata });
  assert(`${sampleQueryRows(shape, 16, { seed: 4, perBlock: 8 }).rows}` !== `${rows}`);
  assert(`${rows[0]}` !== `${rows[1]}`);
});

Deno.test("sampled rows: the first rows of causal blocks are strata of their own, joined with their like alone", () => {
  const { rows, strata } = sampleQueryRows({ batch: 1, heads: 1, seqQ: 64 }, 16, { seed: 1, causal: true });
  assertEquals(strata.sizes, [0, 1, 2, 3].flatMap(() => [1, 1, 2, 4, 8]));
  assertEquals(rows[0].length, 20);
  assertEquals([rows[0][0], rows[0][1], rows[0][5], rows[0][6]], [0, 1, 16, 17]);
  // the first rows of blocks, which are all known, hold all of the error: nothing is left to chance
  const errors2 = rows[0].map((row) => row % 16 === 0 ? 1 : 0), norms2 = rows[0].map(() => 1);
  const { relL2, low, high } = estimateRelativeError(errors2, norms2, strata);
  for (const each of [relL2, low, high]) assert(Math.abs(each - Math.sqrt(4 / 64)) < 1e-12, `${low} ${high}`);
});

Deno.test("sampled rows: all rows give the error itself, and an interval of no width", () => {
  const { qkv } = makeWorkload("video", { seqQ: 64, headDim: 8 });
  const truth = denseAttention(qkv).out;
  const { rows, strata } = sampleQueryRows({ batch: 1, heads: 1, seqQ: 64 }, 16, { perBlock: 16 });
  const [{ out }] = attentionRows(qkv, null, rows);
  const norms2 = squares(truth), errors2 = norms2.map((norm, row) => norm * (row % 5));
  assert(squares({ data: out, shape: truth.shape }, truth).every((error) => error < 1e-24));
  const want = Math.sqrt(errors2.reduce((a, b) => a + b) / norms2.reduce((a, b) => a + b));
  const { relL2, low, high } = estimateRelativeError(errors2, norms2, strata);
  for (const each of [relL2, low, high]) assert(Math.abs(each - want) < 1e-12);
});

Deno.test("sampled rows: rows stand for the rows of their stratum", () => {
  const { relL2 } = estimateRelativeError([1, 4], [1, 1], { of: [0, 1], sizes: [30, 10] });
  assert(Math.abs(relL2 - Math.sqrt((30 + 40) / 40)) < 1e-12);
});

Deno.test("sampled rows: bad input is refused in one sentence", () => {
  const strata = { of: [0, 1], sizes: [4, 4] };
  assertThrows(() => estimateRelativeError([1], [1, 1], strata), InputError, "There are 1 errors");
  assertThrows(() => estimateRelativeError([1, NaN], [1, 1], strata), InputError, "`errors2` holds NaN");
  assertThrows(() => estimateRelativeError([1, 1], [1, -1], strata), InputError, "`norms2` holds -1");
  assertThrows(
    () => estimateRelativeError([1, 1], [1, 1], { of: [0, 0], sizes: [4, 4] }),
    InputError,
    "Stratum 1 has no sampled row",
  );
  const shape = { batch: 1, heads: 1, seqQ: 8 };
  assertThrows(() => sampleQueryRows(shape, 0), InputError, "`blockM` is 0");
  assertThrows(() => sampleQueryRows(shape, 4, { perBlock: 0.5 }), InputError, "`perBlock` is 0.5");
  assertThrows(() => sampleQueryRows(shape, 4, { seed: -1 }), InputError, "`seed` is -1");
});
