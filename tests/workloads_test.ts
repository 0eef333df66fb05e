import { denseAttention, InputError, makeWorkload, type Qkv, type WorkloadName, WORKLOADS } from "../mod.ts";
import { dtypeOf } from "../reference/tensor.ts";
import { assert, assertEquals, assertThrows } from "./assert.ts";

const SIZES = {
  batch: 2,
  heads: 8,
  kvHeads: 4,
  seqQ: 64,
  seqK: 96,
  headDim: 16,
  valueDim: 8,
  seed: 5,
} as const;

/** The first bytes of SHA-256 over q, k and v, in hexadecimal. */
async function checksum({ q, k, v }: Qkv): Promise<string> {
  const parts = [q, k, v].map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(parts as BlobPart[]).arrayBuffer());
  return new Uint8Array(digest).subarray(0, 8).toHex();
}

/** What every machine must make. */
const CHECKSUMS: Record<WorkloadName, Record<"f16" | "f32" | "f64", string>> = {
  "gaussian": { "f16": "ea602ac465219e42", "f32": "5087cac0c40e12d4", "f64": "c0528b3e4b2cd455" },
  "video": { "f16": "98372e721ef6c51a", "f32": "1c97fbe51a3e12d8", "f64": "53facd2ce65193ce" },
  "sinks": { "f16": "e210c1803563a5cc", "f32": "4129229a1693f565", "f64": "d0e5392f6c02a49a" },
  "needle": { "f16": "46336b297405c086", "f32": "b1dd7a30603638a1", "f64": "c4a2a75d277ce6d8" },
  "constant": { "f16": "dcd8ae98c443d570", "f32": "36df2b5c4c6ff670", "f64": "8ce3236805a4b80d" },
  "adversarial": { "f16": "f70aefbbb964465d", "f32": "09216fe73f9b360a", "f64": "8b4527bd4703b005" },
};

for (const name of WORKLOADS) {
  Deno.test(`workload ${name}: the same bits on every machine`, async () => {
    for (const dtype of ["f16", "f32", "f64"] as const) {
      assertEquals(
        await checksum(makeWorkload(name, { ...SIZES, dtype }).qkv),
        CHECKSUMS[name][dtype],
        dtype,
      );
    }
  });

  Deno.test(`workload ${name}: shapes, element types and seeds are as asked`, () => {
    for (const dtype of ["f16", "bf16", "f32", "f64"] as const) {
      const { qkv } = makeWorkload(name, { ...SIZES, dtype });
      assertEquals([qkv.q.shape, qkv.k.shape, qkv.v.shape], [[2, 8, 64, 16], [2, 4, 96, 16], [2, 4, 96, 8]]);
      assertEquals(dtypeOf(qkv.q), dtype === "bf16" ? "f32" : dtype);
      assert(qkv.q.data.every(Number.isFinite) && qkv.k.data.every(Number.isFinite));
    }
    const { qkv } = makeWorkload(name, SIZES), other = makeWorkload(name, { ...SIZES, seed: 6 }).qkv;
    assert(qkv.v.data.some((x, i) => x !== other.v.data[i]));
  });

  Deno.test(`workload ${name}: a head does not depend on how many there are`, () => {
    const many = makeWorkload(name, SIZES).qkv,
      one = makeWorkload(name, { ...SIZES, batch: 1, heads: 1, kvHeads: 1 }).qkv;
    for (const part of ["q", "k", "v"] as const) {
      assertEquals(many[part].data.subarray(0, one[part].data.length), one[part].data);
    }
  });

  Deno.test(`workload ${name}: sizes of 1 are made`, () => {
    const { qkv } = makeWorkload(name, { seqQ: 1, headDim: 1 });
    assert(qkv.q.data.every(Number.isFinite));
  });
}

/** Softmax weights that query `i` of a head gives to all keys. */
function weightsOf({ q, k }: Qkv, { head, i }: { head: number; i: number }): number[] {
  const [, , seqQ, dim] = q.shape, seqK = k.shape[2];
  const query = q.data.subarray((head * seqQ + i) * dim, (head * seqQ + i + 1) * dim);
  const scores = Array.from({ length: seqK }, (_, j) => {
    let score = 0;
    for (let c = 0; c < dim; c++) score += query[c] * k.data[(head * seqK + j) * dim + c] / Math.sqrt(dim);
    return score;
  });
  const max = Math.max(...scores), weights = scores.map((score) => Math.exp(score - max));
  const total = weights.reduce((sum, x) => sum + x, 0);
  return weights.map((x) => x / total);
}

/** The sum of the weights that `where` picks. */
function share(weights: readonly number[], where: (j: number) => boolean): number {
  return weights.reduce((sum, x, j) => sum + (where(j) ? x : 0), 0);
}

