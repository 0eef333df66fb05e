/**
 * `deno task choosing`: the tables of docs/choosing.md. It is for a checkout, and no command of the package.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { say } from "../text/output.ts";
import { withProgress } from "../text/progress.ts";
import { CHOOSING_PARTS, type ChoosingRow, computeChoices } from "../tune/choosing.ts";
import { withChoices } from "../tune/choosing_page.ts";
import { type Command, perform, runCommand } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "choosing",
    usage: "--out FILE [--shard I/N] | --from FILE … [--write]",
    about: [
      "Tunes on the project's traces and on workloads, input against input, and writes a line for each cell (twenty minutes " +
      "on one core). Shards may run side by side; --from takes the files of all.",
    ],
    examples: ["deno task choosing --out choosing.jsonl", "deno task choosing --from choosing.jsonl --write"],
    options: [
      { name: "out", value: "FILE", help: "where the lines go; it is made anew" },
      { name: "shard", value: "I/N", help: "compute the I-th of N parts, from 1 (1/1)" },
      { name: "from", value: "FILE", help: "lines that were computed; may be repeated", many: true },
      { name: "write", value: "", help: "write the tables into the page" },
    ],
  },
  async run({ read, given }) {
    if (given.from === undefined) return await compute(read.text("out", ""), read.text("shard", "1/1"));
    const texts = await Promise.all(read.texts("from").map((path) => Deno.readTextFile(path)));
    const rows = texts.flatMap((text) => text.split("\n").filter(Boolean)).map(rowOf);
    const page = new URL("../../docs/choosing.md", import.meta.url),
      text = withChoices(await Deno.readTextFile(page), rows);
    if (read.flag("write")) await Deno.writeTextFile(page, text);
    else say(text);
  },
};

/** A line as it was written; no value has an end above every number where there is one observation alone. */
function rowOf(line: string): ChoosingRow {
  return JSON.parse(line, (_, value) => value === "Infinity" ? Infinity : value);
}

/** Computes the parts of a shard. */
async function compute(out: string, shard: string): Promise<void> {
  const [, at, of] = /^(\d+)\/(\d+)$/.exec(shard)?.map(Number) ?? [];
  requireInput(out !== "", "`--out` is missing; it should name the file for the lines.");
  requireInput(at >= 1 && at <= of, () => `--shard is ${shard}; it should be I/N, I from 1 to N.`);
  const parts = [...CHOOSING_PARTS.keys()].filter((part) => part % of === at - 1);
  await Deno.writeTextFile(out, "");
  const append = (row: ChoosingRow) =>
    Deno.writeTextFile(
      out,
      JSON.stringify(row, (_, value) => value === Infinity ? "Infinity" : value) + "\n",
      {
        append: true,
      },
    );
  await withProgress((onProgress) => computeChoices(parts, append, onProgress));
}

if (import.meta.main) await runCommand(() => perform(command, Deno.args));
