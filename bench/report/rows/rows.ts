/**
 * The rows that the report reads: the columns of sweep.csv that it needs, and how it groups them.
 *
 * @module
 */
import { METHODS } from "../../../reference/methods/mod.ts";
import { TUNED } from "../../sweep/plan/tuned.ts";
import { listed } from "../../text/number.ts";

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
  /** The requested density. */
  readonly density_requested: number;
  /** The density that was reached. */
  readonly density: number;
  /** Cost of choosing, in units of dense attention. */
  readonly selection_cost: number | null;
  /** How evenly the softmax mass lies over key blocks, from 0 to 1; left out: not known. */
  readonly mass_entropy?: number | null;
  /** Relative L2 error against dense attention. */
  readonly rel_l2: number | null;
  /** Relative L2 error of the kernel against the reference of the same levels. */
  readonly kernel_rel_l2: number | null;
  /** Lower end of the interval of `rel_l2` where it is an estimate. */
  readonly rel_l2_low: number | null;
  /** Upper end of that interval. */
  readonly rel_l2_high: number | null;
  /** Median time of the kernel in milliseconds. */
  readonly gpu_ms_median: number | null;
  /** Lower end of the interval of this median; null where there were too few measurements. */
  readonly gpu_ms_low: number | null;
  /** Upper end of that interval. */
  readonly gpu_ms_high: number | null;
  /** Median time of the whole call, choosing included; left out: not measured. */
  readonly whole_ms_median?: number | null;
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
 * The requested densities of rows, largest first.
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
 * The rows that charts with logarithmic axes can show: of sparse methods, with an error above 0 that is finite.
 *
 * @param rows all rows
 *
 * @example
 * ```ts
 * import { drawnRows } from "./rows.ts";
 * console.log(drawnRows([{ method: "psa", density: 0.5, rel_l2: Infinity }]).length); // 0
 * ```
 */
export function drawnRows<Row extends Pick<ReportRow, "method" | "density" | "rel_l2">>(
  rows: readonly Row[],
): Row[] {
  return rows.filter(({ method, density, rel_l2 }) =>
    method !== "dense" && (rel_l2 ?? 0) > 0 && Number.isFinite(rel_l2) && density > 0 && density < 1
  );
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
 * Whether a method takes the importance that rows name: others have a score of their own, or none.
 *
 * @param method its name; of one that is not registered it is assumed
 *
 * @example
 * ```ts
 * import { takesImportance } from "./rows.ts";
 * console.log(takesImportance("psa"), takesImportance("random")); // true false
 * ```
 */
export function takesImportance(method: string): boolean {
  return METHODS.find(({ name }) => name === method)?.usesImportance ?? method !== TUNED;
}

/** Words that tell rows apart which must not be mixed, beside importance: order; and what a method has several of. */
function placesOf(rows: readonly ReportRow[]): (row: ReportRow) => string {
  const optional = [
    ({ block_m, block_n }: ReportRow) => `blocks ${block_m} x ${block_n}`,
    ({ tile }: ReportRow) => `tile ${tile}`,
    ({ dtype }: ReportRow) => dtype,
    ({ input, causal }: ReportRow) => `${input} ${causal === "true" ? "causal" : "not causal"}`,
  ];
  const place = ({ input, method }: ReportRow) => `${input} ${method}`;
  const varies = (wordsOf: (row: ReportRow) => string) =>
    [...Map.groupBy(rows, place).values()].some((group) => new Set(group.map(wordsOf)).size > 1);
  const told = [({ order }: ReportRow) => order && `${order} order`, ...optional.filter(varies)];
  return (row) => told.map((wordsOf) => wordsOf(row)).filter(Boolean).join(", ");
}

/** Rows that may be compared with each other. */
export interface AxisGroup {
  /** The properties that differ from other groups, in words; empty if there is one group. */
  readonly name: string;
  readonly rows: readonly ReportRow[];
}

/**
 * Rows in groups that must not be mixed. Importance tells groups apart only where methods ran with several kinds of it;
 * methods that take none are in the group of every kind that their input has.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { axisGroups } from "./rows.ts";
 * console.log(axisGroups([])); // []
 * ```
 */
export function axisGroups(rows: readonly ReportRow[]): AxisGroup[] {
  const places = [...Map.groupBy(rows, placesOf(rows))];
  return places.flatMap(([place, group]) => {
    const name = places.length > 1 ? place : "";
    const taking = group.filter(({ method, importance }) => takesImportance(method) && importance !== "");
    const kinds = [...Map.groupBy(taking, ({ importance }) => importance)];
    if (kinds.length < 2) return [{ name, rows: group }];
    const inputsOf = (own: readonly ReportRow[]) => new Set(own.map(({ input }) => input));
    const ofOneKind = kinds.reduce((sum, [, own]) => sum + inputsOf(own).size, 0) === inputsOf(taking).size;
    return kinds.map(([kind, own]) => {
      const inputs = inputsOf(own);
      const isIn = ({ method, importance, input }: ReportRow) =>
        takesImportance(method) ? importance === kind : inputs.has(input);
      const words = [name, ofOneKind ? listed([...inputs]) : `${kind} importance`].filter(Boolean).join(", ");
      return { name: words, rows: group.filter(isIn) };
    });
  });
}
