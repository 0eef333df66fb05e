/**
 * `deno task verify`: judges the outputs of a kernel against exported cases. Exit code 0: all right; 1: something is
 * wrong; 2: it cannot be judged.
 *
 * @module
 */
import { verifyCases, type VerifyRequest } from "../conformance/verify.ts";
import { BACKEND, deviceChoice, UNGUARDED } from "../options/device.ts";
import type { CommandHelp, CommandLine } from "../options/command_line.ts";
import { readShard } from "../sweep/options/options.ts";
import { requireInput } from "../../reference/errors.ts";
import { say, write } from "../text/output.ts";
import { withProgress } from "../text/progress.ts";
import type { Command } from "./command.ts";

const HELP: CommandHelp = {
  name: "verify",
  usage: "CASES --outputs FOLDER [options], or --capture PATH [options]",
  about: [
    "Judges outputs: FOLDER holds a file of the same name for every case, with a tensor `out` (and, if you have them, " +
    "lse, dq, dk, dv, levels).",
  ],
  examples: [
    "deno task verify cases --outputs outputs --diagnose",
    "deno task verify --capture fixtures/data/released --diagnose",
  ],
  options: [
    { name: "outputs", value: "FOLDER", help: "your kernel's outputs" },
    {
      name: "capture",
      value: "PATH",
      help: "judge a capture, or a folder of them, instead of exported cases",
    },
    {
      name: "rows",
      value: "N|all",
      help: "of captures: rows of each query block that are judged (all up to 2^28 pairs of tokens, else 2)",
    },
    { name: "require", value: "NAME", help: 'the loosest arithmetic that is right, such as "P in f16"' },
    { name: "stages", value: "LIST", help: "judge these stages only, such as attention" },
    { name: "diagnose", value: "", help: "where outputs are wrong, and which mistake gives the same" },
    {
      name: "half-sums",
      value: "",
      help: "sums of up to 64 terms in half precision are right (wider bounds)",
    },
    {
      name: "gpu",
      value: "",
      help: "judge this project's own kernels: outputs are written to FOLDER first",
    },
    BACKEND,
    UNGUARDED,
    {
      name: "shard",
      value: "I/N",
      help: "only part I of N of the cases, so that processes share the work",
    },
    { name: "junit", value: "FILE", help: "results as JUnit XML" },
    { name: "json", value: "", help: "results as JSON, one object per line" },
  ],
  words: [0, Infinity],
  exits: "something is wrong",
};

/** The command. */
export const command: Command = {
  help: HELP,
  async run(line) {
    const { code, text } = await withProgress((onProgress) =>
      verifyCases({ ...verifyRequest(line), onProgress, onText: sayAbove })
    );
    if (text !== "") say(text);
    return code;
  },
};

/** Prints a text where a bar may stand on the same terminal. */
function sayAbove(text: string): void {
  if (Deno.stderr.isTerminal()) write("\r\x1b[K", "stderr");
  say(text);
}

/**
 * The request of a command line.
 *
 * @throws {InputError} if an argument is wrong
 *
 * @example
 * ```ts
 * import { readCommandLine } from "../options/command_line.ts";
 * import { command, verifyRequest } from "./verify.ts";
 * console.log(verifyRequest(readCommandLine(["cases", "--diagnose"], command.help)).diagnose); // true
 * ```
 */
export function verifyRequest({ words, read }: Pick<CommandLine, "words" | "read">): VerifyRequest {
  requireInput(
    words.length <= 1,
    () => `Verify takes one folder of cases; \`${words[1]}\` is one too many. Outputs come after --outputs.`,
  );
  const stages = read.text("stages", "").split(",").filter((stage) => stage !== "");
  const rows = read.text("rows", "");
  requireInput(
    rows === "" || rows === "all" || /^[1-9]\d{0,5}$/.test(rows),
    () => `\`--rows\` is ${rows}; it should be all, or how many rows of each query block.`,
  );
  return {
    ...(rows === "" ? {} : { rows: rows === "all" ? rows : Number(rows) }),
    capture: read.text("capture", ""),
    require: read.text("require", "") || undefined,
    stages,
    folder: words[0] ?? "",
    outputs: read.text("outputs", ""),
    junit: read.text("junit", ""),
    diagnose: read.flag("diagnose"),
    json: read.flag("json"),
    gpu: read.flag("gpu"),
    device: deviceChoice(read),
    shard: readShard(read.text("shard", "1/1")),
    halfSums: read.flag("half-sums"),
  };
}
