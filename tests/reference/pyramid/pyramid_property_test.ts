/** Facts about levels, pooling and visible sets that hold for every input. */
import { denseAttention, pyramidAttention, seededRandom, type Tensor } from "../../../mod.ts";
import { assert, assertAlmostEquals } from "../../support/assert.ts";
import { assertClose, attentionCall, type AttentionCase, factTest } from "../../support/attention_case.ts";
import { mapTensor, permutation, permuteRows } from "../../support/tensor_tools.ts";

factTest("property: level 1 everywhere is dense attention", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const got = pyramidAttention(qkv, levels, options), want = denseAttention(qkv, { causal: c.causal });
  assertClose(got.out, want.out);
  assertClose(got.lse, want.lse);
}, { fixed: { levels: [1] } });

factTest("property: if keys and values are constant within blocks, every level is exact", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const flat = (x: Tensor) =>
    mapTensor(x, (_, i) => {
      const dim = x.shape[3], token = Math.floor(i / dim) % c.seqK;
      return x.data[i - (token % c.blockN) * dim];
    });
  const constant = { q: qkv.q, k: flat(qkv.k), v: flat(qkv.v) };
  const got = pyramidAttention(constant, levels, options), want = denseAttention(constant);
  assertClose(got.out, want.out);
  assertClose(got.lse, want.lse);
}, { fixed: { levels: [1, 2, 4, 8, 16], causal: false, tail: "exact" } });

factTest("property: permuting key blocks together with their levels changes nothing", (c) => {
  const seqK = Math.ceil(c.seqK / c.blockN) * c.blockN;
  const { qkv, levels, options } = attentionCall({ ...c, seqK });
  const blocks = permutation(seqK / c.blockN, c.seed);
  const tokens = blocks.flatMap((block) => Array.from({ length: c.blockN }, (_, i) => block * c.blockN + i));
  const moved = { q: qkv.q, k: permuteRows(qkv.k, tokens), v: permuteRows(qkv.v, tokens) };
  const N = blocks.length;
  const movedLevels = { ...levels, data: levels.data.map((_, i) => levels.data[i - i % N + blocks[i % N]]) };
  const got = pyramidAttention(moved, movedLevels, options), want = pyramidAttention(qkv, levels, options);
  assertClose(got.out, want.out);
  assertClose(got.lse, want.lse);
}, { fixed: { causal: false } });

factTest("property: permuting the tokens of a pooled run changes nothing", (c) => {
  const seqK = Math.ceil(c.seqK / c.blockN) * c.blockN;
  const { qkv, levels, options } = attentionCall({ ...c, seqK, levels: [c.blockN & -c.blockN] });
  const run = c.blockN & -c.blockN;
  const order = Array.from({ length: seqK }, (_, t) => t - t % run + (run - 1 - t % run));
  const moved = { q: qkv.q, k: permuteRows(qkv.k, order), v: permuteRows(qkv.v, order) };
  assertClose(pyramidAttention(moved, levels, options).out, pyramidAttention(qkv, levels, options).out);
});

factTest("property: showing a skipped block never lowers a log-sum-exp", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const more = { ...levels, data: levels.data.map((level) => level === 0 ? 1 : level) };
  const few = pyramidAttention(qkv, levels, options).lse, many = pyramidAttention(qkv, more, options).lse;
  few.data.forEach((x, i) => assert(many.data[i] >= x, `${many.data[i]} < ${x}`));
});

factTest("property: two parts of the keys merge to the whole through their log-sum-exp", (c) => {
  const { qkv, levels, options } = attentionCall(c), random = seededRandom(c.seed + 1);
  const side = levels.data.map(() => random.uniform() < 0.5 ? 0 : 1);
  const part = (which: number) => {
    const data = levels.data.map((level, i) => side[i] === which ? level : 0);
    return pyramidAttention(qkv, { ...levels, data }, options);
  };
  const [a, b] = [part(0), part(1)], whole = pyramidAttention(qkv, levels, options);
  whole.lse.data.forEach((lse, row) => {
    if (lse === -Infinity) return;
    const [x, y] = [Math.exp(a.lse.data[row] - lse), Math.exp(b.lse.data[row] - lse)];
    assertAlmostEquals(x + y, 1, 1e-12);
    for (let i = row * c.valueDim; i < (row + 1) * c.valueDim; i++) {
      assertAlmostEquals(x * a.out.data[i] + y * b.out.data[i], whole.out.data[i], 1e-12);
    }
  });
});

