import { type CommandHelp, helpOf, readCommandLine } from "../../../bench/options/command_line.ts";
import { InputError } from "../../../reference/errors.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "../../support/assert.ts";

const HELP: CommandHelp = {
  name: "draw",
  usage: "FOLDER … [options]",
  about: ["Draws."],
  options: [
    { name: "seed", value: "N", help: "the seed" },
    { name: "input", value: "FILE", help: "an input", many: true },
    { name: "sizes", value: "N,N,…", help: "sizes" },
    { name: "quick", value: "", help: "be quick" },
  ],
  words: [0, 2],
  wordsAre: "draw takes two folders",
};

Deno.test("command line: options by kind, words as they were written", () => {
  const { words, read } = readCommandLine(["1e3", "a=b", "--seed=7", "--input", "x=y", "--input", "z"], HELP);
  assertEquals(words, ["1e3", "a=b"], "a folder may look like a number");
  assertEquals(
    readCommandLine(["--seed", "1", "--seed", "2"], HELP).read.whole("seed", 0),
    2,
    "the last one",
  );
  assertEquals([read.whole("seed", 1), read.texts("input"), read.flag("quick")], [7, ["x=y", "z"], false]);
  const negative = readCommandLine(["--seed", "-1", "--input", "-.5"], HELP).given;
  assertEquals([negative.seed, negative.input], ["-1", ["-.5"]], "a negative number is a value");
  const empty = readCommandLine(["one", "--seed", "", "two"], HELP);
  assertEquals([empty.given.seed, empty.words], ["", ["one", "two"]], "nothing is a value, and no word");
  assertThrows(() => empty.read.whole("seed", 0), InputError, "--seed is empty; it needs a value.");
  assertThrows(() => readCommandLine(["--quick", "-1"], HELP), InputError, "--1 is not an option");
});

Deno.test("command line: what cannot be meant is refused in a sentence", () => {
  const refused = (args: string[], sentence: string) =>
    assertThrows(() => readCommandLine(args, HELP), InputError, sentence);
  refused(["--sed", "3"], "--sed is not an option; the nearest one is --seed.");
  refused(
    ["--sizes", "1", "--sizes", "2,3"],
    "--sizes was given 2 times; it takes one list, such as --sizes 1,2,3.",
  );
  refused(["-x"], "--x is not an option");
  refused(["a", "b", "c"], "3 arguments given; draw takes two folders.");
  assertThrows(
    () => readCommandLine(["word"], { ...HELP, words: undefined }),
    InputError,
    '"word" is not an option',
  );
});

Deno.test("command line: the help names options and exit codes in 80 columns", () => {
  const text = helpOf(HELP);
  for (const part of ["--seed N", "--quick", "--help", "Exit codes: 0; 1", "129, 130 or 143"]) {
    assertStringIncludes(text, part);
  }
  assert(text.split("\n").every((line) => line.length <= 80));
});
