/**
 * The files of a run: written to a temporary name and renamed, so that nobody ever sees half a file.
 *
 * @module
 */
import { join } from "node:path";
import { InputError } from "../../reference/errors.ts";
import { show } from "../../reference/show.ts";
import { parseCsv, stringifyCsv } from "../std/std.ts";
import { type Cell, COLUMN_NAMES, isWordColumn, type SweepRow } from "./columns.ts";

/**
 * Makes the folder of the results, and finds out whether files can be written there.
 *
 * @param folder the folder
 * @throws {InputError} if that cannot be
 *
 * @example
 * ```ts
 * import { requireFolder } from "./write.ts";
 * const folder = await Deno.makeTempDir();
 * await requireFolder(`${folder}/results`);
 * console.log(Deno.statSync(`${folder}/results`).isDirectory); // true
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function requireFolder(folder: string): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    const probe = await Deno.makeTempFile({ dir: folder, prefix: ".sweep-" });
    await Deno.remove(probe);
  } catch (error) {
    throw new InputError(
      `--out is "${folder}"; files cannot be written there: ${
        error instanceof Error ? error.message : error
      }.`,
    );
  }
}

/**
 * Writes a file as a whole or not at all.
 *
 * @param path the file
 * @param text what goes into it
 *
 * @example
 * ```ts
 * import { writeWhole } from "./write.ts";
 * const folder = await Deno.makeTempDir();
 * await writeWhole(`${folder}/a.txt`, "text");
 * console.log(Deno.readTextFileSync(`${folder}/a.txt`)); // text
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const temporary = `${path}.${Deno.pid}.part`;
  try {
    await Deno.writeTextFile(temporary, text);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/**
 * Rows as the text of sweep.csv.
 *
 * @param rows the rows
 *
 * @example
 * ```ts
 * import { formatRows } from "./write.ts";
 * console.log(formatRows([]).startsWith("case,status,method")); // true
 * ```
 */
export function formatRows(rows: readonly SweepRow[]): string {
  if (rows.length === 0) return COLUMN_NAMES.join(",") + "\r\n";
  return stringifyCsv(rows as readonly Record<string, Cell>[], { columns: COLUMN_NAMES });
}

/**
 * Reads the text of sweep.csv.
 *
 * @param text the text
 * @param path its file, for messages
 * @throws {InputError} if a column is missing or a number is not one
 *
 * @example
 * ```ts
 * import { formatRows, parseRows } from "./write.ts";
 * console.log(parseRows(formatRows([]), "sweep.csv")); // []
 * ```
 */
export function parseRows(text: string, path: string): SweepRow[] {
  const lines = text.trim() === COLUMN_NAMES.join(",") ? [] : linesOf(text, path);
  return lines.map((line) => {
    const cells = COLUMN_NAMES.map((name): [string, Cell] => {
      const cell = line[name];
      if (cell === undefined) {
        throw new InputError(`${path} has no column ${name}; it is not of this version.`);
      }
      if (isWordColumn(name)) return [name, cell];
      if (cell !== "" && Number.isNaN(Number(cell)) && cell !== "NaN") {
        throw new InputError(`${path} has ${show(cell)} in column ${name}; it should be a number.`);
      }
      return [name, cell === "" ? null : Number(cell)];
    });
    return Object.fromEntries(cells) as unknown as SweepRow;
  });
}

/** The lines of a table, by column. */
function linesOf(text: string, path: string): Record<string, string>[] {
  try {
    return parseCsv(text, { skipFirstRow: true });
  } catch (error) {
    throw new InputError(`${path} is no table: ${(error as Error).message}.`, { cause: error });
  }
}

/** A run that lies in a folder. */
export interface StoredRun {
  /** Its rows. */
  readonly rows: SweepRow[];
  /** What environment.json holds. */
  readonly environment: Readonly<Record<string, unknown>>;
}

/**
 * Reads the run that a folder holds.
 *
 * @param folder the folder
 * @throws {InputError} if it holds none
 *
 * @example
 * ```ts
 * import { readRun, writeRun } from "./write.ts";
 * const folder = await Deno.makeTempDir();
 * await writeRun(folder, { rows: [], environment: { cases: 0 } });
 * console.log((await readRun(folder)).environment.cases); // 0
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function readRun(folder: string): Promise<StoredRun> {
  const read = async (name: string) => {
    try {
      return await Deno.readTextFile(join(folder, name));
    } catch {
      throw new InputError(`The folder "${folder}" holds no run: ${name} cannot be read there.`);
    }
  };
  const rows = parseRows(await read("sweep.csv"), join(folder, "sweep.csv"));
  try {
    return { rows, environment: JSON.parse(await read("environment.json")) };
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`${join(folder, "environment.json")} holds no JSON.`);
  }
}

/**
 * Writes a run into a folder.
 *
 * @param folder the folder
 * @param run rows and environment
 *
 * @example
 * ```ts
 * import { readRun, writeRun } from "./write.ts";
 * const folder = await Deno.makeTempDir();
 * await writeRun(folder, { rows: [], environment: { cases: 0 } });
 * console.log((await readRun(folder)).environment.cases); // 0
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function writeRun(folder: string, { rows, environment }: StoredRun): Promise<void> {
  await writeWhole(join(folder, "environment.json"), JSON.stringify(environment, null, 2) + "\n");
  await writeWhole(join(folder, "sweep.csv"), formatRows(rows));
}
