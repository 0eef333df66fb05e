/**
 * The report as one HTML page that needs nothing else: style, drawings and the script that sorts tables are in it.
 *
 * @module
 */
import sortScript from "./sort.js" with { type: "text" };
import switchScript from "./switch.js" with { type: "text" };
import style from "./style.css" with { type: "text" };
import { isSoftware } from "../text/adapter.ts";
import { listed, plural } from "../text/number.ts";
import { paretoCharts } from "./sections/fronts.ts";
import { markedName, markNote } from "./rows/granularity.ts";
import { escapeHtml, sortableTable, type TableColumn } from "./html.ts";
import { mapSection } from "./maps/map_section.ts";
import { headMatrices } from "./sections/matrix.ts";
import { resultsTable } from "./sections/results.ts";
import { densitiesOf, methodsOf, type ReportRow } from "./rows/rows.ts";
import { chartGrid, errorCharts, type ReportChart, speedupCharts } from "./sections/sections.ts";
import { type Verdict, verdict } from "./sections/verdict.ts";

/** The data of a report. */
export interface ReportData<Row extends ReportRow = ReportRow> {
  /** The rows of the run. */
  readonly rows: readonly Row[];
  /** The columns of the table with every number. */
  readonly columns: readonly TableColumn<Row>[];
  /** The content of environment.json. */
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
  const { columns, environment, maps } = data;
  const rows = data.rows.map((row) => ({ ...row, method: markedName(row.method) }));
  const adapter = typeof environment.adapter === "string" ? environment.adapter : "";
  const errors = await errorCharts(rows), speedups = await speedupCharts(rows, { adapter });
  const fronts = await paretoCharts(rows, { adapter }), drawnMaps = mapSection(maps);
  const sections = [
    "<h1>Pyramid Sparse Attention: sweep</h1>",
    verdictBlock(verdict(rows, { adapter })),
    `<p>${escapeHtml([whatWasRun(rows, environment), markNote(rows)].filter(Boolean).join(" "))}</p>`,
    section("Error against density", grid(errors)),
    section("Speed-up against density", grid(speedups), softwareNote(adapter)),
    section("Error against time and cost: the Pareto front", grid(fronts)),
    section("Levels beside the true mass, and in the frames of a video", drawnMaps),
    section("Which method is best on which head", headMatrices(rows)),
    section(
      "Every number",
      resultsTable(rows) + `<details><summary>All columns</summary>${sortableTable(rows, columns)}</details>`,
    ),
    section("How to repeat this", repeat(environment)),
  ];
  return {
    html: page(sections.filter(Boolean).join("\n")),
    charts: [...errors, ...speedups, ...fronts, ...maps],
  };
}

function section(heading: string, body: string, note = ""): string {
  if (body === "") return "";
  const before = note === "" ? "" : `<p class="note">${escapeHtml(note)}</p>`;
  return `<h2>${escapeHtml(heading)}</h2>${before}${body}`;
}

function grid(charts: readonly ReportChart[]): string {
  return charts.length === 0 ? "" : chartGrid(charts);
}

/** The sentences of the verdict; the text before a colon is its name. */
function verdictBlock({ right, sentences }: Verdict): string {
  const lines = sentences.map((sentence) => {
    const [, name, rest] = /^([A-Z][\w ,()-]{2,90}): (.*)$/s.exec(sentence) ?? [, "", sentence];
    return `<p>${name ? `<strong>${escapeHtml(name)}:</strong> ` : ""}${escapeHtml(rest ?? sentence)}</p>`;
  });
  return `<div class="verdict${right ? "" : " bad"}">${lines.join("\n")}</div>`;
}

function softwareNote(adapter: string): string {
  return isSoftware(adapter)
    ? `These times were taken in software, on ${adapter}. They say nothing about a GPU.`
    : "";
}

function repeat(environment: Readonly<Record<string, unknown>>): string {
  return `<pre class="command">${escapeHtml(String(environment.command ?? ""))}</pre>` +
    `<details><summary>Environment: adapter, limits, versions, all options</summary><pre>${
      escapeHtml(JSON.stringify(environment, null, 2))
    }</pre></details>`;
}

/** The cases, inputs and methods of a run, in a few sentences. */
function whatWasRun(rows: readonly ReportRow[], environment: Readonly<Record<string, unknown>>): string {
  const inputs = [...new Set(rows.map(({ input }) => input))];
  const densities = densitiesOf(rows).map(String);
  const axes = `${listed(methodsOf(rows))} at ${densities.length === 1 ? "density" : "densities"} ${
    listed(densities)
  }`;
  const { adapter, date } = environment;
  const when = typeof date === "string" ? `, ${date.slice(0, 16).replace("T", " ")} UTC` : "";
  const where = typeof adapter === "string" ? ` Times are from ${adapter}.` : "";
  return `${plural(rows.length, "case")} on ${
    listed(inputs)
  }: ${axes}${when}. Errors are relative L2 distances from dense attention in float64.${where}`;
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
<script>${sortScript}
${switchScript}</script>
</body>
</html>
`;
}
