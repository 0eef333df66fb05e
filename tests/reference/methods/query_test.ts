/** The rules of methods that choose for single queries, heads and groups, worked out pair by pair. */
import {
  choose,
  InputError,
  type Mask,
  type MaskMethod,
  type MethodInputs,
  methodInputs,
  methodOf,
  tensor,
  whyNot,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../support/assert.ts";
import { randomInputs } from "../../support/method_tools.ts";

/** A method that chooses a mask. */
function masked(name: string): MaskMethod {
  const method = methodOf(name);
  assert(method.granularity !== "block");
  return method;
}

/** A call with grouped heads and a short last block. */
function grouped(causal: boolean): MethodInputs {
  return randomInputs({ heads: 4, kvHeads: 2, seqQ: 21, seqK: 30, dim: 8, blockN: 8, causal });
}

/** One row of a tensor. */
function rowOf({ data, shape }: MethodInputs["qkv"]["q"], head: number, i: number): number[] {
  const dim = shape[3], at = (head * shape[2] + i) * dim;
  return Array.from({ length: dim }, (_, c) => data[at + c]);
}

/** The sum of products. */
function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, c) => sum + x * b[c], 0);
}

/** q . mean key of every block that a query may see. */
function gates(
  { qkv: { q, k }, causal, sizes: { seqQ, seqK } }: MethodInputs,
  head: number,
  i: number,
  block: number,
) {
  const kv = Math.floor(head / (q.shape[1] / k.shape[1])), last = causal ? i + seqK - seqQ : seqK - 1;
  return Array.from({ length: Math.floor(last / block) + 1 }, (_, j) => {
    const tokens = Array.from(
      { length: Math.min(block, seqK - j * block) },
      (_, t) => rowOf(k, kv, j * block + t),
    );
    return tokens.reduce((sum, key) => sum + dot(rowOf(q, head, i), key), 0) / tokens.length;
  });
}

/** Places of scores, the best first, after those that are forced. */
function ranked(scores: readonly number[], forced: readonly number[]): number[] {
  const rest = scores.map((_, j) => j).filter((j) => !forced.includes(j));
  return [...forced, ...rest.sort((a, b) => scores[b] - scores[a] || a - b)];
}

/** The keys of some blocks that a query may see. */
function keysOf(
  { causal, sizes: { seqQ, seqK } }: MethodInputs,
  i: number,
  block: number,
  blocks: readonly number[],
) {
  const end = causal ? i + seqK - seqQ + 1 : seqK;
  return Array.from({ length: end }, (_, j) => j).filter((j) => blocks.includes(Math.floor(j / block)));
}

/** The keys that a query sees, in ascending order. */
function keysSeen(mask: Mask, head: number, query: number): number[] {
  return Array.from({ length: mask.shape[3] }, (_, j) => j).filter((j) => mask.visible(head, query, j));
}

/** The block of a query's own position, and the first if the call is causal. */
function forcedOf({ causal, sizes: { seqQ, seqK } }: MethodInputs, i: number, block: number): number[] {
  const own = Math.floor((i + seqK - seqQ) / block);
  return causal && own > 0 ? [own, 0] : [own];
}

Deno.test("methods: moba takes the query's own block, then the best by query . mean key", () => {
  for (const causal of [false, true]) {
    const inputs = grouped(causal), { mask } = masked("moba").select(inputs, 0.4);
    for (let head = 0; head < 4; head++) {
      for (let i = 0, spent = 0; i < 21; i++) {
        const scores = gates(inputs, head, i, 8), forced = forcedOf(inputs, i, 8), before = spent;
        spent += 0.4 * scores.length;
        const count = Math.max(forced.length, Math.floor(spent + 1e-9) - Math.floor(before + 1e-9));
        const want = keysOf(inputs, i, 8, ranked(scores, forced).slice(0, count));
        assertEquals(keysSeen(mask, head, i), want, `head ${head}, query ${i}`);
      }
    }
  }
});

