/**
 * The pieces of HTML of the report; every text from outside is escaped here.
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

/** The texts of a figure. */
export interface FigureText {
  /** The caption under it. */
  readonly caption: string;
  /** A text alternative for readers who do not see the drawing. */
  readonly alternative: string;
  /** Of maps: the method whose choice it shows. */
  readonly method?: string;
  /** Whether it is shown only once its method is chosen; default false. */
  readonly hidden?: boolean;
}

/**
 * A chart with its caption and its text alternative.
 *
 * @param svg the drawing
 * @param text caption, alternative and method
 *
 * @example
 * ```ts
 * import { figure } from "./html.ts";
 * console.log(figure("<svg></svg>", { caption: "c", alternative: "a" }).includes('aria-label="a"')); // true
 * ```
 */
export function figure(
  svg: string,
  { caption, alternative, method, hidden = false }: FigureText,
): string {
  const named = svg.replace("<svg", `<svg role="img" aria-label="${escapeHtml(alternative)}"`);
  const of = method === undefined ? "" : ` data-method="${escapeHtml(method)}"`;
  return `<figure${of}${hidden ? " hidden" : ""}>${named}<figcaption>${
    escapeHtml(caption)
  }</figcaption></figure>`;
}

/** One column of a table of the report. */
export interface TableColumn<Row> {
  /** The heading. */
  readonly heading: string;
  /** The cell of a row; null is an empty cell. Numbers sort as numbers and are shown with four digits. */
  readonly cell: (row: Row) => string | number | null;
  /** A text that appears when the pointer rests on a cell; default none. */
  readonly hint?: (row: Row) => string;
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
  const body = rows.map((row) =>
    `<tr>${columns.map(({ cell, hint }) => tableCell(cell(row), hint?.(row))).join("")}</tr>`
  );
  return `<div class="scroll"><table><thead><tr>${head.join("")}</tr></thead><tbody>${
    body.join("\n")
  }</tbody></table></div>`;
}

function tableCell(value: string | number | null, hint?: string): string {
  const title = hint === undefined ? "" : ` title="${escapeHtml(hint)}"`;
  if (value === null) return `<td${title}></td>`;
  if (typeof value === "string") return `<td${title}>${escapeHtml(value)}</td>`;
  return `<td data-value="${value}"${title}>${formatNumber(value)}</td>`;
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
