/**
 * The functions of @std/cli, @std/csv and @std/text that the tools use, with their types: as they come from npm they
 * carry none.
 *
 * @module
 */
// @ts-types="./std_cli.d.ts"
export { parseArgs } from "@std/cli";
// @ts-types="./std_csv.d.ts"
export { parse as parseCsv, stringify as stringifyCsv } from "@std/csv";
// @ts-types="./std_text.d.ts"
export { closestString } from "@std/text";
