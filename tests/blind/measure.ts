/**
 * Runs one mistake of the blind sets, and reads what the judge and the diagnosis say of it.
 *
 * @module
 */
import { InputError } from "../../mod.ts";
import { runExport, runVerify } from "../support/kit.ts";
import { compileC, exportRaw, KERNELS, runAll } from "./mistakes/kernel.ts";
import { isNumpy, runNumpy } from "./mistakes/numpy.ts";
import { runAllWgsl } from "./mistakes/wgsl.ts";

/** Verdict and diagnosis of the outputs of one mistake. */
export interface Said {
  readonly number: number;
  /** Whether no case was called wrong. */
  readonly passed: boolean;
  /** How many cases were called wrong. */
  readonly wrong: number;
  /** The names, with ` | ` where there are several. */
  readonly said: string;
  /** In how many wrong cases they hold. */
  readonly explained: string;
  /** The sentences about where the errors are, if nothing is named. */
  readonly where: readonly string[];
  readonly seconds: number;
}

/** Where cases, programs and outputs lie. */
export type BlindPaths = Readonly<Record<"cases" | "files" | "program" | "folder", string>>;

const IN_WGSL = [21, 22, 23, 24], FIRST_OF_THIRD = 33, LAST_IN_C = 100;

/** The names in what verify printed, and in how many wrong cases each holds; empty if there is none. */
export function namesIn(text: string): { readonly names: readonly string[]; readonly cases: string } {
  const line = text.split("\n").find((line) => line.startsWith("matches ")) ?? "";
  // A name may hold an apostrophe: it ends where another follows, or how close it is.
  const names = [...line.matchAll(/'(.+?)'(?=, '| or '| to )/g)].map(([, name]) => name);
  return { names, cases: line.match(/\((\d+ of \d+) wrong cases\)/)?.[1] ?? "" };
}

/** The sentences about where the errors are, in what verify printed. */
function whereIn(text: string): string[] {
  const lines = text.split("\n"), start = lines.findIndex((line) => line.startsWith("unknown:"));
  return start < 0
    ? []
    : lines.slice(start + 1).filter((line) => line.startsWith("  ")).map((line) => line.trim());
}

/**
 * Compiles the kernels, and exports the cases of a suite.
 *
 * @param folder where they go
 * @param suite the suite
 * @throws {InputError} if there is no C compiler
 */
export async function prepare(folder: string, suite: string): Promise<BlindPaths> {
  const paths = { cases: `${folder}/cases`, files: `${folder}/files`, program: `${folder}/kernel`, folder };
  for (const kernel of ["tiles", "groups"] as const) {
    const why = await compileC(KERNELS[kernel], `${paths.program}-${kernel}`);
    if (why !== null) throw new InputError(`Nothing can be measured: ${why}.`);
  }
  await exportRaw(paths.cases, suite);
  await runExport(["--out", paths.files, "--suite", suite, "--filter", "attention"]);
  return paths;
}

/** Writes the outputs of a kernel with one mistake; 0 is a right kernel. */
async function runMistake(number: number, { cases, files, program, folder }: BlindPaths): Promise<void> {
  const outputs = `${folder}/${number}`;
  if (isNumpy(number)) {
    const why = await runNumpy(number, { cases: files, outputs });
    if (why !== undefined) throw new InputError(`Nothing can be measured: python3: ${why}`);
  } else if (IN_WGSL.includes(number) || number > LAST_IN_C) await runAllWgsl(number, { cases, outputs });
  else await runAll(`${program}-${number < FIRST_OF_THIRD ? "tiles" : "groups"}`, number, { cases, outputs });
}

/** Runs the kernel with one mistake, and has it judged and diagnosed; its outputs are removed. */
export async function measure(number: number, paths: BlindPaths): Promise<Said> {
  await runMistake(number, paths);
  const outputs = `${paths.folder}/${number}`, started = performance.now();
  const stages = isNumpy(number) ? ["--stages", "attention"] : [];
  const cases = isNumpy(number) ? paths.files : paths.cases;
  const { code, text } = await runVerify([cases, "--outputs", outputs, "--diagnose", ...stages]);
  const seconds = (performance.now() - started) / 1000, { names, cases: explained } = namesIn(text);
  const wrong = text.split("\n").filter((line) => line.startsWith("WRONG")).length;
  await Deno.remove(outputs, { recursive: true });
  return {
    number,
    passed: code === 0,
    wrong,
    said: names.join(" | "),
    explained,
    where: whereIn(text),
    seconds,
  };
}
