/**
 * Keeps the rows of a run in its folder, and where that fails somewhere else.
 *
 * @module
 */
import { join } from "node:path";
import { plural } from "../../text/number.ts";
import { OutputError } from "../../text/output.ts";
import { type StoredRun, writeRun } from "./write.ts";

/**
 * Writes all rows. If the folder cannot be written, as on a full disk, they go to a temporary folder.
 *
 * @param folder the folder of the run
 * @param run its rows and environment
 * @throws {OutputError} if the folder cannot be written, with the place of the rows
 *
 * @example
 * ```ts
 * import { keepRun } from "./keep.ts";
 * const folder = await Deno.makeTempDir();
 * await keepRun(folder, { rows: [], environment: {} });
 * console.log(Deno.statSync(`${folder}/sweep.csv`).isFile); // true
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function keepRun(folder: string, run: StoredRun): Promise<void> {
  try {
    await writeRun(folder, run);
  } catch (error) {
    if (!(error instanceof OutputError)) throw error;
    throw new OutputError(`${error.message} ${await rescue(run)}`, { cause: error });
  }
}

/** Writes rows to a temporary folder; a sentence about that. */
async function rescue(run: StoredRun): Promise<string> {
  const rows = plural(run.rows.length, "finished row");
  if (run.rows.length === 0) return "The run stops before its first row.";
  try {
    const elsewhere = await Deno.makeTempDir({ prefix: "psa-sweep-" });
    await writeRun(elsewhere, run);
    return `The run stops; its ${rows} are in ${elsewhere}.`;
  } catch {
    return `The run stops; what was in the folder before stays, and its ${rows} could not be kept elsewhere.`;
  }
}

/**
 * Removes the report of a run whose rows are replaced, because it shows the old rows.
 *
 * @param folder the folder of the run
 *
 * @example
 * ```ts
 * import { dropReport } from "./keep.ts";
 * await dropReport("nowhere");
 * ```
 */
export async function dropReport(folder: string): Promise<void> {
  await Deno.remove(join(folder, "report.html")).catch(() => {});
}
