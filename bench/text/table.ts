/**
 * Tables and paragraphs in plain text: columns that are aligned, lines that fit, colours where there is a terminal.
 *
 * @module
 */

/** On which side a column is filled up; `none`: not at all, for the last one. */
export type Align = "left" | "right" | "none";

/** One line of a table: its cells, filled up to the width of their column, and what stands between them. */
export interface TableLine {
  readonly cells: readonly string[];
  readonly gap: string;
}

/**
 * Fills up the cells of a table so that columns are aligned.
 *
 * @param rows the cells, row by row, headings first
 * @param options the side of each column, and the width up to which columns are two spaces apart
 *
 * @example
 * ```ts
 * import { alignTable } from "./table.ts";
 * const [, row] = alignTable([["name", "n"], ["a", "10"]], { align: ["left", "right"], width: 80 });
 * console.log(row.cells.join(row.gap)); // a     10
 * ```
 */
export function alignTable(
  rows: readonly (readonly string[])[],
  { align, width }: { readonly align: readonly Align[]; readonly width: number },
): TableLine[] {
  const widths = align.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const total = widths.reduce((sum, each) => sum + each, 0);
  const gap = " ".repeat(total + 2 * (widths.length - 1) <= width ? 2 : 1);
  const pad = (text: string, i: number) =>
    align[i] === "left" ? text.padEnd(widths[i]) : align[i] === "right" ? text.padStart(widths[i]) : text;
  return rows.map((row) => ({ cells: row.map(pad), gap }));
}

/**
 * A table in Markdown, its columns aligned.
 *
 * @param head the headings
 * @param rows the cells, row by row; a `|` in one is escaped
 *
 * @example
 * ```ts
 * import { markdownTable } from "./table.ts";
 * console.log(markdownTable(["case", "ms"], [["a|b", "1"]])[2]); // | a\|b | 1  |
 * ```
 */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [head, ...rows].map((row) => row.map((text) => text.replaceAll(/(?<!\\)\|/g, "\\|")));
  const widths = head.map((_, i) => Math.max(3, ...cells.map((row) => row[i].length)));
  const line = (row: readonly string[]) => `| ${row.map((text, i) => text.padEnd(widths[i])).join(" | ")} |`;
  return [line(cells[0]), line(widths.map((width) => "-".repeat(width))), ...cells.slice(1).map(line)];
}

/**
 * Words in lines that are no longer than asked, unless a word is.
 *
 * @param words the words
 * @param options the width, and what later lines begin with; default nothing
 *
 * @example
 * ```ts
 * import { fillLines } from "./table.ts";
 * console.log(fillLines(["a", "bc", "d"], { width: 4 })); // ["a bc", "d"]
 * ```
 */
export function fillLines(
  words: readonly string[],
  { width, indent = "" }: { readonly width: number; readonly indent?: string },
): string[] {
  const lines = [""];
  for (const word of words) {
    const last = lines.length - 1;
    const longer = lines[last].trim() === "" && last === 0 ? word : `${lines[last]} ${word}`;
    if (longer.length <= width || lines[last] === "") lines[last] = longer;
    else lines.push(`${indent}${word}`);
  }
  return lines;
}

/** Codes of terminals for colours and weights. */
const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/** A colour, or a weight. */
export type Colour = keyof typeof COLOURS;

/**
 * A text in a colour, if the terminal has colours.
 *
 * @example
 * ```ts
 * import { paint } from "./table.ts";
 * console.log(paint("wrong", "red", false)); // wrong
 * ```
 */
export function paint(text: string, colour: Colour, wanted: boolean): string {
  return wanted && text !== "" ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
}
