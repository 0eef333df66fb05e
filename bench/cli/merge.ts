/**
 * `deno task merge`: joins the shards of a sweep.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { mergeFolders } from "../sweep/earlier/merge.ts";
import { plural } from "../text/number.ts";
import { say } from "../text/output.ts";
import type { Command } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "merge",
    usage: "FOLDER … --out FOLDER [options]",
    about: ["Joins the runs of deno task sweep --shard I/N into one."],
    examples: ["deno task merge results/part-1 results/part-2 --out results/whole"],
    options: [
      { name: "out", value: "FOLDER", help: "the folder to write to" },
      {
        name: "across",
        value: "",
        help: "also join shards of other adapters; then no row has times",
      },
      { name: "force", value: "", help: "replace the run in --out" },
      { name: "plots", value: "", help: "also write each chart as a file, for papers" },
    ],
    words: [0, Infinity],
  },
  async run({ words, read }) {
    const out = read.text("out", "");
    requireInput(out !== "", "--out is missing; it should be the folder to write to.");
    const flags = { plots: read.flag("plots"), force: read.flag("force"), across: read.flag("across") };
    const { rows } = await mergeFolders(words, { out, ...flags });
    say(`${plural(rows.length, "case")} of ${plural(words.length, "shard")} are in ${out}/sweep.csv.`);
  },
};
