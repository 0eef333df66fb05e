/**
 * `deno task export`: writes the cases of a suite, and their truth, for kernels outside this project.
 *
 * @module
 */
import { exportCases, type Format } from "../../fixtures/conformance/manifest.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { type Case, caseName, matchesFilter, parseCase } from "../../fixtures/cases.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { type CommandHelp, type CommandLine, readCommandLine } from "../options/command_line.ts";
import { OptionReader, requireName } from "../options/reader.ts";
import { plural, showFixed } from "../text/number.ts";
import { say } from "../text/output.ts";
import type { Command } from "./command.ts";

const HELP: CommandHelp = {
  name: "export",
  usage: "--out FOLDER [options]",
  about: ["Writes one file a case, with inputs and truth, and manifest.json."],
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
    { name: "format", value: "F", help: "safetensors or raw (safetensors)" },
    { name: "seed", value: "N", help: "another seed gives other numbers (0)" },
  ],
};

/** The command. */
export const command: Command = { help: HELP, run: async (line) => say(await exportOf(line)) };

/** What may be asked for, by the names of the options. */
export interface ExportRequest {
  /** The folder to write to. */
  readonly out: string;
  readonly suite?: string;
  readonly dtype?: "f32" | "f16" | "bf16";
  readonly filter?: string;
  readonly format?: Format;
  readonly seed?: number;
}

/**
 * Writes cases.
 *
 * @returns what the command prints
 * @throws {InputError} if a value is wrong
 */
export function exportSuite(request: ExportRequest): Promise<string> {
  return exportOf({ read: new OptionReader({ ...request }) });
}

/**
 * Writes the cases that a command line asks for.
 *
 * @returns what the command prints
 * @throws {InputError} if an argument is wrong
 */
export async function runExport(args: readonly string[]): Promise<string> {
  return await exportOf(readCommandLine(args, HELP));
}

async function exportOf({ read }: Pick<CommandLine, "read">): Promise<string> {
  const out = read.text("out", ""), suite = read.text("suite", "smoke"), seed = read.whole("seed", 0);
  requireInput(out !== "", "`--out` is missing; it should be the folder to write to.");
  const filter = read.text("filter", "");
  const dtype = requireName("dtype", read.text("dtype", "f32"), ["f32", "f16", "bf16"]);
  const format: Format = requireName("format", read.text("format", "safetensors"), ["safetensors", "raw"]);
  const line = read.text("case", "");
  const cases = line === ""
    ? suiteCases(suite, { dtype, seed }).filter((c) => matchesFilter(c, filter))
    : [ofLine(line, dtype)];
  requireInput(cases.length > 0, () => `\`--filter\` "${filter}" matches no case of ${suite}.`);
  await Deno.mkdir(out, { recursive: true }).catch((error) => {
    throw new InputError(`\`--out\` is ${out}, which cannot be a folder: ${error.message}.`, {
      cause: error,
    });
  });
  const started = performance.now();
  const { bytes } = await exportCases(out, cases, { suite: line === "" ? suite : "one case", seed, format });
  const seconds = (performance.now() - started) / 1000;
  return `${plural(cases.length, "case")}, ${showFixed(bytes / 1e6, 1)} MB, ${
    showFixed(seconds, 1)
  } s: ${out}`;
}

/** A case from its line; the element type is that of the line, or else the one that is asked for. */
function ofLine(line: string, dtype: "f32" | "f16" | "bf16"): Case {
  const given = parseCase(line);
  requireInput(
    !["psa", "pyramid"].includes(given.stage),
    () =>
      `\`--case\` is a case of the stage ${given.stage}; it should be of a stage that suites hold, such as attention.`,
  );
  return parseCase(caseName({ dtype, ...given }));
}
