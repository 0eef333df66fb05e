/**
 * Importance of key blocks as plain loops that read like docs/definition.md#importance.
 *
 * @module
 */
import type { QueryKey } from "../importance/importance.ts";
import type { Tensor } from "../tensor.ts";

/** Offsets inside a query block and inside a key block. */
export interface NaiveOffsets {
  /** Those of the sampled queries. */
  readonly query: readonly number[];
  /** Those of the sampled keys. */
  readonly key: readonly number[];
}

/** Options of {@link naiveImportance}: the kind, and block sizes in tokens. */
export type NaiveImportanceOptions =
  & {
    /** Query block size in tokens. */
    readonly blockM: number;
    /** Key block size in tokens. */
    readonly blockN: number;
    /** Factor on q . k; default 1 / sqrt(D). `antidiagonal` has its own. */
    readonly scale?: number;
  }
  & (
    | { readonly kind: "sampled"; readonly offsetsOf: (batchHead: number) => NaiveOffsets }
    | { readonly kind: "full" | "pooled" }
    | { readonly kind: "antidiagonal"; readonly stride: number; readonly causal?: boolean }
  );

/** One head: how many tokens and blocks it has, and q_i . k_t; beyond the last token there are copies of it. */
interface Head {
  readonly Lq: number;
  readonly Lk: number;
  readonly D: number;
  readonly N: number;
  readonly dot: (i: number, t: number) => number;
}

/**
 * The same as `sampledImportance`, `fullImportance`, `antidiagonalImportance` and `pooledImportance`, in plain loops.
 *
 * @param qk queries [B, H, Lq, D] and keys [B, Hk, Lk, D]
 * @param options the kind and the block sizes; for `sampled` the offsets that were drawn for each (batch, head)
 * @returns [B, H, M, N]
 *
 * @example
 * ```ts
 * import { naiveImportance } from "./importance.ts";
 * const x = { data: new Float64Array([0, 0, 5, 5]), shape: [1, 1, 4, 1] };
 * console.log(naiveImportance({ q: x, k: x }, { kind: "full", blockM: 2, blockN: 2 }).data.subarray(0, 2)); // [0.5, 0.5]
 * ```
 */
export function naiveImportance({ q, k }: QueryKey, options: NaiveImportanceOptions): Tensor<Float64Array> {
  const [B, H, Lq, D] = q.shape, [, Hk, Lk] = k.shape, { blockM, blockN } = options;
  const M = Math.ceil(Lq / blockM), N = Math.ceil(Lk / blockN), rows: number[] = [];
  for (let bh = 0; bh < B * H; bh++) {
    const kvHead = Math.floor(bh / H) * Hk + Math.floor((bh % H) / (H / Hk));
    const dot = (i: number, t: number) => {
      const query = (bh * Lq + Math.min(i, Lq - 1)) * D, key = (kvHead * Lk + Math.min(t, Lk - 1)) * D;
      let sum = 0;
      for (let c = 0; c < D; c++) sum += q.data[query + c] * k.data[key + c];
      return sum;
    };
    for (let m = 0; m < M; m++) rows.push(...rowOf({ Lq, Lk, D, N, dot }, options, { bh, m }));
  }
  return { data: new Float64Array(rows), shape: [B, H, M, N] };
}

/** Row m of a head, by kind. */
function rowOf(
  head: Head,
  options: NaiveImportanceOptions,
  { bh, m }: { readonly bh: number; readonly m: number },
): number[] {
  const all = (block: number) => Array.from({ length: block }, (_, offset) => offset);
  switch (options.kind) {
    case "sampled":
      return groupMaxRow(head, options, { m, ...options.offsetsOf(bh) });
    case "full":
      return groupMaxRow(head, options, { m, query: all(options.blockM), key: all(options.blockN) });
    case "antidiagonal":
      return antidiagonalRow(head, options, m);
    case "pooled":
      return pooledRow(head, options, m);
  }
}

/** `sampled` and `full`: the largest score of a block, relative to the row's largest; the largest over the queries. */
function groupMaxRow(
  { N, D, dot }: Head,
  { blockM, blockN, scale = 1 / Math.sqrt(D) }: NaiveImportanceOptions,
  { m, query, key }: NaiveOffsets & { readonly m: number },
): number[] {
  const P = new Array<number>(N).fill(0);
  for (const offset of query) {
    const i = m * blockM + offset,
      g = P.map((_, j) => Math.max(...key.map((t) => scale * dot(i, j * blockN + t))));
    for (let j = 0; j < N; j++) P[j] = Math.max(P[j], Math.exp(g[j] - Math.max(...g)));
  }
  return P.map((P_j) => P_j / sum(P));
}

/** `antidiagonal`: softmax over key groups, summed over the groups of both blocks. */
function antidiagonalRow(
  { Lq, Lk, D, N, dot }: Head,
  { blockM, blockN, stride: s, causal = false }: NaiveImportanceOptions & { readonly kind: "antidiagonal" },
  m: number,
): number[] {
  const row = new Array<number>(N).fill(0), groups = Math.ceil(Lk / s);
  for (let a = m * blockM / s; a < Math.min((m + 1) * blockM, Lq) / s; a++) {
    const visible = causal ? Math.min(groups, Math.max(0, a + Math.floor((Lk - Lq) / s) + 1)) : groups;
    const S = Array.from({ length: visible }, (_, c) => {
      let products = 0;
      for (let r = 0; r < s; r++) products += dot(a * s + s - 1 - r, c * s + r);
      return products / (Math.sqrt(D) * s);
    });
    softmax(S).forEach((p, c) => row[Math.floor(c * s / blockN)] += p);
  }
  return row;
}

/** `pooled`: softmax over the products of means; the product of two means is the mean of the products. */
function pooledRow(
  { Lq, Lk, D, N, dot }: Head,
  { blockM, blockN, scale = 1 / Math.sqrt(D) }: NaiveImportanceOptions,
  m: number,
): number[] {
  return softmax(Array.from({ length: N }, (_, j) => {
    let products = 0, pairs = 0;
    for (let i = m * blockM; i < Math.min((m + 1) * blockM, Lq); i++) {
      for (let t = j * blockN; t < Math.min((j + 1) * blockN, Lk); t++, pairs++) products += dot(i, t);
    }
    return scale * products / pairs;
  }));
}

/** exp(s) over their sum. */
function softmax(s: readonly number[]): number[] {
  const max = Math.max(...s), weights = s.map((each) => Math.exp(each - max));
  return weights.map((weight) => weight / sum(weights));
}

/** The sum of all. */
function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
