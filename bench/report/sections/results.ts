/**
 * The table of results: the most important columns, which fit the page.
 *
 * @module
 */
import { showMilliseconds } from "../../text/number.ts";
import { caveatOf } from "../rows/granularity.ts";
import { sortableTable, type TableColumn } from "../html.ts";
import { timeOf } from "../rows/noise.ts";
import type { ReportRow } from "../rows/rows.ts";
import { shortCases } from "../rows/short_case.ts";

/**
 * The table of results.
 *
 * @param rows all rows of a run
 *
 * @example
 * ```ts
 * import { resultsTable } from "./results.ts";
 * console.log(resultsTable([]).includes("speed-up")); // true
 * ```
 */
export function resultsTable(rows: readonly ReportRow[]): string {
  const names = shortCases(rows.map((row) => row.case));
  const columns: TableColumn<ReportRow>[] = [
    { heading: "case", cell: (row) => names.get(row.case) ?? row.case, hint: (row) => row.case },
    { heading: "error", cell: ({ rel_l2 }) => rel_l2 },
    { heading: "ms", cell: ({ gpu_ms_median }) => gpu_ms_median, hint: timeHint },
    { heading: "whole ms", cell: ({ whole_ms_median = null }) => whole_ms_median },
    { heading: "speed-up", cell: ({ speedup }) => speedup === null ? null : Number(speedup.toFixed(2)) },
    { heading: "ideal", cell: ({ density }) => density > 0 ? Number((1 / density).toFixed(2)) : null },
    { heading: "density", cell: ({ density }) => density },
    { heading: "kernel error", cell: ({ kernel_rel_l2 }) => kernel_rel_l2 },
    { heading: "status", cell: ({ status }) => status },
    { heading: "basis", cell: ({ method }) => caveatOf(method) },
  ];
  const used = columns.filter(({ heading, cell }) =>
    heading === "case" || rows.length === 0 || rows.some((row) => cell(row) !== null)
  );
  return sortableTable(rows, used);
}

/** The interval of a time, in words. */
function timeHint(row: ReportRow): string {
  const time = timeOf(row);
  return time === null ? "no interval" : `${showMilliseconds(time.low)} to ${showMilliseconds(time.high)} ms`;
}
