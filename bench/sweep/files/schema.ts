/**
 * The versions of the files of a run, which docs/sweep.md describes.
 *
 * @module
 */

/**
 * The version of sweep.csv: of its columns, of how cells are written, and of the canonical strings of cases.
 *
 * @example
 * ```ts
 * import { CSV_SCHEMA } from "./schema.ts";
 * console.log(CSV_SCHEMA); // 3
 * ```
 */
export const CSV_SCHEMA = 3;

/**
 * The version of environment.json.
 *
 * @example
 * ```ts
 * import { ENVIRONMENT_SCHEMA } from "./schema.ts";
 * console.log(ENVIRONMENT_SCHEMA); // 1
 * ```
 */
export const ENVIRONMENT_SCHEMA = 1;

/**
 * The version that environment.json states; 0 if it states none, as before there were versions.
 *
 * @param environment what environment.json holds
 * @param which the file whose version is asked for
 *
 * @example
 * ```ts
 * import { schemaOf } from "./schema.ts";
 * console.log(schemaOf({ schema: 1 }, "schema"), schemaOf({}, "csv_schema")); // 1 0
 * ```
 */
export function schemaOf(
  environment: Readonly<Record<string, unknown>>,
  which: "schema" | "csv_schema",
): number {
  const value = environment[which] ?? 0;
  return typeof value === "number" ? value : NaN;
}
