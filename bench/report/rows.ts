/**
 * The rows that the report reads: the columns of sweep.csv that it needs, and how it groups them.
 *
 * @module
 */

/** One row of a sweep, with the names of the columns of sweep.csv; null is an empty cell. */
export interface ReportRow {
  /** The canonical case. */
  readonly case: string;
  /** The input: a trace or a workload. */
  readonly input: string;
  /** `ok`, `wrong`, `unreachable`, … */
  readonly status: string;
  /** The method. */
  readonly method: string;
  /** The order of the tokens. */
  readonly order: string;
  /** The importance that levels come from. */
  readonly importance: string;
  /** The head, empty when all heads are taken together. */
  readonly head: string;
  /** Query block size in tokens. */
  readonly block_m: number;
  /** Key block size in tokens. */
  readonly block_n: number;
  /** Key rows that a kernel takes at once. */
  readonly tile: number;
  /** Element type of the kernels. */
  readonly dtype: string;
  /** `true` or `false`. */
  readonly causal: string;
  /** The density that was asked for. */
  readonly density_requested: number;
  /** The density that was reached. */
  readonly density: number;
  /** Cost of choosing, in units of dense attention. */
  readonly selection_cost: number | null;
  /** Relative L2 error against dense attention. */
  readonly rel_l2: number | null;
  /** Relative L2 error of the kernel against the reference of the same levels. */
  readonly kernel_rel_l2: number | null;
  /** Median time of the kernel in milliseconds. */
  readonly gpu_ms_median: number | null;
  /** Speed-up over our own dense kernel. */
  readonly speedup: number | null;
}

/**
 * The methods of rows, in order of first appearance.
 *
 * @example
 * ```ts
 * import { methodsOf } from "./rows.ts";
 * console.log(methodsOf([])); // []
 * ```
 */
export function methodsOf(rows: readonly Pick<ReportRow, "method">[]): string[] {
  return [...new Set(rows.map(({ method }) => method))];
}

/**
 * The densities that rows were asked for, largest first.
 *
 * @example
 * ```ts
 * import { densitiesOf } from "./rows.ts";
 * console.log(densitiesOf([{ density_requested: 0.1 }, { density_requested: 0.5 }])); // [0.5, 0.1]
 * ```
 */
export function densitiesOf(rows: readonly Pick<ReportRow, "density_requested">[]): number[] {
  return [...new Set(rows.map(({ density_requested }) => density_requested))].sort((a, b) => b - a);
}

/**
 * The mean of the values that are there; NaN if none is.
 *
 * @example
 * ```ts
 * import { meanOf } from "./rows.ts";
 * console.log(meanOf([1, null, 3])); // 2
 * ```
 */
export function meanOf(values: readonly (number | null)[]): number {
  const there = values.filter((value) => value !== null);
  return there.reduce((sum, value) => sum + value, 0) / there.length;
}

/**
 * What tells the rows apart that must not be mixed, in words: order and importance, and blocks, tile, element type and
 * causality where a method has several of them.
 *
 * @param rows all rows of a run
 * @returns the words of a row
 *
 * @example
 * ```ts
 * import { axesOf } from "./rows.ts";
 * console.log(typeof axesOf([])); // function
 * ```
 */
export function axesOf(rows: readonly ReportRow[]): (row: ReportRow) => string {
  const axes = [
    ({ order }: ReportRow) => order && `${order} order`,
    ({ importance }: ReportRow) => importance && `${importance} importance`,
  ];
  const optional = [
    ({ block_m, block_n }: ReportRow) => `blocks ${block_m} x ${block_n}`,
    ({ tile }: ReportRow) => `tile ${tile}`,
    ({ dtype }: ReportRow) => dtype,
    ({ input, causal }: ReportRow) => `${input} ${causal === "true" ? "causal" : "not causal"}`,
  ];
  const place = ({ input, method }: ReportRow) => `${input} ${method}`;
  const varies = (wordsOf: (row: ReportRow) => string) =>
    [...Map.groupBy(rows, place).values()].some((group) => new Set(group.map(wordsOf)).size > 1);
  const told = [...axes, ...optional.filter(varies)];
  return (row) => told.map((wordsOf) => wordsOf(row)).filter(Boolean).join(", ");
}
