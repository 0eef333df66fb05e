/**
 * The errors that are expected of rows, from sampled ones nearby.
 *
 * @module
 */
import type { RowPart } from "./output_errors.ts";
import type { HeadTolerance } from "./tolerance.ts";

/** Means of the sampled rows of a block, or of a head: of logarithms, so that no row decides alone. */
interface Means {
  readonly variance: number;
  readonly norm2: number;
  readonly lse: number;
}

/** How much smaller the variance of a short row may be than that of a long one. */
const SHORTEST = 1 / 16;

/** What is expected of rows that were not computed. */
export class Expected {
  readonly #heads: readonly Means[];
  readonly #blocks: readonly ReadonlyMap<number, Means>[];

  /** From the sampled rows of each head, and the rows of a query block. */
  constructor(heads: readonly HeadTolerance[], private readonly blockM: number) {
    this.#heads = heads.map(({ rows }) => meansOf(rows));
    this.#blocks = heads.map(({ rows }) => {
      const groups = Map.groupBy(rows, ({ row }) => Math.floor(row / blockM));
      return new Map([...groups].map(([block, own]) => [block, meansOf(own)]));
    });
  }

  /** The variance of the error of a row, summed over its channels, from its squared norm. */
  variance(place: { readonly head: number; readonly row: number }, norm2: number): number {
    const known = this.#at(place);
    const part = known.norm2 > 0 ? norm2 / known.norm2 : 1;
    return known.variance * Math.max(SHORTEST, Math.min(1, part));
  }

  /** The bound on the error of the log-sum-exp of a row. */
  lse(place: { readonly head: number; readonly row: number }): number {
    return this.#at(place).lse;
  }

  #at({ head, row }: { readonly head: number; readonly row: number }): Means {
    return this.#blocks[head].get(Math.floor(row / this.blockM)) ?? this.#heads[head];
  }
}

/** The variance of the error of a row, with what all rows share and with what goes in one direction. */
export function varianceOf({ own, tie, sums, values, shared, bias2 }: RowPart): number {
  return Math.max(own, tie) + sums + shared + values.reduce((sum, x) => sum + x, 0) + bias2;
}

function meansOf(rows: readonly RowPart[]): Means {
  const mean = (of: (row: RowPart) => number) => {
    const some = rows.map(of).filter((x) => x > 0);
    return some.length === 0 ? 0 : Math.exp(some.reduce((sum, x) => sum + Math.log(x), 0) / some.length);
  };
  return { variance: mean(varianceOf), norm2: mean(({ norm2 }) => norm2), lse: mean(({ lse }) => lse) };
}
