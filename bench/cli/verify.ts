/**
 * `deno task verify`: judges the outputs of a kernel against exported cases. Exit code 0: all right; 1: something is
 * wrong; 2: it cannot be judged.
 *
 * @module
 */
import { type Manifest, readManifest } from "../../fixtures/conformance/manifest.ts";
import { requireInput } from "../../reference/errors.ts";
import { type CommandHelp, type CommandLine, readCommandLine } from "../options/command_line.ts";
import { BACKEND, type DeviceChoice, deviceChoice, UNGUARDED } from "../options/device.ts";
import { jsonLine, say } from "../text/output.ts";
import type { Command } from "./command.ts";
import { STAGES } from "../../fixtures/cases.ts";
import { named } from "../../fixtures/conformance/captures/judge.ts";
import {
  coverageLines,
  DECLARES,
  declaresNothing,
  type LeftOut,
  leftOut,
  leftOutLines,
  readDeclaration,
} from "../../fixtures/conformance/declares.ts";
import { Catalogue } from "../../fixtures/conformance/diagnose/catalogue.ts";
import { explainStages } from "../../fixtures/conformance/diagnose/stages.ts";
import { climb } from "../../fixtures/conformance/judge/climb.ts";
import { judgeFolder, type ReadCase } from "../../fixtures/conformance/judge/judge.ts";
import { reportOf } from "../../fixtures/conformance/judge/report.ts";
import { codeOf, runCaptures } from "../conformance/captures.ts";
import { gpuOutputs } from "../conformance/gpu_outputs.ts";
import { junitXml, writeJunit } from "../conformance/junit.ts";
import { byStage, separation } from "../conformance/summary.ts";
import { caseLines, diagnosisLines, stageLines } from "../conformance/verify_text.ts";

