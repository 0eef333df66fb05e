/**
 * `deno task verify`: judges the outputs of a kernel against exported cases. Exit code 0: all right; 1: something is
 * wrong; 2: it cannot be judged.
 *
 * @module
 */
import { type Manifest, readManifest } from "../../fixtures/conformance/manifest.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { type CommandHelp, readCommandLine } from "../options/command_line.ts";
import { say } from "../text/output.ts";
import type { Command } from "./command.ts";
import { Catalogue, type Explanation } from "../../fixtures/conformance/diagnose/catalogue.ts";
import {
  explainStages,
  type StageExplanation,
  stageTable,
} from "../../fixtures/conformance/diagnose/stages.ts";
import { errorTable } from "../../fixtures/conformance/judge/error_table.ts";
import { gpuOutputs } from "../conformance/gpu_outputs.ts";
import { judgeFolder, type ReadCase, short } from "../../fixtures/conformance/judge/judge.ts";
import { junitXml } from "../conformance/junit.ts";
import { byStage, separation } from "../conformance/summary.ts";

const HELP: CommandHelp = {
  name: "verify",
  usage: "CASES --outputs FOLDER [options]",
  about: [
    "Judges outputs: FOLDER holds a file of the same name for every case, with a tensor `out` (and, if you have them, " +
    "lse, dq, dk, dv, levels).",
  ],
  options: [
    { name: "outputs", value: "FOLDER", help: "your kernel's outputs" },
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
    { name: "junit", value: "FILE", help: "results as JUnit XML" },
    { name: "json", value: "", help: "results as JSON" },
  ],
  words: [0, Infinity],
  exits: "something is wrong",
};

/** The command. */
export const command: Command = {
  help: HELP,
  async run({ args }) {
    const { code, text } = await runVerify(args);
    say(text);
    return code;
  },
};

/** What the command printed, and its exit code. */
export interface VerifyResult {
  readonly code: 0 | 1;
  readonly text: string;
}

/** The arguments, checked. */
function argumentsOf(args: readonly string[]) {
  const { words, read } = readCommandLine(args, HELP);
  requireInput(
    words.length <= 1,
    () => `Verify takes one folder of cases; \`${words[1]}\` is another word. Outputs come after --outputs.`,
  );
  return {
    folder: words[0] ?? "",
    outputs: read.text("outputs", ""),
    junit: read.text("junit", ""),
    diagnose: read.flag("diagnose"),
    json: read.flag("json"),
    gpu: read.flag("gpu"),
    halfSums: read.flag("half-sums"),
  };
}

/** Throws unless cases and outputs are two folders that exist. */
async function requireFolders(folder: string, outputs: string): Promise<void> {
  requireInput(folder !== "", "The folder of cases is missing; see --help.");
  requireInput(outputs !== "", "`--outputs` is missing; it should be the folder with your kernel's outputs.");
  const [cases, written] = await Promise.all([folder, outputs].map(realFolder));
  requireInput(
    cases !== written,
    "`--outputs` is the folder of cases itself; outputs should lie in another one.",
  );
}

/** Where a folder is. */
async function realFolder(path: string): Promise<string> {
  const { isDirectory } = await Deno.stat(path).catch(() => ({ isDirectory: false }));
  requireInput(isDirectory, () => `There is no folder ${path}.`);
  return await Deno.realPath(path);
}

/** Writes the results of all cases as JUnit XML. */
async function writeJunit(path: string, xml: string): Promise<void> {
  await Deno.writeTextFile(path, xml).catch((error) => {
    throw new InputError(`\`--junit\` is ${path}, which cannot be written: ${error.message}.`, {
      cause: error,
    });
  });
}

/** A sentence about files that belong to no case, if there are any: a name may be misspelt. */
async function strangers(folder: string, manifest: Manifest): Promise<string | undefined> {
  const known = new Set(manifest.cases.map(({ file }) => file)), others: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (/\.(json|safetensors)$/.test(name) && !known.has(name)) others.push(name);
  }
  if (others.length === 0) return undefined;
  return `${others.length} files in ${folder} belong to no case, such as ${others.toSorted()[0]}`;
}

/**
 * Runs the command.
 *
 * @throws {InputError} if it cannot be judged
 */
