/**
 * The table of docs/method-times.md: times of attention and of whole calls, from the rows of a sweep with `--whole`.
 *
 * @module
 */
import { withBetween } from "../../text/between.ts";
import { granularityOf, markedName } from "../../report/rows/granularity.ts";
import { showNumber } from "../../text/number.ts";
import { markdownTable } from "../../text/table.ts";
import type { SweepRow } from "./columns.ts";

/** Where the table begins and ends in the page. */
const BEGIN = "<!-- times: deno task methods --times --write -->", END = "<!-- end of times -->";

/**
 * The table: a line a row, with its error, the time of attention, and that of the whole call with its interval.
 *
 * @param rows the rows of a sweep
 *
 * @example
 * ```ts
 * import { timesTable } from "./times_table.ts";
 * console.log(timesTable([])[0].startsWith("| method")); // true
 * ```
 */
export function timesTable(rows: readonly SweepRow[]): string[] {
  const show = (value: number | null) => value === null ? "" : showNumber(value, { digits: 3 });
  const lines = rows.map((row) => {
    const { method, density, rel_l2, gpu_ms_median, whole_ms_median, whole_ms_low, whole_ms_high } = row;
    return [
      ...[`\`${method}\`${markedName(method).slice(method.length)}`, granularityOf(method), show(density)],
      ...[method === "dense" ? "0" : show(rel_l2), show(gpu_ms_median), show(whole_ms_median)],
      whole_ms_low === null ? "" : `${show(whole_ms_low)} to ${show(whole_ms_high)}`,
    ];
  });
  const head = [
    "method",
    "granularity",
    "density",
    "error",
    "attention, ms",
    "whole call, ms",
    "95 % interval",
  ];
  return markdownTable(head, lines);
}

/**
 * A page with the table in its place.
 *
 * @param page the page
 * @param table the lines of the table
 *
 * @example
 * ```ts
 * import { withTimes } from "./times_table.ts";
 * const page = "<!-- times: deno task methods --times --write -->\nold\n<!-- end of times -->";
 * console.log(withTimes(page, ["| new |"]).includes("old")); // false
 * ```
 */
export function withTimes(page: string, table: readonly string[]): string {
  return withBetween(page, table.join("\n"), { marks: [BEGIN, END], path: "docs/method-times.md" });
}
