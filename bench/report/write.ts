/**
 * Writes the report of a run to the folder of its rows.
 *
 * @module
 */
import { join } from "node:path";
import { COLUMN_NAMES, type SweepRow } from "../sweep/rows/columns.ts";
import { type StoredRun, writeWhole } from "../sweep/files/write.ts";
import { buildReport } from "./page.ts";
import type { ReportChart } from "./sections/sections.ts";
import { inColours } from "./charts/theme.ts";

/** Columns that every row of a run shares need no place in the table of the report. */
function telling(rows: readonly SweepRow[]): (keyof SweepRow)[] {
  return COLUMN_NAMES.filter((name) => name === "case" || rows.some((row) => row[name] !== rows[0][name]));
}

/** A run as its report needs it. */
export interface ReportedRun extends StoredRun {
  /** The maps of its cases. */
  readonly maps: readonly ReportChart[];
  /** Whether charts are written one by one too. */
  readonly plots: boolean;
}

/**
 * Writes report.html of a run, and optionally a folder `plots` with a drawing per chart and their captions.
 *
 * @param folder the folder of the run
 * @param run rows, environment, and the maps of its cases
 *
 * @example
 * ```ts
 * import { writeReport } from "./write.ts";
 * const folder = await Deno.makeTempDir();
 * await writeReport(folder, { rows: [], environment: {}, maps: [], plots: false });
 * console.log([...Deno.readDirSync(folder)].map(({ name }) => name)); // ["report.html"]
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function writeReport(
  folder: string,
  { rows, environment, maps, plots }: ReportedRun,
): Promise<void> {
  const columns = telling(rows).map((name) => ({ heading: name, cell: (row: SweepRow) => row[name] }));
  const { html, charts } = await buildReport({ rows, columns, environment, maps });
  await writeWhole(join(folder, "report.html"), html);
  if (!plots) return;
  await Deno.mkdir(join(folder, "plots"), { recursive: true });
  for (const { name, svg } of charts) await writeWhole(join(folder, "plots", `${name}.svg`), inColours(svg));
  const captions = charts.map(({ name, caption }) => `- [${name}](${name}.svg): ${caption}\n`);
  await writeWhole(join(folder, "plots", "captions.md"), captions.join(""));
}
