import {
  InputError,
  pyramidAttention,
  pyramidAttentionGradient,
  type Qkv,
  seededRandom,
  type Tensor,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../support/assert.ts";
import {
  assertClose,
  type AttentionCall,
  attentionCall,
  type AttentionCase,
  factTest,
  randomTensor,
} from "../../support/attention_case.ts";

/** A case with random gradients of its outputs. Rows that see nothing have no gradient of their lse. */
function gradientCall(c: AttentionCase) {
  const call = attentionCall(c), random = seededRandom(c.seed + 1);
  const dout = randomTensor([c.batch, c.heads, c.seqQ, c.valueDim], random);
  const dlse = randomTensor([c.batch, c.heads, c.seqQ], random);
  return { ...call, dout, dlse, random };
}

/** The sum of the products of corresponding elements; elements that see nothing count 0. */
function inner(a: Tensor, b: Tensor): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) if (a.data[i] !== 0) sum += a.data[i] * b.data[i];
  return sum;
}

/** inputs + step * direction. */
function moved(inputs: Qkv, direction: Qkv, step: number): Qkv {
  const move = (x: Tensor, d: Tensor) => ({
    data: Float64Array.from(x.data, (value, i) => value + step * d.data[i]),
    shape: x.shape,
  });
  return { q: move(inputs.q, direction.q), k: move(inputs.k, direction.k), v: move(inputs.v, direction.v) };
}

/** Derivative of <dout, out> + <dlse, lse> along a direction, by central differences. */
function slope(
  { qkv, levels, options, dout, dlse }: AttentionCall & { dout: Tensor; dlse?: Tensor },
  direction: Qkv,
  step = 1e-5,
): number {
  const objective = (at: Qkv) => {
    const { out, lse } = pyramidAttention(at, levels, options);
    const seen = lse.data.map((x) => Number.isFinite(x) ? x : 0);
    return inner(dout, out) + (dlse ? inner(dlse, { data: seen, shape: lse.shape }) : 0);
  };
  return (objective(moved(qkv, direction, step)) - objective(moved(qkv, direction, -step))) / (2 * step);
}

factTest("gradient: adjoint identity <dout, J v> = <J^T dout, v>, every option crossed", (c) => {
  const call = gradientCall(c);
  const direction = {
    q: randomTensor(call.qkv.q.shape, call.random),
    k: randomTensor(call.qkv.k.shape, call.random),
    v: randomTensor(call.qkv.v.shape, call.random),
  };
  const { dq, dk, dv } = pyramidAttentionGradient(call.qkv, call.levels, call.dout, {
    ...call.options,
    dlse: call.dlse,
  });
  const got = inner(dq, direction.q) + inner(dk, direction.k) + inner(dv, direction.v);
  const want = slope(call, direction);
  assertAlmostEquals(got, want, 1e-7 * (1 + Math.abs(want)) * Math.sqrt(dq.data.length + dk.data.length));
}, { runs: 150 });

factTest("gradient: every element against central differences", (c) => {
  const call = gradientCall(c);
  const got = pyramidAttentionGradient(call.qkv, call.levels, call.dout, call.options);
  const zero = {
    q: call.qkv.q.data.map(() => 0),
    k: call.qkv.k.data.map(() => 0),
    v: call.qkv.v.data.map(() => 0),
  };
  for (const name of ["q", "k", "v"] as const) {
    const gradient = { q: got.dq, k: got.dk, v: got.dv }[name];
    for (let i = 0; i < gradient.data.length; i++) {
      const direction = {
        q: { data: zero.q.slice(), shape: call.qkv.q.shape },
        k: { data: zero.k.slice(), shape: call.qkv.k.shape },
        v: { data: zero.v.slice(), shape: call.qkv.v.shape },
      };
      direction[name].data[i] = 1;
      const want = slope({ ...call, dlse: undefined }, direction);
      assertAlmostEquals(gradient.data[i], want, 1e-7 * (1 + Math.abs(want)));
    }
  }
}, { runs: 25, fixed: { batch: 1, seqQ: 7, seqK: 11, headDim: 3, valueDim: 2 } });

factTest("gradient: rows that see nothing have gradient 0, and nothing is NaN", (c) => {
  const { qkv, levels, options, dout, dlse } = gradientCall(c);
  const { lse } = pyramidAttention(qkv, levels, options);
  const { dq, dk, dv } = pyramidAttentionGradient(qkv, levels, dout, { ...options, dlse });
  for (const { data } of [dq, dk, dv]) assert(data.every(Number.isFinite));
  lse.data.forEach((value, row) => {
    if (value === -Infinity) {
      assert(dq.data.subarray(row * c.headDim, (row + 1) * c.headDim).every((x) => x === 0));
    }
  });
});

factTest("gradient: keys and values that nobody sees have gradient 0", (c) => {
  const { qkv, levels, options, dout, dlse } = gradientCall(c);
  const { dq, dk, dv } = pyramidAttentionGradient(qkv, levels, dout, { ...options, dlse });
  for (const { data } of [dq, dk, dv]) assertEquals(data.find((x) => x !== 0), undefined);
}, { fixed: { levels: [0] }, runs: 10 });

factTest(
  "gradient: the outputs do not change if a constant is added to all values, so dv sums to dout",
  (c) => {
    const { qkv, levels, options, dout } = gradientCall(c);
    const { lse } = pyramidAttention(qkv, levels, options);
    const { dv } = pyramidAttentionGradient(qkv, levels, dout, options);
    let given = 0, received = 0;
    dout.data.forEach((x, i) => given += lse.data[Math.floor(i / c.valueDim)] === -Infinity ? 0 : x);
    dv.data.forEach((x) => received += x);
    assertAlmostEquals(received, given, 1e-9);
  },
);

factTest("gradient: dlse alone moves no values", (c) => {
  const { qkv, levels, options, dout, dlse } = gradientCall(c);
  const none = { data: dout.data.map(() => 0), shape: dout.shape };
  const { dv, dk } = pyramidAttentionGradient(qkv, levels, none, { ...options, dlse });
  assert(dv.data.every((x) => x === 0));
  const { dk: without } = pyramidAttentionGradient(qkv, levels, none, options);
  assertClose(without, { data: dk.data.map(() => 0), shape: dk.shape }, 0);
});

Deno.test("gradient: a dout or dlse of the wrong shape is refused by name", () => {
  const x = randomTensor([1, 1, 4, 8], seededRandom(1)), qkv = { q: x, k: x, v: x };
  const levels = { data: new Int32Array([1]), shape: [1, 1, 1, 1] }, options = { blockM: 4, blockN: 4 };
  const short = randomTensor([1, 1, 3, 8], seededRandom(1));
  assertThrows(
    () => pyramidAttentionGradient(qkv, levels, short, options),
    InputError,
    "`dout` has shape [1,1,3,8]; it should be [1,1,4,8].",
  );
  assertThrows(
    () => pyramidAttentionGradient(qkv, levels, x, { ...options, dlse: x }),
    InputError,
    "`dlse` has shape",
  );
});
