/**
 * The report as one HTML page that needs nothing else: style, drawings and the script that sorts tables are in it.
 *
 * @module
 */
import sortScript from "./sort.js" with { type: "text" };
import style from "./style.css" with { type: "text" };
import { escapeHtml, sortableTable, type TableColumn } from "./html.ts";
import { densitiesOf, methodsOf, type ReportRow } from "./rows.ts";
import { chartGrid, errorCharts, paretoCharts, type ReportChart, speedupCharts } from "./sections.ts";
import { verdict } from "./verdict.ts";

/** What a report is made of. */
export interface ReportData<Row extends ReportRow = ReportRow> {
  /** The rows of the run. */
  readonly rows: readonly Row[];
  /** The columns of the table with every number. */
  readonly columns: readonly TableColumn<Row>[];
  /** What environment.json holds. */
  readonly environment: Readonly<Record<string, unknown>>;
  /** Level maps and frames, drawn already. */
  readonly maps: readonly ReportChart[];
}

/** A report: the page, and its charts one by one for papers. */
export interface Report {
  /** The whole page. */
  readonly html: string;
  /** The charts in it, in order. */
  readonly charts: readonly ReportChart[];
}

/**
 * Builds the report of a run.
 *
 * @param data rows, environment and maps
 *
 * @example
 * ```ts
 * import { buildReport } from "./page.ts";
 * const { html } = await buildReport({ rows: [], columns: [], environment: { command: "sweep" }, maps: [] });
 * console.log(html.startsWith("<!doctype html>")); // true
 * ```
 */
export async function buildReport<Row extends ReportRow>(data: ReportData<Row>): Promise<Report> {
  const { rows, columns, environment, maps } = data;
  const [errors, speedups, fronts] = [
    await errorCharts(rows),
    await speedupCharts(rows),
    await paretoCharts(rows),
  ];
  const levelMaps = maps.filter(({ name }) => !name.startsWith("frames")),
    frames = maps.filter(({ name }) => name.startsWith("frames"));
  const { right, sentences } = verdict(rows);
  const sections = [
    `<h1>Pyramid Sparse Attention: sweep</h1><p>${escapeHtml(whatWasRun(rows, environment))}</p>`,
    `<div class="verdict${right ? "" : " bad"}">${
      sentences.map((s) => `<p>${escapeHtml(s)}</p>`).join("")
    }</div>`,
    section("Error against density", errors),
    section("Speed-up against density", speedups),
    section("Error against time and cost: the Pareto front", fronts),
    section("Level maps beside the true mass", levelMaps, { pairs: true }),
    section("Where the keys of one query block lie in the frames", frames),
    `<h2>Every number</h2>${sortableTable(rows, columns)}`,
    `<h2>Environment, and how to repeat this</h2><p>Repeat it with</p><pre>${
      escapeHtml(String(environment.command ?? ""))
    }</pre><pre>${escapeHtml(JSON.stringify(environment, null, 2))}</pre>`,
  ];
  return {
    html: page(sections.filter(Boolean).join("\n")),
    charts: [...errors, ...speedups, ...fronts, ...maps],
  };
}

function section(
  heading: string,
  charts: readonly ReportChart[],
  options: { readonly pairs?: boolean } = {},
): string {
  return charts.length === 0 ? "" : `<h2>${escapeHtml(heading)}</h2>${chartGrid(charts, options)}`;
}

/** What was run, in two sentences. */
function whatWasRun(rows: readonly ReportRow[], environment: Readonly<Record<string, unknown>>): string {
  const inputs = [...new Set(rows.map(({ input }) => input))];
  const axes = `${methodsOf(rows).join(", ")} at densities ${densitiesOf(rows).join(", ")}`;
  const { adapter, date } = environment;
  const when = typeof date === "string" ? `${date.slice(0, 16).replace("T", " ")} UTC` : null;
  const where = [adapter, when].filter((each) => typeof each === "string").join(", ");
  return `${rows.length} cases on ${
    inputs.join(", ")
  }: ${axes}. Errors are against dense attention in float64, times from ${where || "no GPU"}.`;
}

function page(body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Pyramid Sparse Attention: sweep</title>
<style>${style}</style>
</head>
<body>
<main>
${body}
</main>
<script>${sortScript}</script>
</body>
</html>
`;
}