Deno.test("methods: vmoba takes blocks in order until their gates, brought to [0, 1], hold one share of all queries", () => {
  const inputs = grouped(false), { mask, density } = masked("vmoba").select(inputs, 0.5);
  assert(density <= 0.5 && density > 0.4);
  for (let head = 0; head < 4; head++) {
    let last = 0, next = 1;
    for (let i = 0; i < 21; i++) {
      const scores = gates(inputs, head, i, 8), order = ranked(scores, forcedOf(inputs, i, 8));
      const least = Math.min(...scores), most = Math.max(...scores);
      const shares = order.map((j) => (scores[j] - least) / (most - least)),
        total = shares.reduce((a, b) => a + b);
      const seen = keysSeen(mask, head, i), count = new Set(seen.map((j) => Math.floor(j / 8))).size;
      assertEquals(seen, keysOf(inputs, i, 8, order.slice(0, count)), `head ${head}, query ${i}`);
      const before = (n: number) => shares.slice(0, n).reduce((a, b) => a + b, 0) / total;
      if (count > 1) last = Math.max(last, before(count - 1));
      if (count < order.length) next = Math.min(next, before(count));
    }
    assert(last < next, `a block is taken at ${last} and another is not at ${next}`);
  }
});

Deno.test("methods: ssa lets the query heads of a key head choose blocks of 16 together", () => {
  for (const causal of [false, true]) {
    const inputs = randomInputs({ heads: 4, kvHeads: 2, seqQ: 40, seqK: 70, dim: 8, causal });
    const { mask } = masked("ssa").select(inputs, 0.5);
    for (let head = 0; head < 4; head++) {
      for (let i = 0; i < 40; i++) {
        const pair = [head - head % 2, head - head % 2 + 1].map((own) => {
          const weights = gates(inputs, own, i, 16).map((gate) => Math.exp(gate / Math.sqrt(8)));
          return weights.map((weight) => weight / weights.reduce((a, b) => a + b));
        });
        const scores = pair[0].map((share, j) => share + pair[1][j]), forced = forcedOf(inputs, i, 16);
        const count = Math.max(forced.length, 1, Math.round(0.5 * scores.length));
        assertEquals(keysSeen(mask, head, i), keysOf(inputs, i, 16, ranked(scores, forced).slice(0, count)));
      }
    }
  }
});

Deno.test("methods: adamas takes the keys of the nearest codes", () => {
  const hadamard = (x: readonly number[]) =>
    x.map((_, r) =>
      x.reduce(
        (sum, value, c) => sum + (((r & c).toString(2).match(/1/g) ?? []).length % 2 ? -value : value),
        0,
      ) /
      Math.sqrt(x.length)
    );
  for (const causal of [false, true]) {
    for (const name of ["adamas-published", "adamas-scaled"]) {
      const inputs = grouped(causal), { qkv: { q, k } } = inputs, { mask } = masked(name).select(inputs, 0.3);
      for (const data of [q.data, k.data]) data.forEach((x, at) => data[at] = 6 * x); // so that ±10 tells some apart
      const fresh: MethodInputs = { ...inputs, once: (_, compute) => compute() }; // codes are of other numbers now
      const again = name === "adamas-published" ? masked(name).select(fresh, 0.3).mask : mask;
      for (let head = 0; head < 4; head++) {
        const kv = Math.floor(head / 2);
        const all = (x: typeof q, index: number, count: number) =>
          Array.from({ length: count }, (_, i) => hadamard(rowOf(x, index, i)));
        const queries = all(q, head, 21), keys = all(k, kv, 30);
        const meanSquare = (rows: number[][]) =>
          rows.flat().reduce((sum, x) => sum + x * x, 0) / rows.flat().length;
        const s = Math.sqrt((meanSquare(queries) + meanSquare(keys)) / 2);
        const thresholds = name === "adamas-published" ? [-10, 0, 10] : [-0.67448975 * s, 0, 0.67448975 * s];
        const code = (x: number) => thresholds.filter((threshold) => x > threshold).length;
        for (let i = 0; i < 21; i++) {
          const visible = causal ? i + 10 : 30;
          const near = keys.slice(0, visible).map((key) =>
            -key.reduce((sum, x, c) => sum + Math.abs(code(x) - code(queries[i][c])), 0)
          );
          const want = ranked(near, []).slice(0, Math.round(0.3 * visible)).sort((a, b) => a - b);
          assertEquals(keysSeen(again, head, i), want, `${name}, head ${head}, query ${i}`);
        }
      }
    }
  }
});

