/**
 * Calls in which all that a row does not see is NaN or infinite: keys and values of other blocks, of later positions and
 * of other heads, other queries, and what lies behind every buffer. Its outputs are to the bit those of the clean call.
 *
 * @module
 */
import fc from "fast-check";
import { createPsa, type Qkv, type Random, seededRandom, type Tensor } from "../../mod.ts";
import { compare } from "../../reference/judge/metrics.ts";
import { attentionTolerance } from "../../reference/judge/tolerance.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { assert, assertEquals } from "./assert.ts";
import {
  type BadNumber,
  badNumbers,
  normalTensor,
  poisonNewBuffers,
  printed,
  spoiltTensor,
} from "./poisoned.ts";

/** The options that decide the text of the kernel: calls of one family compile once. */
export interface UnseenFamily {
  readonly headDim: number;
  readonly valueDim: number;
  readonly blockM: number;
  readonly blockN: number;
  /** The levels that blocks are given at random; null: dense attention. */
  readonly levels: readonly number[] | null;
  readonly dtype: "f32" | "f16";
  readonly causal: boolean;
  readonly tail: "exact" | "replicate";
  /** Tokens of the last key block, if it is partial. */
  readonly rest: number;
}

/** One call of a family. */
export interface UnseenCase extends UnseenFamily {
  readonly batch: number;
  readonly kvHeads: number;
  /** Query heads of a key head. */
  readonly group: number;
  readonly seqQ: number;
  readonly seqK: number;
  /** The values of unseen numbers. */
  readonly bad: BadNumber;
  readonly seed: number;
}

/** Random families. */
export function unseenFamilies(fixed: Partial<UnseenFamily> = {}): fc.Arbitrary<UnseenFamily> {
  return fc.record({
    headDim: fc.integer({ min: 2, max: 12 }).map((n) => 8 * n),
    valueDim: fc.integer({ min: 2, max: 12 }).map((n) => 8 * n),
    blockM: fc.constantFrom(16, 32, 64),
    blockN: fc.constantFrom(16, 32, 64),
    levels: fc.option(fc.subarray([0, 1, 2, 4, 8, 16, 32, 64], { minLength: 1 }), { freq: 4 }),
    dtype: fc.constantFrom("f32" as const, "f16" as const),
    causal: fc.boolean(),
    tail: fc.constantFrom("exact" as const, "replicate" as const),
    rest: fc.nat(15),
  }).map((drawn) => {
    const family = { ...drawn, ...fixed };
    const levels = family.levels?.filter((level) => level <= family.blockN) ?? null;
    return { ...family, levels: levels?.length === 0 ? [1] : levels };
  });
}

/** Random calls of a family; `more`: keys beside those that are drawn. */
export function unseenCases(
  family: UnseenFamily,
  { more = 0 }: { readonly more?: number } = {},
): fc.Arbitrary<UnseenCase> {
  return fc.record({
    batch: fc.constantFrom(1, 2),
    kvHeads: fc.constantFrom(1, 2),
    group: fc.constantFrom(1, 2),
    seqQ: fc.integer({ min: 1, max: 150 }),
    blocks: fc.integer({ min: 1, max: Math.floor(160 / family.blockN) }),
    bad: badNumbers,
    seed: fc.nat(9999),
  }).map(({ blocks, ...drawn }): UnseenCase => {
    return printed({ ...family, ...drawn, seqK: more + blocks * family.blockN + family.rest });
  });
}

/** Whether each key token has a part in what a query at a position sees (docs/definition.md#attention). */
export function seenTokens(
  levels: ArrayLike<number>,
  { position, seqK, blockN, causal, tail }: Omit<UnseenCase, "levels"> & { readonly position: number },
): boolean[] {
  const seen = new Array<boolean>(seqK).fill(false);
  for (let j = 0; j < levels.length; j++) {
    const level = levels[j];
    if (level === 0) continue;
    for (let first = j * blockN; first < (j + 1) * blockN; first += level) {
      const end = tail === "replicate" && level > 1 ? first + level : Math.min(first + level, seqK);
      if (end <= first || causal && end - 1 > position) continue;
      // beyond the end stand copies of the last token
      for (let token = first; token < end; token++) seen[Math.min(token, seqK - 1)] = true;
    }
  }
  return seen;
}

/** Rows of one query head that are looked at: those of a query block up to the last. */
interface Observer {
  readonly head: number;
  readonly first: number;
  readonly last: number;
  /** Which tokens of its key head it sees. */
  readonly seen: readonly boolean[];
}

