/**
 * The pieces of HTML that the report is made of; every text that comes from outside is escaped here.
 *
 * @module
 */
import { showNumber } from "../text/number.ts";

/**
 * A text as HTML.
 *
 * @example
 * ```ts
 * import { escapeHtml } from "./html.ts";
 * console.log(escapeHtml("a < b")); // "a &lt; b"
 * ```
 */
export function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll(
    '"',
    "&quot;",
  );
}

/**
 * A chart with its caption and its text alternative.
 *
 * @param svg the drawing
 * @param text `caption` is shown; `alternative` says in words what the drawing shows
 *
 * @example
 * ```ts
 * import { figure } from "./html.ts";
 * console.log(figure("<svg></svg>", { caption: "c", alternative: "a" }).includes('aria-label="a"')); // true
 * ```
 */
export function figure(
  svg: string,
  { caption, alternative }: { readonly caption: string; readonly alternative: string },
): string {
  const named = svg.replace("<svg", `<svg role="img" aria-label="${escapeHtml(alternative)}"`);
  return `<figure>${named}<figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

/** One column of a table of the report. */
export interface TableColumn<Row> {
  /** The heading. */
  readonly heading: string;
  /** The cell of a row; null is an empty cell. Numbers sort as numbers and are shown with four digits. */
  readonly cell: (row: Row) => string | number | null;
}

/**
 * A table that a reader can sort by any column.
 *
 * @param rows what the table lists
 * @param columns headings and cells
 *
 * @example
 * ```ts
 * import { sortableTable } from "./html.ts";
 * const html = sortableTable([{ n: 1 }], [{ heading: "n", cell: (row) => row.n }]);
 * console.log(html.includes("<td")); // true
 * ```
 */
export function sortableTable<Row>(rows: readonly Row[], columns: readonly TableColumn<Row>[]): string {
  const head = columns.map(({ heading }) => `<th><button type="button">${escapeHtml(heading)}</button></th>`);
  const body = rows.map((row) => `<tr>${columns.map(({ cell }) => tableCell(cell(row))).join("")}</tr>`);
  return `<div class="scroll"><table><thead><tr>${head.join("")}</tr></thead><tbody>${
    body.join("\n")
  }</tbody></table></div>`;
}

function tableCell(value: string | number | null): string {
  if (value === null) return "<td></td>";
  if (typeof value === "string") return `<td>${escapeHtml(value)}</td>`;
  return `<td data-value="${value}">${formatNumber(value)}</td>`;
}

/**
 * A number with four significant digits, in exponents where it is very small or very large.
 *
 * @example
 * ```ts
 * import { formatNumber } from "./html.ts";
 * console.log(formatNumber(0.00001234567)); // "1.235e-5"
 * ```
 */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return showNumber(value, { digits: 4 });
}
