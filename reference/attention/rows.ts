/**
 * The arithmetic on rows for attention and its gradient. Rows are taken four at a time and stored
 * interleaved, [inner][4], so that one pass over the long operand serves four rows.
 *
 * @module
 */
import type { FloatData } from "../tensor.ts";

/** Rows that are processed together. */
export const ROWS = 4;

/**
 * out[j][r] = sum over c < inner of rows[c][r] * matrix[j][c], matrix rows in pairs. Each sum runs in
 * ascending order of c, so that results do not depend on how work is split.
 *
 * @param rows four interleaved rows, [inner][4]
 * @param matrix [count][stride], of which the first `inner` columns are read; it must reach to an even row
 * @param options sizes; `out` receives [count][4]
 */
export function multiplyRows(
  rows: Float64Array,
  matrix: Float64Array,
  { inner, stride, count, out }: {
    readonly inner: number;
    readonly stride: number;
    readonly count: number;
    readonly out: Float64Array;
  },
): void {
  for (let j = 0; j < count; j += 2) {
    let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
    const left = j * stride, right = left + stride;
    for (let c = 0, x = 0; c < inner; c++, x += 4) {
      const a = matrix[left + c], b = matrix[right + c];
      const r0 = rows[x], r1 = rows[x + 1], r2 = rows[x + 2], r3 = rows[x + 3];
      a0 += r0 * a;
      a1 += r1 * a;
      a2 += r2 * a;
      a3 += r3 * a;
      b0 += r0 * b;
      b1 += r1 * b;
      b2 += r2 * b;
      b3 += r3 * b;
    }
    const to = 4 * j;
    out[to] = a0;
    out[to + 1] = a1;
    out[to + 2] = a2;
    out[to + 3] = a3;
    out[to + 4] = b0;
    out[to + 5] = b1;
    out[to + 6] = b2;
    out[to + 7] = b3;
  }
}

/**
 * matrix[j][c] += sum over the four rows r of weights[j][r] * rows[c][r].
 *
 * @param weights [count][4]
 * @param rows four interleaved rows, [dim][4]
 * @param options sizes, and the [count][dim] matrix that is added to
 */
export function addOuterProducts(
  weights: Float64Array,
  rows: Float64Array,
  { count, dim, matrix }: { readonly count: number; readonly dim: number; readonly matrix: Float64Array },
): void {
  for (let j = 0, x = 0; j < count; j++, x += 4) {
    const w0 = weights[x], w1 = weights[x + 1], w2 = weights[x + 2], w3 = weights[x + 3];
    for (let c = 0, at = j * dim, y = 0; c < dim; c++, at++, y += 4) {
      matrix[at] += w0 * rows[y] + w1 * rows[y + 1] + w2 * rows[y + 2] + w3 * rows[y + 3];
    }
  }
}

/** Four rows from `first` on, interleaved and multiplied by a factor; rows at or after `end` are zeros. */
export function interleaveRows(
  source: FloatData,
  { first, end, dim, factor = 1 }: {
    readonly first: number;
    readonly end: number;
    readonly dim: number;
    readonly factor?: number;
  },
): Float64Array {
  const rows = new Float64Array(ROWS * dim);
  for (let r = 0; r < ROWS && first + r < end; r++) {
    for (let c = 0; c < dim; c++) rows[c * ROWS + r] = factor * source[(first + r) * dim + c];
  }
  return rows;
}

/**
 * Turns one interleaved row of scores q . k into weights, in place: softmax of score + ln(count) over the first
 * `visible` tokens, and 0 from there up to `until`.
 *
 * @returns the log-sum-exp of the row, -Infinity if it sees nothing
 */
export function softmaxRow(
  scores: Float64Array,
  row: number,
  { visible, until, logCounts }: {
    readonly visible: number;
    readonly until: number;
    readonly logCounts: Float64Array;
  },
): number {
  let max = -Infinity, total = 0;
  for (let t = 0, at = row; t < visible; t++, at += ROWS) {
    scores[at] += logCounts[t];
    if (scores[at] > max) max = scores[at];
  }
  for (let t = 0, at = row; t < visible; t++, at += ROWS) total += scores[at] = Math.exp(scores[at] - max);
  for (let t = 0, at = row; t < visible; t++, at += ROWS) scores[at] /= total;
  for (let t = visible, at = visible * ROWS + row; t < until; t++, at += ROWS) scores[at] = 0;
  return max + Math.log(total);
}

/** The transpose of a [rows][columns] matrix, with a row of zeros at the end if that makes their number even. */
export function transpose(
  matrix: Float64Array,
  { rows, columns }: { readonly rows: number; readonly columns: number },
): Float64Array {
  const transposed = new Float64Array(evenUp(columns) * rows);
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < columns; c++) transposed[c * rows + i] = matrix[i * columns + c];
  }
  return transposed;
}

/** The next even number: {@link multiplyRows} takes matrix rows in pairs. */
export function evenUp(count: number): number {
  return count + count % 2;
}
