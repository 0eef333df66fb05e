/** Facts about the attention of rows, heads and values that hold for every input. */
import { denseAttention, pyramidAttention, type Qkv, type Tensor } from "../../../mod.ts";
import { assert, assertAlmostEquals } from "../../support/assert.ts";
import { assertClose, attentionCall, factTest } from "../../support/attention_case.ts";
import { head, mapTensor, permutation, permuteRows } from "../../support/tensor_tools.ts";

factTest("property: permuting keys and values together changes nothing at level 1", (c) => {
  const { qkv } = attentionCall(c), order = permutation(c.seqK, c.seed);
  const moved = { q: qkv.q, k: permuteRows(qkv.k, order), v: permuteRows(qkv.v, order) };
  assertClose(denseAttention(moved).out, denseAttention(qkv).out);
});

factTest("property: permuting the queries of a block permutes their outputs", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const order = Array.from({ length: c.seqQ }, (_, i) => i - i % c.blockM).map((start, i) => {
    const length = Math.min(c.blockM, c.seqQ - start);
    return start + (length - 1 - (i - start));
  });
  const got = pyramidAttention({ ...qkv, q: permuteRows(qkv.q, order) }, levels, options);
  const want = pyramidAttention(qkv, levels, options);
  assertClose(got.out, permuteRows(want.out, order), 0);
  assertClose(got.lse, permuteRows(want.lse, order), 0);
}, { fixed: { causal: false } });

factTest("property: scaling the values scales the outputs and leaves the log-sum-exp", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const got = pyramidAttention({ ...qkv, v: mapTensor(qkv.v, (x) => -8 * x) }, levels, options);
  const want = pyramidAttention(qkv, levels, options);
  assertClose(got.out, mapTensor(want.out, (x) => -8 * x), 0);
  assertClose(got.lse, want.lse, 0);
});

factTest("property: outputs are linear in the values", (c) => {
  const { qkv, levels, options } = attentionCall(c), other = attentionCall({ ...c, seed: c.seed + 1 }).qkv.v;
  const sum = pyramidAttention({ ...qkv, v: mapTensor(qkv.v, (x, i) => x + other.data[i]) }, levels, options);
  const first = pyramidAttention(qkv, levels, options).out;
  const second = pyramidAttention({ ...qkv, v: other }, levels, options).out;
  assertClose(sum.out, mapTensor(first, (x, i) => x + second.data[i]));
});

factTest("property: every output lies between the smallest and the largest value of its channel", (c) => {
  const { qkv, levels, options } = attentionCall(c), { out, lse } = pyramidAttention(qkv, levels, options);
  out.data.forEach((x, i) => {
    const row = Math.floor(i / c.valueDim), query = Math.floor(row / c.seqQ);
    const group = c.heads / c.kvHeads;
    const values = head(qkv.v, Math.floor(query / c.heads) * c.kvHeads + Math.floor(query % c.heads / group))
      .data
      .filter((_, j) => j % c.valueDim === i % c.valueDim);
    if (lse.data[row] === -Infinity) assert(x === 0);
    else assert(x >= Math.min(...values) - 1e-12 && x <= Math.max(...values) + 1e-12, `${x}`);
  });
}, { runs: 30 });

factTest("property: if all values are one vector, every row that sees something is that vector", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const same = mapTensor(qkv.v, (_, i) => 1 + i % c.valueDim);
  const { out, lse } = pyramidAttention({ ...qkv, v: same }, levels, options);
  out.data.forEach((x, i) => {
    const empty = lse.data[Math.floor(i / c.valueDim)] === -Infinity;
    assertAlmostEquals(x, empty ? 0 : 1 + i % c.valueDim, 1e-12);
  });
});

factTest("property: adding one vector to all keys changes no output", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const shifted = { ...qkv, k: mapTensor(qkv.k, (x, i) => x + 1 + i % c.headDim) };
  assertClose(
    pyramidAttention(shifted, levels, options).out,
    pyramidAttention(qkv, levels, options).out,
    1e-11,
  );
});

factTest(
  "property: queries of 0 weigh every token by its count: a row is the mean of the tokens it sees",
  (c) => {
    const { qkv, levels, options } = attentionCall(c);
    const flat = { ...qkv, q: mapTensor(qkv.q, () => 0) };
    const full = { ...levels, data: levels.data.map((level) => Math.min(level, 1)) };
    const got = pyramidAttention(flat, levels, options), want = pyramidAttention(flat, full, options);
    assertClose(got.out, want.out);
    assertClose(got.lse, want.lse);
  },
  { fixed: { causal: false, tail: "exact" } },
);

