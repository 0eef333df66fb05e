/**
 * The report of a run, as one page, and its charts one by one for papers.
 *
 * @module
 */
import { join } from "node:path";
import { buildReport } from "../report/page.ts";
import type { ReportChart } from "../report/sections.ts";
import { COLUMN_NAMES } from "./columns.ts";
import { type StoredRun, writeWhole } from "./write.ts";

/** What goes into a report beside the run. */
export interface ReportOptions {
  /** The maps of the run. */
  readonly maps: readonly ReportChart[];
  /** Whether to write the charts one by one too. */
  readonly plots: boolean;
}

/** The colours that the page's style gives its charts; a chart by itself brings them along. */
const STYLE = "<style>:root{--ink:#1c1c1c;--line:#d9d9d9;--skipped:#efefef}</style>";

/**
 * Writes report.html, and with `plots` a folder of that name: an SVG a chart, and captions.md.
 *
 * @param folder where to
 * @param run rows and environment
 * @param options maps, and whether charts are written one by one
 */
export async function writeReport(
  folder: string,
  { rows, environment }: StoredRun,
  { maps, plots }: ReportOptions,
): Promise<void> {
  const columns = COLUMN_NAMES.map((heading) => ({
    heading,
    cell: (row: StoredRun["rows"][number]) => row[heading],
  }));
  const { html, charts } = await buildReport({ rows, columns, environment, maps });
  await writeWhole(join(folder, "report.html"), html);
  if (!plots) return;
  await Deno.mkdir(join(folder, "plots"), { recursive: true });
  for (const { name, svg } of charts) {
    await writeWhole(join(folder, "plots", `${name}.svg`), svg.replace(/<svg[^>]*>/, (tag) => tag + STYLE));
  }
  const captions = charts.map(({ name, caption }) => `- [${name}](${name}.svg): ${caption}\n`);
  await writeWhole(join(folder, "plots", "captions.md"), captions.join(""));
}
