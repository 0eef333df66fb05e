/** Facts about pyramid attention that hold for every input. */
import { denseAttention, pyramidAttention, type Qkv, seededRandom, type Tensor } from "../mod.ts";
import { assert, assertAlmostEquals } from "./assert.ts";
import { assertClose, attentionCall, type AttentionCase, factTest } from "./attention_case.ts";

/** A tensor with every element replaced. */
function mapTensor(x: Tensor, change: (value: number, index: number) => number): Tensor<Float64Array> {
  return { data: Float64Array.from(x.data, change), shape: x.shape };
}

/** Rows of the third axis rearranged: row n of the result is row order[n] of the source. */
function permuteRows<Data extends Float64Array | Int32Array>(
  { data, shape }: { data: Data; shape: readonly number[] },
  order: readonly number[],
): { data: Data; shape: readonly number[] } {
  const size = shape[3] ?? 1, length = shape[2], permuted = data.slice() as Data;
  for (let head = 0; head < shape[0] * shape[1]; head++) {
    order.forEach((from, to) => {
      for (let c = 0; c < size; c++) {
        permuted[(head * length + to) * size + c] = data[(head * length + from) * size + c];
      }
    });
  }
  return { data: permuted, shape };
}

/** A seeded permutation of 0 … length - 1. */
function permutation(length: number, seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length }, (_, index) => ({ index, key: random.uniform() }))
    .sort((a, b) => a.key - b.key)
    .map(({ index }) => index);
}

/** One head of a tensor. */
function head({ data, shape }: Tensor, index: number): Tensor<Float64Array> {
  const size = shape.slice(2).reduce((product, length) => product * length, 1);
  return {
    data: Float64Array.from(data.subarray(index * size, (index + 1) * size)),
    shape: [1, 1, ...shape.slice(2)],
  };
}

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

factTest("property: permuting keys and values together changes nothing at level 1", (c) => {
  const { qkv } = attentionCall(c), order = permutation(c.seqK, c.seed);
  const moved = { q: qkv.q, k: permuteRows(qkv.k, order), v: permuteRows(qkv.v, order) };
  assertClose(denseAttention(moved).out, denseAttention(qkv).out);
});

factTest("property: permuting the tokens of a pooled run changes nothing", (c) => {
  const seqK = Math.ceil(c.seqK / c.blockN) * c.blockN;
  const { qkv, levels, options } = attentionCall({ ...c, seqK, levels: [c.blockN & -c.blockN] });
  const run = c.blockN & -c.blockN;
  const order = Array.from({ length: seqK }, (_, t) => t - t % run + (run - 1 - t % run));
  const moved = { q: qkv.q, k: permuteRows(qkv.k, order), v: permuteRows(qkv.v, order) };
  assertClose(pyramidAttention(moved, levels, options).out, pyramidAttention(qkv, levels, options).out);
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
