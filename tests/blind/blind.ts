/**
 * `deno task blind`: measures the judge and the diagnosis on mistakes and on honest kernels that were written apart from
 * them. Exit code 1 if a mistake is called right, or an honest kernel wrong that is not known to be.
 *
 *   deno task blind [--only 3,17] [--suite smoke] [--write]
 *
 * @module
 */
import { InputError } from "../../mod.ts";
import { requireInput } from "../../reference/errors.ts";
import { requireName } from "../../bench/options/reader.ts";
import { runExport, runVerify } from "../support/kit.ts";
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { runAllHonest, table } from "./honest/honest.ts";
import { compileC, exportRaw, KERNELS, ROOT, runAll } from "./mistakes/kernel.ts";
import { isNumpy, numpySets, runNumpy } from "./mistakes/numpy.ts";
import { runAllWgsl } from "./mistakes/wgsl.ts";
import { type Measured, pageOf, type SetOf } from "./page.ts";

const read = async (name: string) => JSON.parse(await Deno.readTextFile(new URL(name, import.meta.url)));
const IN_WGSL = [21, 22, 23, 24], FIRST_OF_THIRD = 33;

/** Everything that is known of what diagnoses said, by number and names. */
type Heard = Readonly<Record<string, Readonly<Record<string, Measured["outcome"]>>>>;

/** The names in what verify printed, and in how many wrong cases each holds; empty if there is none. */
export function namesIn(text: string): { readonly names: readonly string[]; readonly cases: string } {
  const line = text.split("\n").find((line) => line.startsWith("matches ")) ?? "";
  const names = [...line.matchAll(/'([^']+)'/g)].map(([, name]) => name);
  return { names, cases: line.match(/\((\d+ of \d+) wrong cases\)/)?.[1] ?? "" };
}

/** Runs the kernel with one mistake, and has it judged and diagnosed. */
async function measure(
  number: number,
  heard: Heard,
  paths: Record<"cases" | "files" | "program" | "folder", string>,
) {
  const outputs = `${paths.folder}/${number}`, cases = isNumpy(number) ? paths.files : paths.cases;
  if (isNumpy(number)) {
    const why = await runNumpy(number, { cases, outputs });
    if (why !== undefined) throw new InputError(`Nothing can be measured: python3: ${why}`);
  } else if (IN_WGSL.includes(number)) await runAllWgsl(number, { cases, outputs });
  else {await runAll(`${paths.program}-${number < FIRST_OF_THIRD ? "tiles" : "groups"}`, number, {
      cases,
      outputs,
    });}
  const started = performance.now();
  const stages = isNumpy(number) ? ["--stages", "attention"] : [];
  const { code, text } = await runVerify([cases, "--outputs", outputs, "--diagnose", ...stages]);
  const seconds = (performance.now() - started) / 1000;
  const { names, cases: explained } = namesIn(text), said = names.join(" | ");
  const wrong = text.split("\n").filter((line) => line.startsWith("WRONG")).length;
  const outcome = code === 0 ? "missed" : said === "" ? "unknown" : heard[number]?.[said] ?? "unjudged";
  const one: Measured = { number, wrong, said, explained, outcome, seconds };
  console.log(
    `${number}: ${number === 0 && code === 0 ? "right" : outcome}; ${wrong} cases wrong; ${
      said || "nothing is named"
    } ${explained}`,
  );
  return one;
}

/** Measures mistakes; the outputs of the right kernel come first and have to be right. */
async function measureAll(numbers: readonly number[], suite: string, folder: string): Promise<Measured[]> {
  const paths = { cases: `${folder}/cases`, files: `${folder}/files`, program: `${folder}/kernel`, folder };
  const found: Measured[] = [];
  for (const kernel of ["tiles", "groups"] as const) {
    const why = await compileC(KERNELS[kernel], `${paths.program}-${kernel}`);
    if (why !== null) throw new InputError(`Nothing can be measured: ${why}.`);
  }
  await exportRaw(paths.cases, suite);
  await runExport(["--out", paths.files, "--suite", suite, "--filter", "attention"]);
  const heard: Heard = await read("heard.json"), right = await measure(0, heard, paths);
  if (right.outcome !== "missed") throw new Error("the kernel without a mistake is called wrong");
  for (const number of numbers) found.push(await measure(number, heard, paths));
  return found;
}

const HELP: CommandHelp = {
  name: "blind",
  usage: "[options]",
  about: ["Measures judge and diagnosis on mistakes and honest kernels that were written apart from them."],
  examples: ["deno task blind"],
  options: [
    { name: "only", value: "N,…", help: "only these mistakes, and no honest kernels" },
    { name: "suite", value: "S", help: "smoke, standard or full (smoke)" },
    { name: "write", value: "", help: "write docs/blind.md" },
  ],
  exits: "a mistake is called right, or an honest kernel wrong that is not known to be",
};

async function measureSets({ given, read: options }: CommandLine): Promise<number> {
  const sets: SetOf[] = [
    { title: "The first set", ...await read("mistakes/statements.json") },
    { title: "The second set", ...await read("mistakes/second.json") },
    { title: "The third set", ...await read("mistakes/third.json") },
    ...await numpySets(),
  ];
  const only = options.text("only", ""),
    suite = options.text("suite", "smoke"),
    all = sets.flatMap(({ mistakes }) => mistakes.map(({ number }) => number));
  const numbers = only === "" ? all : only.split(",").map(Number);
  const strange = numbers.find((number) => !all.includes(number));
  requireInput(
    strange === undefined,
    () => `--only is "${only}"; it should name mistakes from ${Math.min(...all)} to ${Math.max(...all)}.`,
  );
  requireName("suite", suite, ["smoke", "standard", "full"]);
  const folder = await Deno.makeTempDir();
  try {
    const measured = await measureAll(numbers, suite, folder);
    const missed = measured.some(({ outcome }) => outcome === "missed");
    if (only !== "") return missed ? 1 : 0;
    const honest = await runAllHonest();
    if (typeof honest === "string") throw new InputError(`Nothing can be measured: ${honest}.`);
    const known: readonly string[] = (await read("honest/known_wrong.json")).wrong;
    console.log(table(honest));
    if (given.write === true) {
      await Deno.writeTextFile(
        `${ROOT}docs/blind.md`,
        pageOf({ sets, measured, honest, suite, why: await read("why.json") }),
      );
      await new Deno.Command(Deno.execPath(), { args: ["fmt", "-q", `${ROOT}docs/blind.md`] }).output();
    }
    const news = honest.filter((one) =>
      one.verdict === "wrong" && !known.includes(`${one.kernel} on ${one.data}`)
    );
    return missed || news.length > 0 ? 1 : 0;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run: measureSets }, Deno.args));
