/**
 * `deno task methods`: the table of errors of docs/methods.md, from sweeps that were run. It is for a checkout, and no
 * command of the package.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { methodsTable, withErrors } from "../sweep/rows/methods_table.ts";
import { readRun } from "../sweep/files/write.ts";
import { say } from "../text/output.ts";
import { type Command, perform, runCommand } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "methods",
    usage: "--from FOLDER [--from FOLDER] [--write]",
    about: ["Prints the table of errors of docs/methods.md from the rows of sweeps with --methods all."],
    examples: ["deno task methods --from results --from results/2 --write"],
    options: [
      { name: "from", value: "FOLDER", help: "the folder of a sweep; may be repeated", many: true },
      { name: "write", value: "", help: "write the table into the page" },
    ],
  },
  async run({ read }) {
    const folders = read.texts("from"), page = new URL("../../docs/methods.md", import.meta.url);
    requireInput(folders.length > 0, "`--from` is missing; it should name the folder of a sweep.");
    const runs = await Promise.all(folders.map(readRun)),
      table = methodsTable(runs.flatMap(({ rows }) => rows));
    if (read.flag("write")) await Deno.writeTextFile(page, withErrors(await Deno.readTextFile(page), table));
    else table.forEach((line) => say(line));
  },
};

if (import.meta.main) await runCommand(() => perform(command, Deno.args));
