/**
 * `deno task compare`: the changes between two sweeps beyond noise, as Markdown.
 *
 * @module
 */
import { failures, parseLimits, toMarkdown } from "../sweep/earlier/changes.ts";
import { compareRuns } from "../sweep/earlier/compare.ts";
import { readRun } from "../sweep/files/write.ts";
import { say } from "../text/output.ts";
import { type Command, EXIT } from "./command.ts";

/** The command. */
export const command: Command = {
  help: {
    name: "compare",
    usage: 'BEFORE AFTER [--fail-on "rel_l2>1.05x"] [--across]',
    about: [
      "Joins the rows of two runs of deno task sweep by their case, and prints as Markdown what changed beyond noise.",
    ],
    examples: [
      "deno task compare results results/2",
      'deno task compare results results/2 --fail-on "rel_l2>1.05x,gpu_ms_median>1.1x"',
    ],
    options: [
      {
        name: "fail-on",
        value: "LIMITS",
        help:
          "columns and how many times larger they may become, as in rel_l2>1.05x,gpu_ms_median>1.1x, or `regressions`; with either, a case that was ok " +
          "and is not, a number that became empty or not finite, and a lost case fail too",
      },
      {
        name: "across",
        value: "",
        help: "allow limits on times although adapters, versions or schemas differ",
      },
    ],
    words: [2, 2],
    wordsAre: "compare needs two folders, BEFORE and AFTER",
    exits: "with --fail-on, a limit is exceeded or something regressed",
  },
  async run({ words, read }) {
    const text = read.text("fail-on", ""), limits = text === "" ? [] : parseLimits(text);
    // one after the other: where the first is bad, nothing else is left open
    const before = await readRun(words[0]), after = await readRun(words[1]);
    const { changes, differences } = compareRuns(before, after, { limits, across: read.flag("across") });
    say([...differences, ...(differences.length > 0 ? [""] : []), toMarkdown(changes)].join("\n"));
    return text !== "" && failures(changes).length > 0 ? EXIT.wrong : EXIT.right;
  },
};
