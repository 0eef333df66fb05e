/**
 * `deno task export`: writes the cases of a suite, and their truth, for kernels outside this project.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { exportCases, type Format } from "../../fixtures/conformance/manifest.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { matchesFilter } from "../../fixtures/cases.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { parseArgs } from "../std/std.ts";

const HELP = `deno task export --out FOLDER [options]

Writes one file a case, with inputs and truth, and manifest.json.

  --suite S      smoke, standard or full (smoke)
  --dtype T      f32, f16 or bf16 (f32)
  --filter "…"   only cases that match, such as "attention bn=64"
  --format F     safetensors or raw (safetensors)
  --seed N       another seed gives other numbers (0)`;

const VALUES = { out: "", suite: "smoke", dtype: "f32", filter: "", format: "safetensors", seed: "0" };

/** One word of a list, or an error that names the list. */
function oneOf<Word extends string>(name: string, value: unknown, words: readonly Word[]): Word {
  const found = words.find((word) => word === value);
  if (found === undefined) {
    throw new InputError(`\`--${name}\` is "${value}"; it should be one of ${words.join(", ")}.`);
  }
  return found;
}

/**
 * Runs the command.
 *
 * @returns what it prints
 * @throws {InputError} if an argument is wrong
 */
export async function runExport(args: readonly string[]): Promise<string> {
  const parsed = parseArgs(args, {
    string: Object.keys(VALUES),
    boolean: ["help"],
    default: VALUES,
    unknown: (arg) => {
      throw new InputError(`Export has no option \`${arg}\`; see --help.`);
    },
  });
  if (parsed.help) return HELP;
  const out = String(parsed.out), seed = Number(parsed.seed), suite = String(parsed.suite);
  requireInput(out !== "", "`--out` is missing; it should be the folder to write to.");
  requireInput(
    Number.isSafeInteger(seed) && seed >= 0,
    () => `\`--seed\` is ${parsed.seed}; it should be a whole number.`,
  );
  const dtype = oneOf("dtype", parsed.dtype, ["f32", "f16", "bf16"]);
  const format: Format = oneOf("format", parsed.format, ["safetensors", "raw"]);
  const cases = suiteCases(suite, { dtype, seed }).filter((c) => matchesFilter(c, String(parsed.filter)));
  requireInput(cases.length > 0, () => `\`--filter\` "${parsed.filter}" matches no case of ${suite}.`);
  await Deno.mkdir(out, { recursive: true }).catch((error) => {
    throw new InputError(`\`--out\` is ${out}, which cannot be a folder: ${error.message}.`, {
      cause: error,
    });
  });
  const started = performance.now();
  const { bytes } = await exportCases(out, cases, { suite, seed, format });
  const seconds = (performance.now() - started) / 1000;
  return `${cases.length} cases, ${(bytes / 1e6).toFixed(1)} MB, ${seconds.toFixed(1)} s: ${out}`;
}

if (import.meta.main) await runCommand(async () => console.log(await runExport(Deno.args)));