/** One observer of every key head: in causal calls the rows of a block up to a random one, else the whole block. */
function drawObservers(c: UnseenCase, levels: Tensor<Int32Array>, random: Random): Observer[] {
  const { batch, kvHeads, group, seqQ, seqK, blockM, causal } = c, [, , M, N] = levels.shape;
  return Array.from({ length: batch * kvHeads }, (_, keyHead) => {
    const head = keyHead * group + random.below(group), block = random.below(M);
    const first = block * blockM, end = Math.min(first + blockM, seqQ);
    const last = causal ? first + random.below(end - first) : end - 1;
    const row = levels.data.subarray((head * M + block) * N, (head * M + block + 1) * N);
    return { head, first, last, seen: seenTokens(row, { ...c, position: last + seqK - seqQ }) };
  });
}

/** How many elements a tensor has. */
function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, each) => product * each, 1);
}

/**
 * Whether a call may be rounded in another way where it meets values that are not finite: causal calls then take other
 * products, and compilers of hardware do not add up halves in both alike (two units in the last place, on an H200).
 */
function roundsTwice({ info }: Gpu, { dtype, causal }: UnseenCase): boolean {
  return dtype === "f16" && causal && info.subgroupSize > 0;
}

/**
 * Runs a call clean and spoilt, and asserts that whoever sees nothing bad gives the same bits; where it rounds twice, that
 * both are as near to each other as their bounds say.
 */
export async function checkUnseen(gpu: Gpu, c: UnseenCase): Promise<void> {
  const { batch, kvHeads, group, seqQ, seqK, headDim, valueDim, blockM, blockN, dtype, causal, tail } = c;
  const heads = kvHeads * group, random = seededRandom(c.seed);
  const draw = (shape: readonly number[]) => normalTensor(shape, { dtype, random });
  const q = draw([batch, heads, seqQ, headDim]);
  const k = draw([batch, kvHeads, seqK, headDim]), v = draw([batch, kvHeads, seqK, valueDim]);
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)], listed = c.levels ?? [1];
  // each of the levels occurs, so that the calls of a family are of one text
  const fill = (_: unknown, i: number) => listed[i < listed.length ? i : random.below(listed.length)];
  const levels = { data: Int32Array.from({ length: sizeOf(shape) }, fill), shape };
  const observers = drawObservers(c, levels, random);
  const restore = poisonNewBuffers(gpu);
  try {
    using scope = gpu.scope({ guard: 4096 });
    using psa = await createPsa(scope, {
      ...{ shape: { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim }, dtype, ready: [] },
      ...{ levels: listed.filter((level) => level > 0) },
      config: {
        ...{ blockM, blockN, tile: 16, causal, tail, importance: { kind: "pooled" } },
        assignment: { mode: "density", density: 1, shares: { 1: 1 } },
      },
    });
    const options = { levels: c.levels === null ? "dense" as const : levels };
    const clean = await psa.forward({ q, k, v } as Qkv, options);
    const { bad } = c, isSeen = (head: number, token: number) => observers[head].seen[token];
    const isRow = (head: number, row: number) =>
      observers.some((each) => each.head === head && row >= each.first && row <= each.last);
    const spoilt = {
      q: spoiltTensor(q, { bad, isNeeded: isRow }),
      k: spoiltTensor(k, { bad, isNeeded: isSeen }),
      v: spoiltTensor(v, { bad, isNeeded: isSeen }),
    };
    const got = await psa.forward(spoilt as Qkv, options);
    for (const { head, first, last } of observers) {
      const rows = (data: Float32Array | Float16Array, dim: number) =>
        data.slice((head * seqQ + first) * dim, (head * seqQ + last + 1) * dim);
      const what = `head ${head}, rows ${first} to ${last} of ${JSON.stringify(c)}`;
      assert(rows(clean.out.data, valueDim).every(Number.isFinite), `clean outputs of ${what}`);
      assertEquals(rows(got.lse.data, 1), rows(clean.lse.data, 1), `log-sum-exps of ${what}`);
      const [outputs, wanted] = [got, clean].map(({ out }) => rows(out.data, valueDim));
      if (!roundsTwice(gpu, c)) assertEquals(outputs, wanted, `outputs of ${what}`);
      else {
        const all = Array.from({ length: last + 1 - first }, (_, i) => first + i);
        const rowsOfHead = Array.from({ length: batch * heads }, (_, each) => each === head ? all : []);
        const { relL2: bound } = attentionTolerance({ q, k, v } as Qkv, c.levels === null ? null : levels, {
          ...{ blockM, blockN, causal, tail, dtype, accumulate: dtype, rowsOfHead },
        });
        const of = (data: Float32Array | Float16Array) => ({
          data: Float64Array.from(data),
          shape: [data.length],
        });
        const { relL2 } = compare(of(outputs), of(wanted));
        assert(relL2 <= 2 * bound, `outputs of ${what} are ${relL2} apart; the bound of both is ${bound}`);
      }
    }
  } finally {
    restore();
  }
}
