/**
 * `deno task methods`: the tables of docs/methods.md and docs/method-times.md, from sweeps that were run. It is for a checkout, and no
 * command of the package.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { methodsTable, withErrors } from "../sweep/rows/methods_table.ts";
import { timesTable, withTimes } from "../sweep/rows/times_table.ts";
import { readRun } from "../sweep/files/write.ts";
import { say } from "../text/output.ts";
import { type Command, perform, runCommand } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "methods",
    usage: "--from FOLDER [--from FOLDER] [--times] [--write]",
    about: [
      "Prints the table of errors of docs/methods.md from the rows of sweeps with --methods all,",
      "or with --times the table of times of docs/method-times.md from those of a sweep with --whole.",
    ],
    examples: [
      "deno task methods --from results --from results/2 --write",
      "deno task methods --times --from results --write",
    ],
    options: [
      { name: "from", value: "FOLDER", help: "the folder of a sweep; may be repeated", many: true },
      { name: "times", value: "", help: "the table of times" },
      { name: "write", value: "", help: "write the table into the page" },
    ],
  },
  async run({ read }) {
    const folders = read.texts("from"), isTimes = read.flag("times");
    const page = new URL(`../../docs/${isTimes ? "method-times" : "methods"}.md`, import.meta.url);
    requireInput(folders.length > 0, "`--from` is missing; it should name the folder of a sweep.");
    const rows = (await Promise.all(folders.map(readRun))).flatMap((run) => run.rows);
    const table = isTimes ? timesTable(rows) : methodsTable(rows), put = isTimes ? withTimes : withErrors;
    if (read.flag("write")) await Deno.writeTextFile(page, put(await Deno.readTextFile(page), table));
    else table.forEach((line) => say(line));
  },
};

if (import.meta.main) await runCommand(() => perform(command, Deno.args));