factTest("property: pooling never raises a log-sum-exp (Jensen)", (c) => {
  const { qkv, levels, options } = attentionCall(c);
  const full = { ...levels, data: levels.data.map((level) => Math.min(level, 1)) };
  const pooled = pyramidAttention(qkv, levels, options).lse, exact = pyramidAttention(qkv, full, options).lse;
  pooled.data.forEach((x, i) => assert(x <= exact.data[i] + 1e-12, `${x} > ${exact.data[i]}`));
}, { fixed: { tail: "exact" } });

factTest("property: a coarser level never has a higher log-sum-exp than a finer one", (c) => {
  const { qkv, levels, options } = attentionCall({ ...c, blockN: 16 });
  const at = (level: number) =>
    pyramidAttention(qkv, { ...levels, data: levels.data.map(() => level) }, { ...options, blockN: 16 }).lse
      .data;
  let finer = at(1);
  for (const level of [2, 4, 8, 16]) {
    const coarser = at(level);
    coarser.forEach((x, i) => assert(x <= finer[i] + 1e-12, `level ${level}: ${x} > ${finer[i]}`));
    finer = coarser;
  }
}, { fixed: { blockN: 16, tail: "exact", causal: false }, runs: 30 });

factTest("property: both tail policies agree where the last block is full", (c: AttentionCase) => {
  const seqK = Math.ceil(c.seqK / c.blockN) * c.blockN;
  const { qkv, levels, options } = attentionCall({ ...c, seqK });
  const exact = pyramidAttention(qkv, levels, { ...options, tail: "exact" });
  const replicate = pyramidAttention(qkv, levels, { ...options, tail: "replicate" });
  assertClose(replicate.out, exact.out, 0);
  assertClose(replicate.lse, exact.lse, 0);
});

factTest("property: replicating the tail is attention to keys that were padded beforehand", (c) => {
  const { qkv, levels, options } = attentionCall(c), seqK = levels.shape[3] * c.blockN;
  const order = Array.from({ length: seqK }, (_, t) => Math.min(t, c.seqK - 1));
  const pad = (x: Tensor) => {
    const dim = x.shape[3], heads = x.shape[0] * x.shape[1];
    const data = Float64Array.from({ length: heads * seqK * dim }, (_, i) => {
      const index = Math.floor(i / (seqK * dim)), token = order[Math.floor(i / dim) % seqK];
      return x.data[(index * c.seqK + token) * dim + i % dim];
    });
    return { data, shape: [x.shape[0], x.shape[1], seqK, dim] };
  };
  const padded = { q: qkv.q, k: pad(qkv.k), v: pad(qkv.v) };
  assertClose(pyramidAttention(qkv, levels, options).out, pyramidAttention(padded, levels, options).out, 0);
}, { fixed: { causal: false, tail: "replicate", levels: [0, 2, 4, 8], blockN: 8 } });

factTest("property: what is in a skipped block does not matter", (c) => {
  const { qkv, levels, options } = attentionCall(c), N = levels.shape[3];
  const skipped = Math.floor(N / 2);
  const hidden = { ...levels, data: levels.data.map((level, i) => i % N === skipped ? 0 : level) };
  const wreck = (x: Tensor) =>
    mapTensor(x, (value, i) => {
      const token = Math.floor(i / x.shape[3]) % c.seqK;
      return Math.floor(token / c.blockN) === skipped ? NaN : value;
    });
  const wrecked = { q: qkv.q, k: wreck(qkv.k), v: wreck(qkv.v) };
  const got = pyramidAttention(wrecked, hidden, options), want = pyramidAttention(qkv, hidden, options);
  assertClose(got.out, want.out, 0);
  assertClose(got.lse, want.lse, 0);
});

factTest("property: a block at its coarsest level is one token at its mean", (c) => {
  const seqK = Math.ceil(c.seqK / 8) * 8;
  const { qkv, levels, options } = attentionCall({ ...c, seqK });
  const mean = (x: Tensor): Tensor<Float64Array> => {
    const [batch, heads, , dim] = x.shape, data = new Float64Array(x.data.length / 8);
    x.data.forEach((value, i) => data[Math.floor(i / (8 * dim)) * dim + i % dim] += value / 8);
    return { data, shape: [batch, heads, seqK / 8, dim] };
  };
  const means = { q: qkv.q, k: mean(qkv.k), v: mean(qkv.v) };
  const got = pyramidAttention(qkv, levels, options);
  const ones = { ...levels, data: levels.data.map((level) => Math.min(level, 1)) };
  const want = pyramidAttention(means, ones, { ...options, blockN: 1 });
  assertClose(got.out, want.out);
  assertClose(got.lse, mapTensor(want.lse, (x) => x + Math.log(8)));
}, { fixed: { blockN: 8, levels: [0, 8], causal: false } });