Deno.test("methods: purekv-keys and omnisparse-keys rank keys by what queries give them", () => {
  const inputs = grouped(false), { qkv: { q, k, v } } = inputs;
  const scoresOf = (head: number, queries: readonly number[], norms: boolean) => {
    const kv = Math.floor(head / 2), sums = new Array(30).fill(0);
    for (const i of queries) {
      const weights = sums.map((_, j) => Math.exp(dot(rowOf(q, head, i), rowOf(k, kv, j)) / Math.sqrt(8)));
      const total = weights.reduce((a, b) => a + b);
      weights.forEach((weight, j) => sums[j] += weight / total);
    }
    return sums.map((sum, j) => norms ? sum * Math.hypot(...rowOf(v, kv, j)) : sum);
  };
  const everyone = Array.from({ length: 21 }, (_, i) => i);
  const probes = Array.from({ length: 256 }, (_, i) => Math.floor(i * 20 / 255));
  for (let head = 0; head < 4; head++) {
    for (const [name, queries] of [["purekv-keys", everyone], ["omnisparse-keys", probes]] as const) {
      const scores = scoresOf(head, queries, name === "purekv-keys");
      const want = ranked(scores, []).slice(0, 9).sort((a, b) => a - b),
        { mask } = masked(name).select(inputs, 0.3);
      for (const i of [0, 20]) assertEquals(keysSeen(mask, head, i), want, name);
    }
  }
});

/** Tokens of two kinds in turn. */
function twoKinds(tokens: number): MethodInputs {
  const data = Float64Array.from({ length: tokens * 8 }, (_, at) => {
    return (at % 8 === (Math.floor(at / 8) % 2) ? 10 : 0) + Math.sin(at) / 10;
  });
  const x = tensor(data, [1, 1, tokens, 8]);
  return methodInputs({ q: x, k: x, v: x }, {
    blockM: 8,
    blockN: 8,
    grid: { width: 1, height: 1, depth: tokens },
  });
}

Deno.test("methods: svg2 and moga let tokens see those of their kind", () => {
  const inputs = twoKinds(40);
  for (const name of ["svg2", "moga"]) {
    const { mask, density } = masked(name).select(inputs, 0.5);
    let alike = 0, other = 0;
    for (let i = 0; i < 40; i++) {
      for (const j of keysSeen(mask, 0, i)) {
        if ((i - j) % 2 === 0) alike++;
        else other++;
      }
    }
    assertAlmostEquals((alike + other) / 1600, density, 1e-12, name);
    assert(alike > 600 && other < alike / 6, `${name}: ${alike} alike, ${other} not`); // moga's windows hold both kinds
  }
});

Deno.test("methods: svg takes the band over time where tokens look over time", () => {
  const frames = 6, frame = 6, tokens = 36;
  const place = Float64Array.from(
    { length: tokens * 8 },
    (_, at) => at % 8 === Math.floor(at / 8) % frame ? 9 : 0,
  );
  const time = Float64Array.from(
    { length: tokens * 8 },
    (_, at) => at % 8 === Math.floor(at / 8 / frame) ? 9 : 0,
  );
  const v = tensor(Float64Array.from({ length: tokens * 8 }, (_, at) => Math.sin(at * at)), [
    1,
    1,
    tokens,
    8,
  ]);
  const options = { blockM: 8, blockN: 8, grid: { width: 3, height: 2, depth: frames } };
  for (const [data, far] of [[place, frame], [time, 1]] as const) {
    const x = tensor(data, [1, 1, tokens, 8]);
    const { mask } = masked("svg").select(methodInputs({ q: x, k: x, v }, options), 0.3);
    assertEquals(mask.visible(0, 12, 12 + far), true);
    assertEquals(mask.visible(0, 12, far === 1 ? 12 + 3 * frame : 12 + 9), false);
  }
});

Deno.test("methods: what a method cannot have is refused by its name", () => {
  const call = { seqQ: 24, seqK: 24, headDim: 24, causal: false };
  const flat = { width: 6, height: 4, depth: 1 };
  const want: readonly (readonly [string, Parameters<typeof whyNot>[1], string])[] = [
    ["adamas-scaled", call, "The head dimension is 24; adamas-scaled needs a power of two"],
    ["radial", call, "`grid` is missing; radial needs"],
    [
      "moga",
      { ...call, grid: { ...flat, width: 5 } },
      "`grid` holds 20 tokens; moga needs as many as the 24 queries",
    ],
    ["purekv-st", { ...call, grid: flat }, "purekv-st needs two frames"],
    ["svg2", { ...call, causal: true }, "`causal` is true; svg2 has no causal form."],
  ];
  for (const [name, facts, words] of want) {
    const sentence = whyNot(methodOf(name), facts);
    assert(sentence?.includes(words), `${name}: ${sentence}`);
    const inputs = randomInputs({ seqQ: 24, dim: 24, causal: facts.causal, grid: facts.grid });
    assertThrows(() => choose(methodOf(name), inputs, 0.5), InputError, words);
  }
});
