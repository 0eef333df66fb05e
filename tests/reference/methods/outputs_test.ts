/** Methods that do more than choose blocks by a rule: they search windows, or correct or compute outputs. */
import {
  type BlockMethod,
  compare,
  maskedAttention,
  type MethodInputs,
  methodInputs,
  methodOf,
  pyramidAttention,
  seededRandom,
  selectionDroppedMass,
  type Tensor,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";
import { assertClose, randomTensor } from "../../support/attention_case.ts";
import { head } from "../../support/tensor_tools.ts";
import { randomInputs, rowsOf, weighted } from "../../support/method_tools.ts";

/** A method of blocks. */
function block(name: string): BlockMethod {
  const method = methodOf(name);
  assert(method.granularity === "block");
  return method;
}

/** Five tiles of 4 x 4 x 4 in a row. */
const FIVE = { grid: { width: 20, height: 4, depth: 4 }, seqQ: 320, blockM: 64, blockN: 64 };

/** The tiles of five that a window of 1, 3 or 5 shows. */
const WINDOWS: Readonly<Record<number, string[]>> = {
  1: ["1 0 0 0 0", "0 1 0 0 0", "0 0 1 0 0", "0 0 0 1 0", "0 0 0 0 1"],
  3: ["1 1 1 0 0", "1 1 1 0 0", "0 1 1 1 0", "0 0 1 1 1", "0 0 1 1 1"],
  5: new Array(5).fill("1 1 1 1 1"),
};

Deno.test("methods: sta moves windows inside at the border", () => {
  const inputs = randomInputs({ ...FIVE, heads: 1 }),
    at = (density: number) => block("sta").select(inputs, density);
  assertEquals(rowsOf(at(0.59).levels), WINDOWS[1]);
  assert([WINDOWS[1], WINDOWS[3]].some((rows) => rows.join() === rowsOf(at(0.6).levels).join()));
  assertEquals(rowsOf(at(1).levels), WINDOWS[5]);
  assertEquals([at(0.1).status, at(0.1).density, at(0.2).status], ["unreachable", 0.2, "ok"]);
});

Deno.test("methods: sta gives every head the window of least error at or under the density", () => {
  for (let seed = 0; seed < 6; seed++) {
    const inputs = randomInputs({ ...FIVE, heads: 4, kvHeads: 2, seed }), dense = inputs.dense().out;
    const selection = block("sta").select(inputs, 0.6);
    const error = (window: number) => {
      const rows = WINDOWS[window].flatMap((row) => row.split(" ").map(Number));
      const levels = { data: Int32Array.from([rows, rows, rows, rows].flat()), shape: [1, 4, 5, 5] };
      const { out } = pyramidAttention(inputs.qkv, levels, inputs.sizes);
      return (h: number) => compare(head(out, h), head(dense, h)).relL2;
    };
    const one = error(1), three = error(3);
    for (let h = 0; h < 4; h++) {
      const best = WINDOWS[three(h) < one(h) ? 3 : 1].join();
      const levels = { data: selection.levels.data.subarray(h * 25, (h + 1) * 25), shape: [1, 1, 5, 5] };
      assertEquals(rowsOf(levels).join(), best, `seed ${seed}, head ${h}`);
    }
  }
});

Deno.test("methods: sta takes the smaller window if a larger one has more error", () => {
  // Query tile 0 sees tiles 0, 1 and 4 alike, tile 4 sees 0, 3 and 4, the others themselves. With these values a tile's
  // own is what dense attention gives, and a neighbour alone would mislead.
  const none = 1e-9, own = (m: number) => [0, 1, 2, 3, 4].map((j) => j === m ? 1 : none);
  const weights = [[1, 1, none, none, 1], own(1), own(2), own(3), [1, none, none, 1, 1]];
  const { qkv: { q, k } } = weighted(weights, { block: 64 });
  const values = [0, 1, 5, -2, -1],
    v = {
      data: Float64Array.from({ length: 320 }, (_, i) => values[Math.floor(i / 64)]),
      shape: [1, 1, 320, 1],
    };
  assertEquals(rowsOf(block("sta").select(methodInputs({ q, k, v }, FIVE), 0.6).levels), WINDOWS[1]);
});

/** The mean of the tokens of a block, by channel. */
function meanOf(tokens: Tensor, from: number, end: number): number[] {
  const dim = tokens.shape[3], rows = Array.from({ length: end - from }, (_, i) => from + i);
  return Array.from({ length: dim }, (_, c) => {
    return rows.reduce((sum, i) => sum + tokens.data[i * dim + c], 0) / rows.length;
  });
}

/** The mean absolute deviation of the tokens of a block from their mean, by channel. */
function spreadOf(tokens: Tensor, from: number, end: number): number[] {
  const dim = tokens.shape[3], mean = meanOf(tokens, from, end);
  const rows = Array.from({ length: end - from }, (_, i) => from + i);
  return mean.map((centre, c) => {
    return rows.reduce((sum, i) => sum + Math.abs(tokens.data[i * dim + c] - centre), 0) / rows.length;
  });
}

/** The sum of products. */
function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, c) => sum + x * b[c], 0);
}

/** Where a block begins and ends. */
function range(index: number, size: number, end: number): readonly [number, number] {
  return [index * size, Math.min((index + 1) * size, end)];
}

