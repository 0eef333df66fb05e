/**
 * `deno task compare`: what changed between two sweeps beyond noise, as Markdown.
 *
 * @module
 */
import { changesOf, failures, parseLimits, toMarkdown } from "../sweep/changes.ts";
import { readRun } from "../sweep/write.ts";
import { say } from "../text/output.ts";
import { type Command, EXIT } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "compare",
    usage: 'BEFORE AFTER [--fail-on "rel_l2>1.05x,gpu_ms_median>1.1x"]',
    about: [
      "Joins the rows of two runs of deno task sweep by their case, and prints as Markdown what changed beyond noise.",
    ],
    options: [
      {
        name: "fail-on",
        value: "LIMITS",
        help:
          "columns and how many times larger they may become, or `regressions`; with either, a case that was ok " +
          "and is not, a number that became empty or not finite, and a lost case fail too",
      },
    ],
    words: [2, 2],
    wordsAre: "compare needs two folders, BEFORE and AFTER",
    exits: "a limit is passed or something regressed, where --fail-on is given",
  },
  async run({ words, read }) {
    const text = read.text("fail-on", ""), limits = text === "" ? [] : parseLimits(text);
    const [before, after] = await Promise.all(words.map(readRun));
    const changes = changesOf(before.rows, after.rows, limits);
    say(toMarkdown(changes));
    return text !== "" && failures(changes).length > 0 ? EXIT.wrong : EXIT.right;
  },
};
