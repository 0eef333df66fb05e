/**
 * `deno task departures`: what the released kernels compute, from their captures. It is for a checkout, and no command
 * of the package.
 *
 * @module
 */
import { departuresTable, withTable } from "../conformance/departures.ts";
import { say } from "../text/output.ts";
import { type Command, perform, runCommand } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "departures",
    usage: "[--write]",
    about: ["Judges the captures of the released kernels and prints the table of docs/departures.md."],
    examples: ["deno task departures", "deno task departures --write"],
    options: [{ name: "write", value: "", help: "write the table into the page" }],
  },
  async run({ read }) {
    const table = await departuresTable(), page = new URL("../../docs/departures.md", import.meta.url);
    if (read.flag("write")) await Deno.writeTextFile(page, withTable(await Deno.readTextFile(page), table));
    else say(table);
  },
};

if (import.meta.main) await runCommand(() => perform(command, Deno.args));
