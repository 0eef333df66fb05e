/**
 * The table of docs/methods.md: the errors of all methods, from the rows of sweeps.
 *
 * @module
 */
import { withBetween } from "../../text/between.ts";
import { granularityOf, markedName } from "../../report/rows/granularity.ts";
import { densitiesOf, meanOf, methodsOf } from "../../report/rows/rows.ts";
import { showNumber } from "../../text/number.ts";
import { markdownTable } from "../../text/table.ts";
import type { SweepRow } from "./columns.ts";

/** Where the table begins and ends in the page. */
const BEGIN = "<!-- errors: deno task methods --write -->", END = "<!-- end of errors -->";
/** A reached density that is further from the one asked for than this, as a share of it, is told. */
const OFF = 0.05;

/** A column of errors: one kind of inputs at one density. */
interface ErrorColumn {
  readonly isCausal: boolean;
  readonly density: number;
}

/**
 * The table: a line a method, its mean error over inputs and heads at every density, and what it drops at the least
 * density on videos, or else on causal inputs.
 *
 * @param rows the rows of sweeps with all methods
 *
 * @example
 * ```ts
 * import { methodsTable } from "./methods_table.ts";
 * console.log(methodsTable([])[0].startsWith("| method")); // true
 * ```
 */
export function methodsTable(rows: readonly SweepRow[]): string[] {
  const sparse = rows.filter(({ method, rel_l2 }) => method !== "dense" && rel_l2 !== null);
  const columns = [false, true].flatMap((isCausal): ErrorColumn[] => {
    const own = sparse.filter(({ causal }) => causal === String(isCausal));
    return densitiesOf(own).map((density) => ({ isCausal, density }));
  });
  const head = columns.map(({ isCausal, density }) =>
    `${isCausal ? "causal" : "video"}, ${showNumber(density)}`
  );
  const lines = methodsOf(sparse).toSorted((a, b) => rank(a) - rank(b)).map((method) => {
    const own = sparse.filter((row) => row.method === method);
    const at = (column: ErrorColumn) => own.filter((row) => isIn(row, column));
    const [told] = columns.toSorted((a, b) =>
      Number(a.isCausal) - Number(b.isCausal) || a.density - b.density
    )
      .map(at).filter(({ length }) => length > 0);
    return [
      `\`${method}\`${markedName(method).slice(method.length)}`,
      granularityOf(method),
      ...columns.map((column) => errorOf(at(column), column)),
      showNumber(meanOf(told.map(({ dropped_mass }) => dropped_mass)), { digits: 2 }),
    ];
  });
  return markdownTable(["method", "granularity", ...head, "dropped mass"], lines);
}

/** Where methods of a granularity stand. */
function rank(method: string): number {
  return ["block", "query", "head", "group"].indexOf(granularityOf(method));
}

function isIn({ causal, density_requested }: SweepRow, { isCausal, density }: ErrorColumn): boolean {
  return causal === String(isCausal) && density_requested === density;
}

/** The mean error, and the density if it is another than the one that was asked for. */
function errorOf(rows: readonly SweepRow[], { density }: ErrorColumn): string {
  if (rows.length === 0) return "";
  const error = showNumber(meanOf(rows.map(({ rel_l2 }) => rel_l2)), { digits: 3 });
  const reached = meanOf(rows.map((row) => row.density));
  return Math.abs(reached - density) > OFF * density
    ? `${error} (at ${showNumber(reached, { digits: 2 })})`
    : error;
}

/**
 * A page with the table in its place.
 *
 * @param page the page
 * @param table the lines of the table
 *
 * @example
 * ```ts
 * import { withErrors } from "./methods_table.ts";
 * const page = "<!-- errors: deno task methods --write -->\nold\n<!-- end of errors -->";
 * console.log(withErrors(page, ["| new |"]).includes("old")); // false
 * ```
 */
export function withErrors(page: string, table: readonly string[]): string {
  return withBetween(page, table.join("\n"), { marks: [BEGIN, END], path: "docs/methods.md" });
}
