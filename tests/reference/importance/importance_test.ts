/** Importance by hand, and facts about it that hold for every input. */
import {
  antidiagonalImportance,
  blockImportance,
  fullImportance,
  groupMaxImportance,
  InputError,
  pooledImportance,
  type QueryKey,
  sampledImportance,
  sampleOffsets,
  type Tensor,
  tensor,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../support/assert.ts";
import { assertClose } from "../../support/attention_case.ts";
import { head, mapTensor, permutation, permuteRows } from "../../support/tensor_tools.ts";
import { queryKeyOf, rowsOf, type SelectionCase, selectionFact } from "../../support/selection_case.ts";

/** Every way to compute importance of a case. */
const KINDS: Readonly<Record<string, (qk: QueryKey, c: SelectionCase) => Tensor<Float64Array>>> = {
  full: fullImportance,
  sampled: sampledImportance,
  pooled: pooledImportance,
  antidiagonal: antidiagonalImportance,
};

const sum = (row: Float64Array) => row.reduce((total, x) => total + x, 0);
const range = (length: number) => Array.from({ length }, (_, i) => i);
/** The same case with whole blocks. */
function whole(c: SelectionCase): SelectionCase {
  const up = (x: number, block: number) => Math.ceil(x / block) * block;
  return { ...c, seqQ: up(c.seqQ, c.blockM), seqK: up(c.seqK, c.blockN) };
}

selectionFact("rows of importance sum to 1 and hold no negative number", (c) => {
  for (const kind of ["full", "sampled", "pooled"]) {
    for (const row of rowsOf(KINDS[kind](queryKeyOf(c), c))) {
      assertAlmostEquals(sum(row), 1, 1e-12, kind);
      assert(row.every((x) => x >= 0), kind);
    }
  }
});

selectionFact("rows of antidiagonal importance sum to the number of query groups that see something", (c) => {
  const { seqQ, seqK, blockM, stride, causal } = c, M = Math.ceil(seqQ / blockM);
  const shift = causal ? Math.floor((seqK - seqQ) / stride) : Infinity;
  rowsOf(antidiagonalImportance(queryKeyOf(c), c)).forEach((row, at) => {
    const first = at % M * blockM / stride, end = Math.min(first + blockM / stride, Math.ceil(seqQ / stride));
    const seeing = range(end).filter((group) => group >= first && group + shift >= 0).length;
    assertAlmostEquals(sum(row), seeing, 1e-12);
  });
});

selectionFact("a vector that is added to all keys changes no importance", (c) => {
  const { q, k } = queryKeyOf(c);
  const shifted = { q, k: mapTensor(k, (x, i) => x + Math.sin(1 + i % c.headDim)) };
  for (const importance of Object.values(KINDS)) {
    assertClose(importance(shifted, c), importance({ q, k }, c), 1e-11);
  }
}, { runs: 30 });

selectionFact("only the product of the lengths of queries and keys counts", (c) => {
  const { q, k } = queryKeyOf(c);
  const scaled = { q: mapTensor(q, (x) => 4 * x), k: mapTensor(k, (x) => x / 4) };
  for (const importance of Object.values(KINDS)) {
    assertClose(importance(scaled, c), importance({ q, k }, c), 0);
  }
}, { runs: 30 });

selectionFact("permuting key blocks permutes importance", (given) => {
  const c = whole(given), { q, k } = queryKeyOf(c), N = c.seqK / c.blockN;
  const blocks = permutation(N, c.seed);
  const tokens = blocks.flatMap((block) => range(c.blockN).map((i) => block * c.blockN + i));
  const moved = { q, k: permuteRows(k, tokens) };
  for (const [kind, importance] of Object.entries(KINDS)) {
    if (kind === "antidiagonal" && c.causal) continue;
    const want = importance({ q, k }, c);
    const permuted = { ...want, data: want.data.map((_, i) => want.data[i - i % N + blocks[i % N]]) };
    assertClose(importance(moved, c), permuted);
  }
}, { runs: 40 });

selectionFact("the order of tokens inside blocks does not matter where all are read", (given) => {
  const c = whole(given), { q, k } = queryKeyOf(c);
  const turned = (x: Tensor<Float64Array>, block: number) =>
    permuteRows(x, range(x.shape[2]).map((t) => t + block - 1 - 2 * (t % block)));
  const moved = { q: turned(q, c.blockM), k: turned(k, c.blockN) };
  assertClose(fullImportance(moved, c), fullImportance({ q, k }, c));
  assertClose(pooledImportance(moved, c), pooledImportance({ q, k }, c));
}, { runs: 30 });

selectionFact("grouped heads are heads whose keys are repeated", (c) => {
  const { q, k } = queryKeyOf(c), size = c.seqK * c.headDim, group = c.heads / c.kvHeads;
  const data = new Float64Array(c.batch * c.heads * size);
  for (let at = 0; at < c.batch * c.heads; at++) {
    const from = Math.floor(at / group) * size;
    data.set(k.data.subarray(from, from + size), at * size);
  }
  const repeated = { q, k: tensor(data, [c.batch, c.heads, c.seqK, c.headDim]) };
  for (const importance of Object.values(KINDS)) {
    assertClose(importance(repeated, c), importance({ q, k }, c), 0);
  }
}, { runs: 30 });

selectionFact("a partial block is the block that repeats its last token, except for means", (c) => {
  const { q, k } = queryKeyOf(c);
  const pad = (x: Tensor, block: number) => {
    const tokens = Math.ceil(x.shape[2] / block) * block, heads = x.shape[0] * x.shape[1];
    const data = range(heads).flatMap((index) => {
      const one = head(x, index).data, last = one.slice(-c.headDim);
      return [...one, ...range(tokens - x.shape[2]).flatMap(() => [...last])];
    });
    return tensor(new Float64Array(data), [x.shape[0], x.shape[1], tokens, c.headDim]);
  };
  const padded = { q: pad(q, c.blockM), k: pad(k, c.blockN) };
  assertClose(fullImportance(padded, c), fullImportance({ q, k }, c), 0);
  assertClose(sampledImportance(padded, c), sampledImportance({ q, k }, c), 0);
}, { runs: 30 });

selectionFact("causal antidiagonal importance is 0 where a block is entirely in the future", (c) => {
  const M = Math.ceil(c.seqQ / c.blockM), offset = c.seqK - c.seqQ;
  rowsOf(antidiagonalImportance(queryKeyOf(c), { ...c, causal: true })).forEach((row, at) => {
    const lastGroup = Math.floor((Math.min((at % M + 1) * c.blockM, c.seqQ) - 1) / c.stride);
    const seenUntil = (lastGroup + Math.floor(offset / c.stride) + 1) * c.stride;
    row.forEach((x, j) => assert(j * c.blockN < seenUntil || x === 0, `row ${at}, block ${j}: ${x}`));
  });
});

Deno.test("importance: the largest score of a group counts, relative to the row's, without the softmax's sum", () => {
  const q = tensor(new Float64Array([1, 2]), [1, 1, 2, 1]);
  const k = tensor(new Float64Array([0, 1, 3, -1]), [1, 1, 4, 1]);
  const { data } = groupMaxImportance({ q, k }, { groupQ: 2, groupK: 2 });
  const first = Math.max(Math.exp(1 - 3), Math.exp(2 - 6));
  assertClose(tensor(data, [2]), tensor(new Float64Array([first / (first + 1), 1 / (first + 1)]), [2]));
});

Deno.test("importance: offsets are a quarter of each block, distinct, ascending, and other ones for each head", () => {
  const options = { blockM: 128, blockN: 64, seed: 3 };
  const seen = new Set<string>(), used = new Set<number>();
  for (let batchHead = 0; batchHead < 40; batchHead++) {
    const { query, key } = sampleOffsets({ ...options, batchHead });
    for (const [offsets, block] of [[query, 128], [key, 64]] as const) {
      assertEquals(offsets.length, block / 4);
      assertEquals(offsets, [...new Set(offsets)].sort((a, b) => a - b));
      assert(offsets.every((offset) => offset >= 0 && offset < block));
    }
    seen.add(`${key}`);
    key.forEach((offset) => used.add(offset));
  }
  assertEquals(seen.size, 40);
  assertEquals(used.size, 64, "every offset is drawn by some head");
  const { query } = sampleOffsets({ blockM: 16, blockN: 16, seed: 3, batchHead: 0 });
  assertEquals(query, sampleOffsets({ blockM: 16, blockN: 64, seed: 3, batchHead: 0 }).query);
});

Deno.test("importance: logits of ten thousand overflow nowhere", () => {
  const x = tensor(new Float64Array(32).map((_, i) => i % 2 === 0 ? 1e4 : -1e4), [1, 1, 16, 2]);
  const options = { blockM: 4, blockN: 4, seed: 0, stride: 2, causal: true } as SelectionCase;
  for (const importance of Object.values(KINDS)) {
    assert(importance({ q: x, k: x }, options).data.every(Number.isFinite));
  }
});

Deno.test("importance: bad input is refused in one sentence", () => {
  const x = tensor(new Float64Array(64), [1, 1, 16, 4]), qk = { q: x, k: x };
  const refused: [() => unknown, string][] = [
    [() => sampledImportance(qk, { blockM: 6, blockN: 8, seed: 0 }), "`blockM` is 6; sampling a quarter"],
    [() => sampledImportance(qk, { blockM: 8, blockN: 8, seed: -1 }), "`seed` is -1"],
    [() => fullImportance(qk, { blockM: 0, blockN: 8 }), "`blockM` is 0; it should be a positive number"],
    [
      () => pooledImportance(qk, { blockM: 8, blockN: 1.5 }),
      "`blockN` is 1.5; it should be a positive number",
    ],
    [() => groupMaxImportance(qk, { groupQ: 4, groupK: NaN }), "`groupK` is NaN"],
    [
      () => antidiagonalImportance(qk, { block: 8, stride: 3 }),
      "`stride` is 3; it should divide `blockM`, 8.",
    ],
    [
      () => antidiagonalImportance(qk, { blockM: 8, blockN: 4, stride: 8 }),
      "`stride` is 8; it should divide `blockN`, 4.",
    ],
    [() => antidiagonalImportance(qk, { blockM: 8, stride: 4 }), "`block` is missing"],
    [
      () =>
        fullImportance({ q: x, k: tensor(new Float64Array(48), [1, 1, 16, 3]) }, { blockM: 4, blockN: 4 }),
      "`k` has head dimension 3; it should be that of `q`, 4.",
    ],
    [
      () => blockImportance(qk, { blockM: 8, blockN: 4, importance: { kind: "sampld" as "full" } }),
      '`importance.kind` is sampld; it should be "sampled"',
    ],
  ];
  for (const [call, sentence] of refused) assertThrows(call, InputError, sentence);
});
