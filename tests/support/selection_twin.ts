/**
 * Importance and levels written out as the definition says them, with plain loops and no thought of speed: what the
 * reference is compared with.
 *
 * @module
 */
import type { AssignOptions, QueryKey, Tensor } from "../../mod.ts";
import { offsetOf } from "../../reference/tensor.ts";

/** Element of a tensor. */
const at = (x: Tensor, ...index: number[]) => x.data[offsetOf(x, index)];

/** Calls `visit` for every entry of [batch, heads, query blocks, key blocks] and collects what it returns. */
function tabulate(
  shape: readonly number[],
  visit: (b: number, h: number, m: number, j: number) => number,
): Tensor<Float64Array> {
  const [batch, heads, rows, columns] = shape, data: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let h = 0; h < heads; h++) {
      for (let m = 0; m < rows; m++) for (let j = 0; j < columns; j++) data.push(visit(b, h, m, j));
    }
  }
  return { data: new Float64Array(data), shape };
}

/** What every kind of importance reads: the score of two positions, the last token standing for all after it. */
function scoring({ q, k }: QueryKey) {
  const [batch, heads, seqQ, dim] = q.shape, [, kvHeads, seqK] = k.shape;
  const score = (b: number, h: number, i: number, t: number) => {
    const kvHead = Math.floor(h / (heads / kvHeads));
    let sum = 0;
    for (let c = 0; c < dim; c++) {
      sum += at(q, b, h, Math.min(i, seqQ - 1), c) * at(k, b, kvHead, Math.min(t, seqK - 1), c);
    }
    return sum;
  };
  return { batch, heads, seqQ, seqK, dim, score };
}

/** docs/definition.md#importance, `sampled`, with the tokens at these offsets of every block. */
export function twinSampled(
  qk: QueryKey,
  { blockM, blockN, offsets }: {
    readonly blockM: number;
    readonly blockN: number;
    readonly offsets: (
      batchHead: number,
    ) => { readonly query: readonly number[]; readonly key: readonly number[] };
  },
): Tensor<Float64Array> {
  const { batch, heads, seqQ, seqK, dim, score } = scoring(qk);
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN);
  const weight = tabulate([batch, heads, M, N], (b, h, m, j) => {
    const { query, key } = offsets(b * heads + h);
    const largest = (i: number, block: number) =>
      Math.max(...key.map((offset) => score(b, h, i, block * blockN + offset) / Math.sqrt(dim)));
    return Math.max(...query.map((offset) => {
      const i = m * blockM + offset;
      const top = Math.max(...Array.from({ length: N }, (_, block) => largest(i, block)));
      return Math.exp(largest(i, j) - top);
    }));
  });
  return tabulate(weight.shape, (b, h, m, j) => {
    let sum = 0;
    for (let other = 0; other < N; other++) sum += at(weight, b, h, m, other);
    return at(weight, b, h, m, j) / sum;
  });
}

/** docs/definition.md#importance, `antidiagonal`. */
export function twinAntidiagonal(
  qk: QueryKey,
  { blockM, blockN, stride, causal }: {
    readonly blockM: number;
    readonly blockN: number;
    readonly stride: number;
    readonly causal: boolean;
  },
): Tensor<Float64Array> {
  const { batch, heads, seqQ, seqK, dim, score } = scoring(qk);
  const queryGroups = Math.ceil(seqQ / stride), keyGroups = Math.ceil(seqK / stride);
  const groupScore = (b: number, h: number, a: number, c: number) => {
    let sum = 0;
    for (let r = 0; r < stride; r++) sum += score(b, h, a * stride + stride - 1 - r, c * stride + r);
    return sum / (Math.sqrt(dim) * stride);
  };
  const sees = (a: number, c: number) => !causal || c <= a + Math.floor((seqK - seqQ) / stride);
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN);
  return tabulate([batch, heads, M, N], (b, h, m, j) => {
    let sum = 0;
    for (let a = m * blockM / stride; a < Math.min((m + 1) * blockM / stride, queryGroups); a++) {
      let inBlock = 0, total = 0;
      for (let c = 0; c < keyGroups; c++) {
        if (!sees(a, c)) continue;
        const weight = Math.exp(groupScore(b, h, a, c));
        total += weight;
        if (Math.floor(c * stride / blockN) === j) inBlock += weight;
      }
      if (total > 0) sum += inBlock / total;
    }
    return sum;
  });
}

/** docs/definition.md#importance, `pooled`. */
export function twinPooled(
  qk: QueryKey,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
): Tensor<Float64Array> {
  const { batch, heads, seqQ, seqK, dim, score } = scoring(qk);
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN);
  const blockScore = (b: number, h: number, m: number, j: number) => {
    let sum = 0, pairs = 0;
    for (let i = m * blockM; i < Math.min((m + 1) * blockM, seqQ); i++) {
      for (let t = j * blockN; t < Math.min((j + 1) * blockN, seqK); t++, pairs++) sum += score(b, h, i, t);
    }
    return sum / pairs / Math.sqrt(dim); // the product of two means is the mean of the products
  };
  return tabulate([batch, heads, M, N], (b, h, m, j) => {
    let total = 0;
    for (let other = 0; other < N; other++) total += Math.exp(blockScore(b, h, m, other));
    return Math.exp(blockScore(b, h, m, j)) / total;
  });
}

/** docs/definition.md#levels without the rules that follow the quotas, for one row: one block after the other. */
export function twinRow(
  importance: readonly number[],
  { mode, ratios, blockN, tile, minFullRatio = 0.06 }: AssignOptions,
): number[] {
  const N = importance.length, taken = new Array<boolean>(N).fill(false), order: number[] = [];
  while (order.length < N) {
    let best = -1;
    for (let j = 0; j < N; j++) if (!taken[j] && (best < 0 || importance[j] > importance[best])) best = j;
    taken[best] = true;
    order.push(best);
  }
  const total = order.reduce((sum, j) => sum + importance[j], 0), levels = new Array<number>(N).fill(0);
  let previous = 0;
  for (const [level, , fraction] of ratios) {
    const unit = level === 0 ? 1 : Math.ceil(level / Math.floor(blockN / tile)), room = N - previous;
    let under = 0, sum = 0;
    for (const j of order) if ((sum += importance[j]) / total <= fraction + 1e-6) under++;
    let length = (mode === "topk" ? Math.floor(N * fraction) : under > 0 ? under + 1 : previous) - previous;
    if (mode === "topk" || unit > 1) {
      length = Math.max(0, length);
      while (length % unit > 0) length++;
      if (length > 0 && length >= room) { for (length = room; length % unit > 0;) length--; }
    } else {
      if (level === 1) length = Math.max(length, Math.floor(N * minFullRatio) + 1);
      length = Math.min(room, Math.max(0, length));
    }
    for (let n = 0; n < length; n++) levels[order[previous + n]] = level;
    previous += length;
  }
  return levels;
}
