/**
 * A kernel's arithmetic carried out on the processor: attention over tiles of pooled tokens with an online softmax
 * in base 2, every operation rounded to the format that the kernel has at that place. The tests of the tolerance
 * hold it, and kernels with mistakes in them, against the truth.
 *
 * @module
 */
import {
  type AttentionResult,
  buildPyramid,
  type PyramidAttentionOptions,
  type PyramidLevel,
  type Qkv,
  type Tensor,
} from "../../mod.ts";

/** Rounds to a format. */
export type Round = (x: number) => number;

/** Mistakes that a kernel may have. */
export type KernelMistake =
  | "no log term"
  | "no rescaling"
  | "last token of a row left out"
  | "scale off by 5 %"
  | "causal off by one"
  | "two query rows swapped";

/** What the simulated kernel computes with, and which mistake it makes. */
export interface Simulation {
  /** Format of stored values. */
  readonly store: Round;
  /** Format in which `steps` products are added up before the sum goes on in float32. */
  readonly sum: Round;
  readonly steps: number;
  /** Tokens of a tile. */
  readonly tile: number;
  /** Whether tokens are taken from the last to the first. */
  readonly backwards?: boolean;
  readonly mistake?: KernelMistake;
}

/** A pooled token as the kernel stores it. */
interface Token {
  readonly key: Float64Array;
  readonly value: Float64Array;
  readonly count: number;
  readonly last: number;
}

const single = Math.fround;

const word = new Uint32Array(1), float = new Float32Array(word.buffer);

/** Rounds to bfloat16. */
export function bfloat16(x: number): number {
  float[0] = x;
  word[0] = (word[0] + 0x7fff + ((word[0] >>> 16) & 1)) & 0xffff0000;
  return float[0];
}

/** Attention of one head, [1, 1, tokens, dimension], in the simulated arithmetic. */
export function simulateAttention(
  { q, k, v }: Qkv,
  levels: Tensor<Int32Array>,
  { blockM, blockN, scale, causal = false, tail, ...simulation }: PyramidAttentionOptions & Simulation,
): AttentionResult {
  const [, , seqQ, dim] = q.shape, seqK = k.shape[2], valueDim = v.shape[3], keyBlocks = levels.shape[3];
  const { store, mistake, backwards } = simulation;
  const inUse = [...new Set(levels.data)].filter((level) => level > 0);
  const pyramid = buildPyramid({ k, v }, { blockN, levels: inUse, tail });
  const factor = Math.LOG2E * (scale ?? 1 / Math.sqrt(dim)) * (mistake === "scale off by 5 %" ? 1.05 : 1);
  const out = new Float64Array(seqQ * valueDim), lse = new Float64Array(seqQ);
  let tokens: Token[] = [];
  for (let i = 0; i < seqQ; i++) {
    if (i % blockM === 0) {
      const row = i / blockM * keyBlocks;
      tokens = storedTokens(pyramid, levels.data.subarray(row, row + keyBlocks), { blockN, store });
      if (backwards) tokens.reverse();
    }
    const source = mistake === "two query rows swapped" && i < 2 ? 1 - i : i;
    const query = Float64Array.from(
      q.data.subarray(source * dim, (source + 1) * dim),
      (x) => store(single(x * single(factor))),
    );
    const position = i + seqK - seqQ + (mistake === "causal off by one" ? 1 : 0);
    let seen = causal ? tokens.filter(({ last }) => last <= position) : tokens;
    if (mistake === "last token of a row left out") seen = seen.slice(0, -1);
    const row = simulateRow(query, seen, simulation);
    out.set(row.out, i * valueDim);
    lse[i] = row.lse;
  }
  return { out: { data: out, shape: [1, 1, seqQ, valueDim] }, lse: { data: lse, shape: [1, 1, seqQ] } };
}

/** The pooled tokens that a query block sees, rounded to the format of storage. */
function storedTokens(
  pyramid: ReadonlyMap<number, PyramidLevel>,
  blockLevels: Int32Array,
  { blockN, store }: { blockN: number; store: Round },
): Token[] {
  const tokens: Token[] = [];
  blockLevels.forEach((level, j) => {
    const pooled = pyramid.get(level);
    if (!pooled) return;
    const { k, v, counts } = pooled, dim = k.shape[3], valueDim = v.shape[3];
    for (let t = j * blockN / level; t < Math.min((j + 1) * blockN / level, counts.length); t++) {
      tokens.push({
        key: k.data.slice(t * dim, (t + 1) * dim).map(store),
        value: v.data.slice(t * valueDim, (t + 1) * valueDim).map(store),
        count: counts[t],
        last: t * level + counts[t] - 1,
      });
    }
  });
  return tokens;
}

/** One row, tile by tile with an online softmax. */
function simulateRow(
  query: Float64Array,
  tokens: readonly Token[],
  simulation: Simulation,
): { out: number[]; lse: number } {
  const { store, tile, mistake } = simulation;
  let max = -Infinity, total = 0, out: number[] = [];
  for (let start = 0; start < tokens.length; start += tile) {
    const part = tokens.slice(start, start + tile);
    const scores = part.map(({ key, count }) => {
      const product = dot(query.length, (c) => query[c] * key[c], simulation);
      return mistake === "no log term" ? product : single(product + single(Math.log2(count)));
    });
    const grown = Math.max(max, ...scores);
    const rescale = mistake === "no rescaling" && start > 0 ? 1 : single(2 ** single(max - grown));
    const weights = scores.map((score) => single(2 ** single(score - grown)));
    total = weights.reduce((sum, weight) => single(sum + weight), single(total * rescale));
    out = Array.from(part[0].value, (_, c) => {
      const added = dot(part.length, (t) => store(weights[t]) * part[t].value[c], simulation);
      return single(single((out[c] ?? 0) * rescale) + added);
    });
    max = grown;
  }
  return {
    out: out.map((x) => store(x / total)),
    lse: single(single(max + single(Math.log2(total))) * Math.LN2),
  };
}

/** A sum of products in the kernel's formats. */
function dot(length: number, product: (i: number) => number, { sum, steps }: Simulation): number {
  let total = 0;
  for (let start = 0; start < length; start += steps) {
    let part = 0;
    for (let i = start; i < Math.min(start + steps, length); i++) part = sum(part + sum(product(i)));
    total = single(total + part);
  }
  return total;
}
