/**
 * `deno task compare`: what changed between two sweeps beyond noise, as Markdown.
 *
 * Exit codes: 0; 1 if a limit of `--fail-on` is passed; 2 for bad input.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { changesOf, failures, type Limit, parseLimits, toMarkdown } from "../sweep/changes.ts";
import { parseArgs } from "../std/std.ts";
import { readRun } from "../sweep/write.ts";

const HELP = `deno task compare BEFORE AFTER [--fail-on "rel_l2>1.05x,gpu_ms_median>1.1x"]

Joins the rows of two runs of deno task sweep by their case, and prints as Markdown what changed
beyond noise. --fail-on: columns and how many times larger they may become; exit code 1 if one is.`;

async function main(args: readonly string[]): Promise<number> {
  const { _: folders, help, ...given } = parseArgs(args, {
    string: ["fail-on"],
    boolean: ["help"],
    unknown: refuse,
  });
  if (help === true) {
    console.log(HELP);
    return 0;
  }
  requireInput(
    folders.length === 2,
    `${folders.length} folders were given; compare needs two, BEFORE and AFTER.`,
  );
  const limits: Limit[] = given["fail-on"] === undefined ? [] : parseLimits(String(given["fail-on"]));
  const [before, after] = await Promise.all(folders.map((folder) => readRun(String(folder))));
  const changes = changesOf(before.rows, after.rows, limits);
  console.log(toMarkdown(changes));
  return failures(changes).length > 0 ? 1 : 0;
}

function refuse(arg: string): boolean {
  if (!arg.startsWith("-")) return true;
  throw new InputError(`${arg} is no option of compare; it has --fail-on and --help.`);
}

if (import.meta.main) await runCommand(() => main(Deno.args));