const HELP: CommandHelp = {
  name: "verify",
  usage: "CASES --outputs FOLDER [options], or --capture PATH [options]",
  about: [
    "Judges outputs: FOLDER holds a file of the same name for every case, with a tensor `out` (and, if you have them, " +
    "lse, dq, dk, dv, levels).",
  ],
  options: [
    { name: "outputs", value: "FOLDER", help: "your kernel's outputs" },
    {
      name: "capture",
      value: "PATH",
      help: "judge a capture, or a folder of them, instead of exported cases",
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
    { name: "junit", value: "FILE", help: "results as JUnit XML" },
    { name: "json", value: "", help: "results as JSON, one object a line" },
  ],
  words: [0, Infinity],
  exits: "something is wrong",
};

/** The command. */
export const command: Command = {
  help: HELP,
  async run(line) {
    const { code, text } = await verifyCases(requestOf(line));
    say(text);
    return code;
  },
};

/** What the command printed, and its exit code. */
export interface VerifyResult {
  readonly code: 0 | 1 | 2;
  readonly text: string;
}

/** What may be asked for; what is left out is empty, or no. */
export interface VerifyRequest {
  /** The folder of exported cases. */
  readonly folder?: string;
  /** The folder of outputs. */
  readonly outputs?: string;
  /** A capture, or a folder of them, instead of both. */
  readonly capture?: string;
  /** The loosest arithmetic that is right. */
  readonly require?: string;
  /** The stages that are judged; none: all. */
  readonly stages?: readonly string[];
  readonly diagnose?: boolean;
  readonly halfSums?: boolean;
  readonly json?: boolean;
  /** The file for JUnit XML. */
  readonly junit?: string;
  /** Whether our own kernels write the outputs first. */
  readonly gpu?: boolean;
  /** The device they run on. */
  readonly device?: DeviceChoice;
}

/** Everything that was not asked for. */
const NOTHING = {
  ...{ folder: "", outputs: "", capture: "", stages: [], junit: "" },
  ...{ diagnose: false, halfSums: false, json: false, gpu: false },
  device: { backend: "builtin", robust: true },
} as const;

/** What a command line asks for. */
function requestOf({ words, read }: Pick<CommandLine, "words" | "read">): VerifyRequest {
  requireInput(
    words.length <= 1,
    () => `Verify takes one folder of cases; \`${words[1]}\` is another word. Outputs come after --outputs.`,
  );
  const stages = read.text("stages", "").split(",").filter((stage) => stage !== "");
  return {
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
    halfSums: read.flag("half-sums"),
  };
}

/** Throws unless what is asked for goes together. */
function requireRequest({ capture = "", folder = "", outputs = "", gpu, stages = [] }: VerifyRequest): void {
  const unknown = stages.find((stage) => !(STAGES as readonly string[]).includes(stage));
  requireInput(
    unknown === undefined,
    () => `\`--stages\` names ${unknown}; it should name some of ${STAGES.join(", ")}.`,
  );
  requireInput(
    capture === "" || folder === "" && outputs === "" && gpu !== true,
    "`--capture` holds inputs and outputs itself; it goes without CASES, --outputs and --gpu.",
  );
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

/** A sentence about files that belong to no case, if there are any: a name may be misspelt. */
async function strangers(folder: string, manifest: Manifest): Promise<string | undefined> {
  const known = new Set(manifest.cases.map(({ file }) => file)), others: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (/\.(json|safetensors)$/.test(name) && name !== DECLARES && !known.has(name)) others.push(name);
  }
  if (others.length === 0) return undefined;
  return `${others.length} files in ${folder} belong to no case, such as ${others.toSorted()[0]}`;
}

/** The cases that are asked for and not declared, and why others are left out. */
async function asked(
  { outputs, stages }: Required<Pick<VerifyRequest, "outputs" | "stages">>,
  manifest: Manifest,
) {
  const declared = await readDeclaration(outputs), left: LeftOut[] = [];
  const cases = manifest.cases.filter((one) => {
    const stage = one.case.split(" ")[0];
    const why = stages.length > 0 && !stages.includes(stage)
      ? { what: `stage ${stage}`, why: "it was not asked for" }
      : declaresNothing(declared)
      ? undefined
      : leftOut(one.case, declared);
    if (why !== undefined) left.push(why);
    return why === undefined;
  });
  return { cases, left };
}

/**
 * Judges what a command line asks for.
 *
 * @throws {InputError} if it cannot be judged
 */
export async function runVerify(args: readonly string[]): Promise<VerifyResult> {
  return await verifyCases(requestOf(readCommandLine(args, HELP)));
}

/**
 * Judges outputs against exported cases, or captures.
 *
 * @throws {InputError} if they cannot be judged
 */
export async function verifyCases(request: VerifyRequest): Promise<VerifyResult> {
  requireRequest(request);
  const given = { ...NOTHING, ...request },
    { folder, outputs, diagnose, json, junit, gpu, halfSums, device } = given;
  if (given.capture !== "") return await runCaptures(given);
  if (gpu && outputs !== "") await Deno.mkdir(outputs, { recursive: true });
  await requireFolders(folder, outputs);
  const manifest = await readManifest(folder), { cases, left } = await asked(given, manifest);
  const skipped = gpu
    ? await gpuOutputs(folder, outputs, { manifest: { ...manifest, cases }, device })
    : new Set<string>();
  const judged = cases.filter((one) => !skipped.has(one.file));
  requireInput(
    judged.length > 0,
    () => ["There is nothing to judge: no case is left", ...leftOutLines(left).slice(0, 1)].join("; ") + ".",
  );
  const options = { halfSums: halfSums || gpu };
  const finish = (one: ReadCase) => climb(one, given);
  const read = await judgeFolder(folder, outputs, {
    manifest: { ...manifest, cases: judged },
    finish,
    ...options,
  });
  const verdicts = read.map(({ verdict }) => verdict), code = codeOf(verdicts);
  if (junit !== "") await writeJunit(junit, junitXml(verdicts, manifest.suite));
  const catalogue = new Catalogue();
  const diagnosis = diagnose && code === 1 ? catalogue.explain(read) : undefined;
  const stages = diagnose && code === 1 ? explainStages(read) : [];
  if (json) {
    const lines = read.map((one) => {
      const stage = one.listed.case.split(" ")[0], wrong = one.verdict.problems.length > 0;
      const found = stage === "attention" ? diagnosis : stages.find((other) => other.stage === stage);
      return jsonLine(reportOf(one, { names: wrong ? named(found) : [] }));
    });
    return { code, text: lines.join("\n") };
  }
  const lines = [...caseLines(read), "", ...byStage(verdicts)];
  if (skipped.size > 0) lines.push(`${skipped.size} cases have no kernel here and were left out`);
  if (left.length > 0) {
    lines.push(...leftOutLines(left), "judged, by option:");
    lines.push(
      ...coverageLines(manifest.cases.map((one) => one.case), new Set(judged.map((one) => one.case))),
    );
  }
  const strange = await strangers(outputs, manifest), when = separation(verdicts);
  if (strange) lines.push(strange);
  if (when) lines.push(when);
  if (diagnose && code === 1) {
    lines.push(
      "",
      ...diagnosisLines(read, diagnosis, catalogue),
      ...catalogue.left,
      ...stageLines(read, stages),
    );
  }
  return { code, text: lines.join("\n") };
}