Deno.test("workload video: heads look at space, at time and everywhere", () => {
  const { qkv, grid, causal } = makeWorkload("video", { heads: 3, seqQ: 512, headDim: 32, seed: 1 });
  assertEquals([grid, causal], [{ width: 8, height: 8, depth: 8 }, false]);
  const mean = (head: number, near: (i: number, j: number) => boolean) => {
    let sum = 0;
    for (let i = 0; i < 512; i += 8) sum += share(weightsOf(qkv, { head, i }), (j) => near(i, j));
    return sum / 64;
  };
  const sameFrame = (i: number, j: number) => i >> 6 === j >> 6,
    samePlace = (i: number, j: number) => i % 64 === j % 64;
  assert(mean(0, sameFrame) > 0.9 && mean(0, samePlace) < 0.6);
  assert(mean(1, samePlace) > 0.9 && mean(1, sameFrame) < 0.6);
  assert(mean(2, sameFrame) < 0.5 && mean(2, samePlace) < 0.5);
});

Deno.test("workload sinks: the first tokens take much of the weight, and the call is causal", () => {
  const { qkv, causal } = makeWorkload("sinks", { seqQ: 512, headDim: 32 });
  assert(causal && !makeWorkload("sinks", { seqQ: 8, headDim: 8, causal: false }).causal);
  let mean = 0;
  for (let i = 32; i < 512; i += 32) {
    const weights = weightsOf(qkv, { head: 0, i });
    mean += share(weights, (j) => j < 4) / share(weights, (j) => j <= i) / 15;
  }
  assert(mean > 0.4 && mean < 0.9, `the sinks get ${mean}`);
});

Deno.test("workload needle: a quarter of the queries give nearly all their weight to one key", () => {
  const { qkv } = makeWorkload("needle", { seqQ: 512, headDim: 32 });
  const best = Array.from({ length: 512 }, (_, i) => weightsOf(qkv, { head: 0, i }).findIndex((x) => x > 0.9))
    .filter((j) => j >= 0);
  assert(best.length > 90 && best.length < 170, `${best.length} queries`);
  assertEquals(new Set(best).size, 1);
});

Deno.test("workload constant: attention returns the one value", () => {
  const { qkv } = makeWorkload("constant", { seqQ: 32, headDim: 8, dtype: "f64" });
  const { out } = denseAttention(qkv);
  out.data.forEach((x, i) => assert(Math.abs(x - qkv.v.data[i % 8]) < 1e-14));
});

Deno.test("workload adversarial: logits of +-1e4, a growing maximum, one hot key, subnormal numbers", () => {
  const { qkv: { q, k, v } } = makeWorkload("adversarial", { heads: 4, seqQ: 64, headDim: 16 });
  const logit = (head: number, i: number, j: number) => {
    let score = 0;
    for (let c = 0; c < 16; c++) {
      score += q.data[(head * 64 + i) * 16 + c] * k.data[(head * 64 + j) * 16 + c] / 4;
    }
    return score;
  };
  const tokens = Array.from({ length: 64 }, (_, i) => i);
  const signs = new Set(tokens.flatMap((i) => tokens.map((j) => Math.round(logit(0, i, j)))));
  assertEquals([...signs].sort((a, b) => a - b), [-10000, 10000]);
  assert(tokens.every((j) => j === 0 || logit(1, 5, j) > logit(1, 5, j - 1) + 1));
  assertEquals(tokens.filter((j) => logit(2, 5, j) > 100).length, 1);
  assert(v.data.subarray(3 * 64 * 16).every((x) => Math.abs(x) < 2 ** -126) && v.data[3 * 64 * 16] !== 0);
});

const REFUSALS: [name: string, make: () => unknown, sentence: string][] = [
  [
    "an unknown name",
    () => makeWorkload("gausian" as "gaussian", { seqQ: 8, headDim: 8 }),
    "one of gaussian, video",
  ],
  [
    "a name like a method",
    () => makeWorkload("toString" as "gaussian", { seqQ: 8, headDim: 8 }),
    "one of gaussian",
  ],
  ["no queries", () => makeWorkload("gaussian", { seqQ: 0, headDim: 8 }), "`seqQ` is 0"],
  ["half a channel", () => makeWorkload("gaussian", { seqQ: 8, headDim: 8.5 }), "`headDim` is 8.5"],
  [
    "heads that form no groups",
    () => makeWorkload("gaussian", { seqQ: 8, headDim: 8, heads: 3, kvHeads: 2 }),
    "multiple of the 2",
  ],
  [
    "a grid of another size",
    () => makeWorkload("video", { seqQ: 8, headDim: 8, grid: { width: 2, height: 2, depth: 3 } }),
    "3 x 2 x 2",
  ],
  [
    "an unknown element type",
    () => makeWorkload("gaussian", { seqQ: 8, headDim: 8, dtype: "f8" as "f16" }),
    '"f8"',
  ],
  ["a bad seed", () => makeWorkload("gaussian", { seqQ: 8, headDim: 8, seed: -1 }), "`seed` is -1"],
];

for (const [name, make, sentence] of REFUSALS) {
  Deno.test(`workload: ${name} is refused`, () => {
    assertThrows(make, InputError, sentence);
  });
}
