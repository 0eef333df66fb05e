/**
 * The rows of a head that represent all rows in estimates of errors.
 *
 * @module
 */
import type { FloatData, Tensor } from "../tensor.ts";
import type { Head } from "../heads.ts";
import type { PyramidAttentionOptions } from "../attention/call.ts";

/** Rows per head that represent all rows, and rows with the longest queries that represent only themselves. */
const SPREAD_ROWS = 24, LONGEST_ROWS = 8;

/** The number of computed rows of a head. */
export interface RowSample {
  /** Rows that are evenly spread and represent all; default 24. */
  readonly spread?: number;
  /** Rows with the longest queries, which represent only themselves; default 8. */
  readonly longest?: number;
}

/** The rows of a head that see at least one token. */
export function seeingRows(
  { qkv: { q, k }, levels }: Head,
  { blockM, blockN, causal }: PyramidAttentionOptions,
): number[] {
  const seqQ = q.shape[2], seqK = k.shape[2], columns = levels.shape[3];
  const needed = Array.from({ length: levels.shape[2] }, (_, m) => {
    let first = Infinity; // the position of the last key that the block's first token covers
    for (let j = 0; j < columns; j++) {
      const level = levels.data[m * columns + j];
      if (level > 0) first = Math.min(first, Math.min(j * blockN + level, seqK) - 1);
    }
    return causal || first === Infinity ? first : -Infinity;
  });
  return Array.from({ length: seqQ }, (_, row) => row)
    .filter((row) => row + seqK - seqQ >= needed[Math.floor(row / blockM)]);
}

/** Some of these rows by query block: some evenly spread, each representing its share, and the longest queries. */
export function sampleRows(
  q: Tensor<FloatData>,
  seeing: readonly number[],
  { blockM, spread: most = SPREAD_ROWS, longest: longestRows = LONGEST_ROWS }: RowSample & {
    readonly blockM: number;
  },
): Map<number, { row: number; standsFor: number }[]> {
  const dim = q.shape[3], spread = Math.min(seeing.length, most);
  const norms = new Map(seeing.map((row) => {
    let norm2 = 0;
    for (let c = 0; c < dim; c++) norm2 += q.data[row * dim + c] ** 2;
    return [row, norm2];
  }));
  const longest = [...seeing].sort((a, b) => norms.get(b)! - norms.get(a)!).slice(0, longestRows);
  const rows = [
    ...Array.from({ length: spread }, (_, i) => ({
      row: seeing[Math.floor((i + 0.5) * seeing.length / spread)],
      standsFor: seeing.length / spread,
    })),
    ...longest.map((row) => ({ row, standsFor: 1 })),
  ];
  return Map.groupBy(rows, ({ row }) => Math.floor(row / blockM));
}
