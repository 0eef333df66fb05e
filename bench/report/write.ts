/**
 * Writes the report of a run beside its rows.
 *
 * @module
 */
import { join } from "node:path";
import { COLUMN_NAMES, type SweepRow } from "../sweep/columns.ts";
import { type StoredRun, writeWhole } from "../sweep/write.ts";
import { buildReport } from "./page.ts";
import type { ReportChart } from "./sections.ts";

/** Columns that every row of a run shares need no place in the table of the report. */
function telling(rows: readonly SweepRow[]): (keyof SweepRow)[] {
  return COLUMN_NAMES.filter((name) => name === "case" || rows.some((row) => row[name] !== rows[0][name]));
}

/**
 * Writes report.html of a run.
 *
 * @param folder the folder of the run
 * @param run rows, environment, and the maps of its cases
 */
export async function writeReport(
  folder: string,
  { rows, environment, maps }: StoredRun & { readonly maps: readonly ReportChart[] },
): Promise<void> {
  const columns = telling(rows).map((name) => ({ heading: name, cell: (row: SweepRow) => row[name] }));
  const { html } = await buildReport({ rows, columns, environment, maps });
  await writeWhole(join(folder, "report.html"), html);
}
