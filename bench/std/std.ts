/**
 * The functions of @std/cli, @std/csv and @std/text that the tools use, with their types: as they come from npm they
 * carry none. Their addresses are whole, not names of deno.json: who imports this file by URL has no deno.json of ours.
 *
 * @module
 */
// @ts-types="./std_cli.d.ts"
export { parseArgs } from "npm:deno-std@1.4.0/cli/parse_args.js";
// @ts-types="./std_csv.d.ts"
export { parse as parseCsv, stringify as stringifyCsv } from "npm:deno-std@1.4.0/csv/mod.js";
// @ts-types="./std_text.d.ts"
export { closestString } from "npm:deno-std@1.4.0/text/mod.js";
