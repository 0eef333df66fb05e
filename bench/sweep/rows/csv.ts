/**
 * Rows as the text of sweep.csv, and back: numbers that are not finite survive, and no cell is a formula.
 *
 * @module
 */
import { InputError, requireInput } from "../../../reference/errors.ts";
import { show } from "../../../reference/show.ts";
import { parseCsv, stringifyCsv } from "../../std/std.ts";
import { messageOf } from "../../text/output.ts";
import { type Cell, type Column, COLUMN_NAMES, isWordColumn, mayBeEmpty, type SweepRow } from "./columns.ts";

/** The beginnings that a spreadsheet takes for a formula, and the apostrophe that makes it a text. */
const FORMULA = /^[=+\-@\t\r']/, TEXT = "'";
/** A number as it is written. */
const NUMBER = /^(-?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|NaN|-?Infinity)$/i;

/** Text that would be a formula gets an apostrophe in front, and so does text with an apostrophe in front. */
function cellOf(value: Cell): Cell {
  return typeof value === "string" && FORMULA.test(value) ? TEXT + value : value;
}

/** The inverse of {@link cellOf}. */
function wordOf(cell: string): string {
  return cell.startsWith(TEXT) && FORMULA.test(cell.slice(1)) ? cell.slice(1) : cell;
}

/**
 * Rows as the text of sweep.csv.
 *
 * @param rows the rows
 *
 * @example
 * ```ts
 * import { formatRows } from "./csv.ts";
 * console.log(formatRows([]).startsWith("case,status,method")); // true
 * ```
 */
export function formatRows(rows: readonly SweepRow[]): string {
  if (rows.length === 0) return COLUMN_NAMES.join(",") + "\r\n";
  const cells = rows.map((row) => Object.fromEntries(COLUMN_NAMES.map((name) => [name, cellOf(row[name])])));
  return stringifyCsv(cells, { columns: COLUMN_NAMES });
}

/**
 * Reads the text of sweep.csv.
 *
 * @param text the text
 * @param path its file, for messages
 * @throws {InputError} if it is damaged: no CSV, a column that is missing, a row that is cut or there twice, a number
 * that is none
 *
 * @example
 * ```ts
 * import { formatRows, parseRows } from "./csv.ts";
 * console.log(parseRows(formatRows([]), "sweep.csv")); // []
 * ```
 */
export function parseRows(text: string, path: string): SweepRow[] {
  requireInput(text !== "", () => `${path} is empty; it should begin with the names of the columns.`);
  requireInput(/\n$/.test(text), () => `${path} ends in the middle of a row; it is damaged.`);
  const rows = linesOf(text, path).map((line) => rowOf(line, path)), names = new Set<string>();
  for (const { case: name } of rows) {
    requireInput(!names.has(name), () => `${path} has the case ${show(name)} twice.`);
    names.add(name);
  }
  return rows;
}

/** The lines by column. */
function linesOf(text: string, path: string): Record<string, string>[] {
  if (text.trim() === COLUMN_NAMES.join(",")) return [];
  const [names] = text.split("\n", 1),
    other = [";", "\t"].find((mark) => names.includes(`case${mark}status`));
  requireInput(
    other === undefined,
    () =>
      `${path} has ${
        show(other)
      } between its cells, as some spreadsheets write; it should have commas, and points in numbers.`,
  );
  try {
    return parseCsv(text, { skipFirstRow: true });
  } catch (error) {
    throw new InputError(`${path} is damaged: ${messageOf(error)}.`, { cause: error });
  }
}

/** Columns that came after the first schema; older files are read without them. */
const LATER: readonly Column[] = [
  "alignment_loss",
  "mass_entropy",
  "whole_ms_median",
  "whole_ms_low",
  "whole_ms_high",
];

function rowOf(line: Readonly<Record<string, string>>, path: string): SweepRow {
  const cells = COLUMN_NAMES.map((name): [string, Cell] => {
    const cell = line[name] ?? (LATER.includes(name) ? "" : undefined);
    if (cell === undefined) throw new InputError(`${path} has no column ${name}; it is not of this version.`);
    if (isWordColumn(name)) return [name, wordOf(cell)];
    requireInput(
      cell === "" ? mayBeEmpty(name) : NUMBER.test(cell),
      () => `${path} has ${show(cell)} in column ${name}; it should be a number.`,
    );
    return [name, cell === "" ? null : Number(cell)];
  });
  return Object.fromEntries(cells) as unknown as SweepRow;
}