/** The softmax over key blocks of mean query . mean key, of one head. */
function pooledShares(
  { qkv: { q, k }, scale, sizes: { blockM, blockN, seqQ, seqK } }: MethodInputs,
): number[] {
  return Array.from({ length: Math.ceil(seqQ / blockM) }, (_, m) => {
    const mean = meanOf(q, ...range(m, blockM, seqQ));
    const scores = Array.from({ length: Math.ceil(seqK / blockN) }, (_, j) => {
      return Math.exp(scale * dot(mean, meanOf(k, ...range(j, blockN, seqK))));
    });
    const sum = scores.reduce((a, b) => a + b);
    return scores.map((score) => score / sum);
  }).flat();
}

Deno.test("methods: rectified puts mean values back, by the formula, where the gate passes", () => {
  const seqQ = 40, seqK = 44, blockM = 16, blockN = 8, random = seededRandom(5);
  const q = randomTensor([1, 1, seqQ, 2], random), k = randomTensor([1, 1, seqK, 2], random);
  for (let at = 0; at < k.data.length; at++) k.data[at] = k.data[at] / 8 + Math.sin(Math.floor(at / 16) * 2);
  for (let at = 0; at < q.data.length; at++) q.data[at] = q.data[at] / 8 + Math.cos(Math.floor(at / 32));
  const v = randomTensor([1, 1, seqK, 3], random), qkv = { q, k, v };
  const inputs = methodInputs(qkv, { blockM, blockN }), pooled = pooledShares(inputs);
  const selection = block("rectified").select(inputs, 1 / 3), { levels } = selection;
  assertAlmostEquals(selection.density, 1 / 3 + 2 / 3 / (blockM * blockN), 1e-12);
  const { out } = pyramidAttention(qkv, levels, { blockM, blockN });
  const want = out.data.slice();
  let passed = 0, stopped = 0;
  for (let m = 0; m < 3; m++) {
    const qm = meanOf(q, ...range(m, blockM, seqQ)), dq = spreadOf(q, ...range(m, blockM, seqQ));
    const [first, end] = range(m, blockM, seqQ);
    const back = Array.from({ length: 6 }, (_, j) => {
      const kn = meanOf(k, ...range(j, blockN, seqK)), dk = spreadOf(k, ...range(j, blockN, seqK));
      const passes = Math.abs(dot(qm, kn)) > Math.abs(dot(dq, kn)) + Math.abs(dot(qm, dk));
      return levels.data[m * 6 + j] === 0 && passes;
    });
    back.forEach((is, j) => {
      assertEquals(selection.represented?.data[m * 6 + j], is ? blockN : levels.data[m * 6 + j]);
      if (is) passed++;
      else if (levels.data[m * 6 + j] === 0) stopped++;
    });
    const share = back.reduce((sum, is, j) => sum + (is ? pooled[m * 6 + j] : 0), 0);
    for (let i = first; i < end; i++) {
      for (let c = 0; c < 3; c++) {
        const mean = (j: number) => meanOf(v, ...range(j, blockN, seqK))[c];
        want[i * 3 + c] = (1 - share) * out.data[i * 3 + c] +
          back.reduce((sum, is, j) => sum + (is ? pooled[m * 6 + j] * mean(j) : 0), 0);
      }
    }
  }
  assert(passed > 0 && stopped > 0, `${passed} pass and ${stopped} do not`);
  assert(selection.finish !== undefined);
  assertClose(selection.finish(out), { data: want, shape: out.shape });
});

Deno.test("methods: token-topk keeps the best keys of every query, by brute force", () => {
  for (const causal of [false, true]) {
    const inputs = randomInputs({ heads: 4, kvHeads: 2, seqQ: 21, seqK: 26, causal });
    const { q, k, v } = inputs.qkv, method = methodOf("token-topk");
    assert(method.granularity === "query");
    const selection = method.select(inputs, 0.3), { out } = maskedAttention(inputs.qkv, selection.mask);
    const want = out.data.slice().fill(0);
    let taken = 0, seen = 0, dropped = 0;
    for (let row = 0; row < 4 * 21; row++) {
      const kv = Math.floor(row / 42), i = row % 21, visible = causal ? i + 6 : 26;
      const weights = Array.from({ length: visible }, (_, j) => {
        let score = 0;
        for (let c = 0; c < 6; c++) score += q.data[row * 6 + c] * k.data[(kv * 26 + j) * 6 + c];
        return { j, weight: Math.exp(score / Math.sqrt(6)) };
      });
      const total = weights.reduce((sum, { weight }) => sum + weight, 0), count = Math.round(0.3 * visible);
      const best = weights.sort((a, b) => b.weight - a.weight).slice(0, count);
      const kept = best.reduce((sum, { weight }) => sum + weight, 0);
      for (const { j, weight } of best) {
        for (let c = 0; c < 5; c++) want[row * 5 + c] += weight / kept * v.data[(kv * 26 + j) * 5 + c];
      }
      taken += count;
      seen += visible;
      dropped += (1 - kept / total) / (4 * 21);
    }
    assertClose(out, { data: want, shape: out.shape });
    assertAlmostEquals(selection.density, taken / seen, 1e-12);
    assertAlmostEquals(selectionDroppedMass(inputs, selection), dropped, 1e-12);
  }
});
