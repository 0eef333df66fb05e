/**
 * `deno task export`: writes the cases of a suite, and their truth, for kernels outside this project.
 *
 * @module
 */
import { caseName } from "../../fixtures/cases.ts";
import { requireInput } from "../../reference/errors.ts";
import { type ExportRequest, exportSuite } from "../conformance/export.ts";
import type { CommandHelp, CommandLine } from "../options/command_line.ts";
import { modelCase } from "../conformance/model_case.ts";
import { GRID, HEADS, MODELS, PRESET } from "../options/model.ts";
import { requireName } from "../options/reader.ts";
import { say } from "../text/output.ts";
import { withProgress } from "../text/progress.ts";
import type { Command } from "./command.ts";

const DTYPES = ["f32", "f16", "bf16"] as const, FORMATS = ["safetensors", "raw"] as const;

const HELP: CommandHelp = {
  name: "export",
  usage: "--out FOLDER [options]",
  about: ["Writes one file per case, with inputs and truth, and manifest.json."],
  examples: [
    "deno task export --out cases --filter attention",
    "deno task export --out cases --suite standard --dtype f16",
  ],
  options: [
    { name: "out", value: "FOLDER", help: "the folder to write to" },
    { name: "suite", value: "S", help: "smoke, standard or full (smoke)" },
    { name: "dtype", value: "T", help: "f32, f16 or bf16 (f32)" },
    { name: "filter", value: "TEXT", help: 'only cases that match, such as "attention bn=64"' },
    {
      name: "case",
      value: "LINE",
      help: 'this case alone, such as "attention B=1 H=1 Lq=64 Lk=128 D=32 bm=64 bn=32 levels=1,8"',
    },
    { ...PRESET, help: `one call with the levels of a released model: ${MODELS.join(", ")}` },
    { ...HEADS, help: "query heads of the model (all)" },
    GRID,
    { name: "format", value: "F", help: "safetensors or raw (safetensors)" },
    { name: "seed", value: "N", help: "seed of the numbers (0)" },
  ],
};

/**
 * The request of a command line.
 *
 * @throws {InputError} if an argument is wrong
 *
 * @example
 * ```ts
 * import { readCommandLine } from "../options/command_line.ts";
 * import { command, exportRequest } from "./export.ts";
 * console.log(exportRequest(readCommandLine(["--out", "cases"], command.help)).suite); // smoke
 * ```
 */
export function exportRequest({ read }: Pick<CommandLine, "read">): ExportRequest {
  const out = read.text("out", "");
  requireInput(out !== "", "`--out` is missing; it should be the folder to write to.");
  const dtype = requireName("dtype", read.text("dtype", "f32"), DTYPES), model = modelCase(read, dtype);
  return {
    out,
    suite: read.text("suite", "smoke"),
    dtype,
    filter: read.text("filter", ""),
    line: model === null ? read.text("case", "") : caseName(model),
    format: requireName("format", read.text("format", "safetensors"), FORMATS),
    seed: read.whole("seed", 0),
  };
}

/** The command. */
export const command: Command = {
  help: HELP,
  run: async (line) =>
    say(await withProgress((onProgress) => exportSuite({ ...exportRequest(line), onProgress }))),
};
