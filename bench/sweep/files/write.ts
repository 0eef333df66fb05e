/**
 * The files of a run: written to a temporary name and renamed, so that nobody ever sees half a file.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { readText } from "../../../fixtures/guarded.ts";
import { InputError, requireInput } from "../../../reference/errors.ts";
import { messageOf, OutputError, toJson } from "../../text/output.ts";
import type { SweepRow } from "../rows/columns.ts";
import { formatRows, parseRows } from "../rows/csv.ts";
import { CSV_SCHEMA, ENVIRONMENT_SCHEMA, schemaOf } from "./schema.ts";

/** The files that make a run. */
const ROWS = "sweep.csv", ENVIRONMENT = "environment.json";
/** A file that shows whether a folder can be written. */
const PROBE = ".sweep-probe";

/**
 * Makes the folder of the results, and finds out whether files can be written there.
 *
 * @param folder the folder
 * @param out what --out says, for the sentence; default the folder
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
export async function requireFolder(folder: string, out: string = folder): Promise<void> {
  try {
    await Deno.mkdir(folder, { recursive: true });
    const probe = join(folder, PROBE); // one name: a run that is killed here leaves it to the next one to take away
    (await Deno.open(probe, { write: true, create: true })).close();
    await Deno.remove(probe).catch(() => {});
  } catch (error) {
    throw new InputError(`--out is "${out}"; files cannot be written there: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/**
 * Writes a file as a whole or not at all; the one that was there stays until the new one is on the disk.
 *
 * @param path the file
 * @param text its content
 * @throws {OutputError} if it cannot be written
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
    {
      using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
      for (let bytes: Uint8Array = new TextEncoder().encode(text); bytes.length > 0;) {
        bytes = bytes.subarray(await file.write(bytes));
      }
      await file.syncData();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw new OutputError(`${path} cannot be written: ${messageOf(error)}.`, { cause: error });
  }
}

/** A run in a folder. */
export interface StoredRun {
  /** Its rows. */
  readonly rows: SweepRow[];
  /** The content of environment.json. */
  readonly environment: Readonly<Record<string, unknown>>;
}

/**
 * Whether a folder holds a run, or a part of one.
 *
 * @param folder the folder; it need not be there
 *
 * @example
 * ```ts
 * import { holdsRun } from "./write.ts";
 * console.log(await holdsRun("nowhere")); // false
 * ```
 */
export async function holdsRun(folder: string): Promise<boolean> {
  const there = (name: string) => Deno.stat(join(folder, name)).then(() => true, () => false);
  return await there(ROWS) || await there(ENVIRONMENT);
}

/**
 * Reads the run that a folder holds.
 *
 * @param folder the folder
 * @throws {InputError} if it holds none, its files are damaged or of a later version
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
      return await readText(join(folder, name));
    } catch {
      const isFile = await Deno.stat(folder).then((found) => found.isFile, () => false);
      if (isFile) {
        throw new InputError(`"${folder}" is a file; give the folder of its run, "${dirname(folder)}".`);
      }
      throw new InputError(`The folder "${folder}" has no run: ${name} cannot be read there.`);
    }
  };
  const text = await read(ROWS), about = await read(ENVIRONMENT);
  const environment = environmentOf(about, join(folder, ENVIRONMENT));
  return { rows: parseRows(text, join(folder, ROWS)), environment };
}

/** The content of environment.json, if its version is known here. */
function environmentOf(text: string, path: string): StoredRun["environment"] {
  let environment: unknown;
  try {
    environment = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path} is damaged: it is not JSON.`, { cause: error });
  }
  requireInput(
    typeof environment === "object" && environment !== null && !Array.isArray(environment),
    () => `${path} is damaged: it should hold one JSON object.`,
  );
  const found = environment as StoredRun["environment"];
  for (const [which, known] of [["schema", ENVIRONMENT_SCHEMA], ["csv_schema", CSV_SCHEMA]] as const) {
    const version = schemaOf(found, which);
    requireInput(
      version <= known,
      () => `${path} has the ${which} ${toJson(found[which])}; this version reads those up to ${known}.`,
    );
  }
  return found;
}

/**
 * Writes a run into a folder. Rows come first: should the second file be missing in the end, no rows stand under the
 * name of a run that they are not of.
 *
 * @param folder the folder
 * @param run rows and environment
 * @throws {OutputError} if a file cannot be written
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
  await writeWhole(join(folder, ROWS), formatRows(rows));
  await writeWhole(join(folder, ENVIRONMENT), toJson(environment, 2) + "\n");
}
