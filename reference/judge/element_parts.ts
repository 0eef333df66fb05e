/**
 * Bounds of parts of a tensor whose elements all have a variance: gradients and importance.
 *
 * @module
 */
import { extreme, FAILURE, normBound } from "./concentration.ts";
import { type PartJudge, partOf, type PartShare, rowSquares, worse } from "./parts.ts";

/** The variance of every element of a tensor [heads, rows, width], and how its rows are cut. */
export interface ElementErrors {
  readonly variance: Float64Array;
  /** The numbers of a row. */
  readonly width: number;
  /** The rows of a head. */
  readonly rows: number;
  /** The rows of a block; left out: rows are blocks. */
  readonly block?: number;
  /** What the rows are; default "query". */
  readonly tokens?: "query" | "key";
  /** Whether single elements have bounds, too; default true. */
  readonly elements?: boolean;
}

/**
 * The judge of every head, every block, every row and every element. A part is one group of errors that may be correlated
 * in any way; the probability of failure is divided by the number of parts of its kind.
 */
export function elementParts(
  { variance, width, rows, block, tokens, elements = true }: ElementErrors,
): PartJudge {
  const heads = variance.length / (width * rows), blocks = Math.ceil(rows / (block ?? rows));
  const factorOf = (parts: number) => normBound([[1]], FAILURE / parts);
  const factors = { head: factorOf(heads), block: factorOf(heads * blocks), row: factorOf(heads * rows) };
  const most = extreme(variance.length), variances = sumsOf(variance, width);
  return (got, want) => {
    const { errors2, norms2 } = rowSquares(got, want, width);
    let worst: PartShare | undefined;
    const judged = (
      place: Pick<PartShare, "head" | "block" | "row">,
      factor: number,
      [from, end]: [number, number],
    ) => {
      const bound = factor * Math.sqrt(total(variances, from, end));
      const error = Math.sqrt(total(errors2, from, end)), truth = Math.sqrt(total(norms2, from, end));
      worst = worse(worst, partOf({ ...place, tokens, error, truth, bound }));
    };
    for (let head = 0; head < heads; head++) {
      const first = head * rows;
      if (heads > 1) judged({ head }, factors.head, [first, first + rows]);
      for (let b = 0; block !== undefined && blocks > 1 && b < blocks; b++) {
        const end = Math.min(rows, (b + 1) * block);
        judged({ head, block: b }, factors.block, [first + b * block, first + end]);
      }
      for (let row = 0; row < rows; row++) {
        const place = block === undefined ? { head, block: row } : { head, row };
        judged(place, factors.row, [first + row, first + row + 1]);
      }
    }
    if (!elements) return worst;
    for (let at = 0; at < variance.length; at++) {
      const error = Math.abs(got.data[at] - want.data[at]), bound = most * Math.sqrt(variance[at]);
      if (!(error > (worst?.share ?? 0) * bound)) continue;
      const row = Math.floor(at / width), place = { head: Math.floor(row / rows), row: row % rows, tokens };
      const truth = Math.abs(want.data[at]);
      worst = worse(worst, partOf({ ...place, channel: at % width, error, truth, bound }));
    }
    return worst;
  };
}

/** Sums of runs of `width` numbers. */
function sumsOf(values: Float64Array, width: number): Float64Array {
  return Float64Array.from(
    { length: values.length / width },
    (_, row) => total(values, row * width, (row + 1) * width),
  );
}

/** The sum of a run of numbers. */
function total(values: Float64Array, from: number, end: number): number {
  let sum = 0;
  for (let at = from; at < end; at++) sum += values[at];
  return sum;
}