export async function runVerify(args: readonly string[]): Promise<VerifyResult> {
  const { folder, outputs, diagnose, json, junit, gpu, halfSums } = argumentsOf(args);
  if (gpu && outputs !== "") await Deno.mkdir(outputs, { recursive: true });
  await requireFolders(folder, outputs);
  const manifest = await readManifest(folder);
  const skipped = gpu ? await gpuOutputs(folder, outputs, manifest) : new Set<string>();
  const judged: Manifest = { ...manifest, cases: manifest.cases.filter((one) => !skipped.has(one.file)) };
  requireInput(judged.cases.length > 0, "None of the cases has a kernel here; there is nothing to judge.");
  const read = await judgeFolder(folder, outputs, {
    manifest: judged,
    halfSums: halfSums || gpu,
  });
  const verdicts = read.map(({ verdict }) => verdict);
  if (junit !== "") await writeJunit(junit, junitXml(verdicts, manifest.suite));
  const code = verdicts.every(({ problems }) => problems.length === 0) ? 0 : 1;
  const catalogue = new Catalogue();
  const diagnosis = diagnose && code === 1 ? catalogue.explain(read) : undefined;
  const stages = diagnose && code === 1 ? explainStages(read) : [];
  const when = separation(verdicts);
  if (json) {
    return {
      code,
      text: JSON.stringify(
        { suite: manifest.suite, verdicts, when, diagnosis, left: catalogue.left, stages },
        null,
        1,
      ),
    };
  }
  const lines = [...caseLines(read), "", ...byStage(verdicts)];
  if (skipped.size > 0) lines.push(`${skipped.size} cases have no kernel here and were left out`);
  const strange = await strangers(outputs, manifest);
  if (strange) lines.push(strange);
  if (when) lines.push(when);
  if (diagnose && code === 1) {
    lines.push("", ...diagnosisLines(read, diagnosis), ...catalogue.left, ...stageLines(read, stages));
  }
  return { code, text: lines.join("\n") };
}

/** A line for each case, and one for each sentence about it. */
function caseLines(read: readonly ReadCase[]): string[] {
  return read.flatMap(({ verdict: { case: name, problems, notes, budget } }) => {
    const used = Object.values(budget).filter(Number.isFinite);
    const share = used.length === 0 ? "" : `  ${Math.round(100 * Math.max(...used))} %`;
    const head = problems.length === 0 ? `right  ${name}${share}` : `WRONG  ${name}`;
    return [
      head,
      ...problems.map((text) => `       ${text}`),
      ...notes.map((text) => `       note: ${text}`),
    ];
  });
}

/** Where the first wrong case of attention is wrong, and why. */
function diagnosisLines(read: readonly ReadCase[], found: ReturnType<Catalogue["explain"]>): string[] {
  const wrong = read.find((one) =>
    one.verdict.problems.length > 0 && isOf(one, "attention") && errorTable(one).length > 0
  );
  if (wrong === undefined) return [];
  const where = [`relative error in ${wrong.listed.case}`, ...errorTable(wrong).map((row) => `  ${row}`)];
  return [
    ...where,
    found ? sentence(found) : "unknown: no mistake of the catalogue, nor a pair, gives these outputs",
  ];
}

/** The same for gradients and single stages. */
function stageLines(read: readonly ReadCase[], found: readonly StageExplanation[]): string[] {
  const stages = new Set(read.map(({ listed }) => listed.case.split(" ")[0]));
  return [...stages].filter((stage) => stage !== "attention").flatMap((stage) => {
    const wrong = read.find((one) =>
      one.verdict.problems.length > 0 && isOf(one, stage) && stageTable(one).length > 0
    );
    if (wrong === undefined) return [];
    const why = found.find((one) => one.stage === stage);
    return [
      "",
      `errors in ${wrong.listed.case}`,
      ...stageTable(wrong).map((row) => `  ${row}`),
      why ? sentence(why) : `unknown: no mistake in the stage ${stage} of the catalogue gives these outputs`,
    ];
  });
}

/** Whether a case is one of a stage. */
function isOf({ listed }: ReadCase, stage: string): boolean {
  return listed.case.startsWith(`${stage} `);
}

/** What explains outputs, in a line. */
function sentence({ names, distance, sections, explained, failing }: Explanation): string {
  const all = names.map((name) => `'${name}'`).join(" or ");
  const others = failing - explained;
  const rest = others === 0 ? "" : `; of the other ${others} the cause is unknown`;
  return `matches ${all} to ${short(distance)}; docs/definition.md#${
    sections.replaceAll(", ", " #")
  } (${explained} of ${failing} wrong cases)${rest}`;
}