factTest("property: a scale of its own is the same as scaling the queries", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const scaled = { ...qkv, q: mapTensor(qkv.q, (x) => 3 * x) };
  const got = pyramidAttention(scaled, levels, options);
  const want = pyramidAttention(qkv, levels, { ...options, scale: 3 / Math.sqrt(c.headDim) });
  assertClose(got.out, want.out);
  assertClose(got.lse, want.lse);
});

factTest("property: heads and batch entries do not know of each other", (c) => {
  const { qkv, levels, options } = attentionCall(c), whole = pyramidAttention(qkv, levels, options);
  const group = c.heads / c.kvHeads;
  for (let index = 0; index < c.batch * c.heads; index++) {
    const kvIndex = Math.floor(index / c.heads) * c.kvHeads + Math.floor(index % c.heads / group);
    const alone = { q: head(qkv.q, index), k: head(qkv.k, kvIndex), v: head(qkv.v, kvIndex) };
    const own = { data: Int32Array.from(head(levels, index).data), shape: [1, 1, ...levels.shape.slice(2)] };
    const got = pyramidAttention(alone, own, options);
    assertClose(got.out, head(whole.out, index), 0);
    assertClose(got.lse, { ...head(whole.lse, index), shape: got.lse.shape }, 0);
  }
});

factTest("property: grouped heads are the same as repeated key heads", (c) => {
  const { qkv, levels, options } = attentionCall(c), group = c.heads / c.kvHeads;
  const repeat = (x: Tensor): Tensor<Float64Array> => ({
    data: Float64Array.from(
      Array.from({ length: c.batch * c.heads }, (_, index) => [...head(x, Math.floor(index / group)).data])
        .flat(),
    ),
    shape: [c.batch, c.heads, ...x.shape.slice(2)],
  });
  const repeated: Qkv = { q: qkv.q, k: repeat(qkv.k), v: repeat(qkv.v) };
  assertClose(pyramidAttention(repeated, levels, options).out, pyramidAttention(qkv, levels, options).out, 0);
});

factTest("property: causal attention does not depend on the future", (c) => {
  const { qkv, levels, options } = attentionCall(c), other = attentionCall({ ...c, seed: c.seed + 1 }).qkv;
  const now = Math.floor(c.seqQ / 2), position = now + c.seqK - c.seqQ;
  const replace = (x: Tensor, y: Tensor) => {
    const dim = x.shape[3];
    return mapTensor(x, (value, i) => Math.floor(i / dim) % c.seqK > position ? y.data[i] : value);
  };
  const changed = { q: qkv.q, k: replace(qkv.k, other.k), v: replace(qkv.v, other.v) };
  const past = ({ data }: Tensor, size: number) =>
    data.filter((_, i) => Math.floor(i / size) % c.seqQ <= now) as Float64Array;
  const got = pyramidAttention(changed, levels, options), want = pyramidAttention(qkv, levels, options);
  const seen = (x: Float64Array) => ({ data: x, shape: [x.length] });
  assertClose(seen(past(got.out, c.valueDim)), seen(past(want.out, c.valueDim)), 0);
  assertClose(seen(past(got.lse, 1)), seen(past(want.lse, 1)), 0);
}, { fixed: { causal: true } });

factTest("property: the last causal query sees what it sees without causality", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const causal = pyramidAttention(qkv, levels, { ...options, causal: true });
  const open = pyramidAttention(qkv, levels, { ...options, causal: false });
  for (let index = 0; index < c.batch * c.heads; index++) {
    const row = (index + 1) * c.seqQ - 1;
    assertAlmostEquals(causal.out.data[row * c.valueDim], open.out.data[row * c.valueDim], 1e-12);
    assertAlmostEquals(causal.lse.data[row], open.lse.data[row], 1e-12);
  }
}, { fixed: { tail: "exact", levels: [1, 2, 4, 8] } });

factTest(
  "property: how queries are cut into blocks does not matter if the blocks agree on their levels",
  (c) => {
    const { qkv, levels, options } = attentionCall({ ...c, blockM: 16 }), [, , M, N] = levels.shape;
    const alike = levels.data.map((_, i) => levels.data[Math.floor(i / (M * N)) * M * N + i % N]);
    const oneBlock = alike.filter((_, i) => i % (M * N) < N);
    const got = pyramidAttention(qkv, { data: alike, shape: levels.shape }, { ...options, blockM: 16 });
    const whole = { data: oneBlock, shape: [c.batch, c.heads, 1, N] };
    const want = pyramidAttention(qkv, whole, { ...options, blockM: c.seqQ });
    assertClose(got.out, want.out);
    assertClose(got.lse, want.lse);
  },
);
