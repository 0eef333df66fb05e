/**
 * Judges the outputs of a kernel against exported cases, or captures, for `deno task verify`.
 *
 * @module
 */
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
import { type Manifest, readManifest } from "../../fixtures/conformance/manifest.ts";
import { requireInput } from "../../reference/errors.ts";
import type { DeviceChoice } from "../options/device.ts";
import type { Shard } from "../sweep/options/options.ts";
import { plural } from "../text/number.ts";
import { jsonLine } from "../text/output.ts";
import type { OnProgress } from "../text/progress.ts";
import { codeOf, runCaptures } from "./captures.ts";
import { gpuOutputs } from "./gpu_outputs.ts";
import { type Reported, reported } from "./junit.ts";
import { byStage, separation } from "./summary.ts";
import { caseLines, diagnosisLines, stageLines } from "./verify_text.ts";

/** The text and the exit code of the command. */
export interface VerifyResult {
  readonly code: 0 | 1 | 2;
  readonly text: string;
}

/** A request; parts that are left out are empty, or no. */
export interface VerifyRequest {
  /** The folder of exported cases. */
  readonly folder?: string;
  /** The folder of outputs. */
  readonly outputs?: string;
  /** A capture, or a folder of them, instead of both. */
  readonly capture?: string;
  /** Of captures: the rows of each query block that are judged, or all; default all of small captures, and 2 of large ones. */
  readonly rows?: number | "all";
  /** The loosest arithmetic that is right. */
  readonly require?: string;
  /** The stages that are judged; none: all. */
  readonly stages?: readonly string[];
  /** The part of the cases that is judged; default all of them. */
  readonly shard?: Shard;
  readonly diagnose?: boolean;
  readonly halfSums?: boolean;
  readonly json?: boolean;
  /** The file for JUnit XML. */
  readonly junit?: string;
  /** Whether our own kernels write the outputs first. */
  readonly gpu?: boolean;
  /** The device they run on. */
  readonly device?: DeviceChoice;
  /** Receives the progress of judging; default none. */
  readonly onProgress?: OnProgress;
  /** Of captures: receives the text about each as soon as it is judged; default: all of it is returned. */
  readonly onText?: (text: string) => void;
}

/** Everything that was not asked for. */
const NOTHING = {
  ...{ folder: "", outputs: "", capture: "", stages: [], junit: "" },
  ...{ diagnose: false, halfSums: false, json: false, gpu: false },
  device: { backend: "builtin", robust: true },
  shard: { index: 1, count: 1 },
  onProgress: () => {},
} as const;

/** Throws if options contradict each other. */
function requireRequest(
  { capture = "", folder = "", outputs = "", gpu, device, stages = [], rows, shard }: VerifyRequest,
): void {
  const unknown = stages.find((stage) => !(STAGES as readonly string[]).includes(stage));
  requireInput(
    unknown === undefined,
    () => `\`--stages\` names ${unknown}; it should name some of ${STAGES.join(", ")}.`,
  );
  requireInput(
    capture === "" || folder === "" && outputs === "" && gpu !== true,
    "`--capture` holds inputs and outputs itself; it goes without CASES, --outputs and --gpu.",
  );
  requireInput(
    gpu === true || device === undefined || device.backend === "builtin" && device.robust,
    "`--backend` and `--unguarded` choose where this project's own kernels run; they go with --gpu.",
  );
  requireInput(
    capture !== "" || rows === undefined,
    "`--rows` is for captures; of exported cases all rows are judged.",
  );
  requireInput(
    capture === "" || stages.length === 0,
    "`--stages` is for exported cases; of captures all outputs that they hold are judged.",
  );
  requireInput(
    capture === "" || shard === undefined || shard.count === 1,
    "`--shard` is for exported cases; captures are judged one by one: name a folder with some of them.",
  );
}

/** Throws unless cases and outputs are two folders that exist. */
async function requireFolders(folder: string, outputs: string): Promise<void> {
  requireInput(folder !== "", "The folder of cases is missing; see --help.");
  requireInput(outputs !== "", "`--outputs` is missing; it should be the folder with your kernel's outputs.");
  const [cases, written] = await Promise.all([folder, outputs].map(realFolder));
  requireInput(
    cases !== written,
    "`--outputs` is the folder of cases itself; outputs should be in another one.",
  );
}

/** Where a folder is. */
async function realFolder(path: string): Promise<string> {
  const { isDirectory } = await Deno.stat(path).catch(() => ({ isDirectory: false }));
  requireInput(isDirectory, () => `There is no folder ${path}.`);
  return await Deno.realPath(path);
}

/** A sentence about files that belong to no case: a name may be misspelt. */
async function strangers(folder: string, manifest: Manifest): Promise<string | undefined> {
  const known = new Set(manifest.cases.map(({ file }) => file)), others: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (/\.(json|safetensors)$/.test(name) && name !== DECLARES && !known.has(name)) others.push(name);
  }
  if (others.length === 0) return undefined;
  const count = plural(others.length, "file"), belong = others.length === 1 ? "belongs" : "belong";
  return `${count} in ${folder} ${belong} to no case, such as ${others.toSorted()[0]}`;
}

/** The requested cases without declared ones, and the reasons for leaving others out. */
async function asked(
  { outputs, stages, shard: { index, count } }: Required<
    Pick<VerifyRequest, "outputs" | "stages" | "shard">
  >,
  manifest: Manifest,
) {
  const declared = await readDeclaration(outputs), left: LeftOut[] = [];
  let place = 0; // of a case among those of all parts
  const cases = manifest.cases.filter((one) => {
    const stage = one.case.split(" ")[0];
    const why = stages.length > 0 && !stages.includes(stage)
      ? { what: `stage ${stage}`, why: "it was not asked for" }
      : declaresNothing(declared)
      ? undefined
      : leftOut(one.case, declared);
    const isElsewhere = why === undefined && place++ % count !== index - 1;
    if (why !== undefined) left.push(why);
    if (isElsewhere) left.push({ what: "other parts", why: `part ${index} of ${count} was asked for` });
    return why === undefined && !isElsewhere;
  });
  return { cases, left };
}

/** Folders, cases and the reasons for leaving others out. */
interface Judging {
  readonly given:
    & Required<Omit<VerifyRequest, "require" | "rows" | "onText">>
    & Pick<VerifyRequest, "require">;
  readonly manifest: Manifest;
  /** The cases that are judged. */
  readonly judged: Manifest["cases"];
  readonly left: readonly LeftOut[];
  /** How many cases have no kernel of this project. */
  readonly skipped: number;
}

/** Finds the cases to judge; with `--gpu`, our own kernels write their outputs here. */
async function prepare(given: Judging["given"]): Promise<Judging> {
  const { folder, outputs, gpu, device } = given;
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
  return { given, manifest, judged, left, skipped: skipped.size };
}

/** The mistakes that explain wrong outputs. */
function explain(read: readonly ReadCase[], wanted: boolean) {
  const catalogue = new Catalogue();
  if (!wanted) return { wanted, catalogue, attention: undefined, stages: [] };
  return { wanted, catalogue, attention: catalogue.explain(read), stages: explainStages(read) };
}

type Explained = ReturnType<typeof explain>;

/** One line of JSON per case. */
function jsonText(read: readonly ReadCase[], { attention, stages }: Explained): string {
  return read.map((one) => {
    const stage = one.listed.case.split(" ")[0], wrong = one.verdict.problems.length > 0;
    const found = stage === "attention" ? attention : stages.find((other) => other.stage === stage);
    return jsonLine(reportOf(one, { names: wrong ? named(found) : [] }));
  }).join("\n");
}

/** The lines for people. */
async function textLines(
  read: readonly ReadCase[],
  { given, manifest, judged, left, skipped }: Judging,
  { wanted, catalogue, attention, stages }: Explained,
): Promise<string[]> {
  const verdicts = read.map(({ verdict }) => verdict);
  const lines = [...caseLines(read), "", ...byStage(verdicts)];
  if (skipped > 0) lines.push(`${skipped} cases have no kernel here and were left out`);
  if (left.length > 0) {
    const names = new Set(judged.map((one) => one.case));
    lines.push(...leftOutLines(left), "judged, by option:");
    lines.push(...coverageLines(manifest.cases.map((one) => one.case), names));
  }
  const strange = await strangers(given.outputs, manifest), when = separation(verdicts);
  if (strange) lines.push(strange);
  if (when) lines.push(when);
  if (!wanted) return lines;
  return [
    ...[...lines, "", ...diagnosisLines(read, attention, catalogue)],
    ...[...catalogue.left, ...stageLines(read, stages)],
  ];
}

/**
 * Judges outputs against exported cases, or captures.
 *
 * @param request the request
 * @returns the exit code and the printed text
 * @throws {InputError} if it cannot be judged
 *
 * @example
 * ```ts
 * import { verifyCases } from "./verify.ts";
 * try {
 *   await verifyCases({ folder: "no-such-folder", outputs: "." });
 * } catch (error) {
 *   console.log((error as Error).message); // There is no folder no-such-folder.
 * }
 * ```
 */
export async function verifyCases(request: VerifyRequest): Promise<VerifyResult> {
  requireRequest(request);
  const given = { ...NOTHING, ...request };
  if (given.capture !== "") return await runCaptures(given);
  return await reported(given.junit, () => judgeCases(given));
}

/** Judges outputs against exported cases. */
async function judgeCases(given: Judging["given"]): Promise<Reported<VerifyResult>> {
  const judging = await prepare(given), { folder, outputs } = given, { suite } = judging.manifest;
  const read = await judgeFolder(folder, outputs, {
    manifest: { ...judging.manifest, cases: judging.judged },
    finish: (one: ReadCase) => climb(one, given),
    onCase: (place, name) => given.onProgress(place / judging.judged.length, name),
    halfSums: given.halfSums || given.gpu,
  });
  const verdicts = read.map(({ verdict }) => verdict), code = codeOf(verdicts);
  if (given.diagnose && code === 1) {
    given.onProgress(1, "looking for the mistake that gives the same outputs");
  }
  const explained = explain(read, given.diagnose && code === 1);
  const text = given.json
    ? jsonText(read, explained)
    : (await textLines(read, judging, explained)).join("\n");
  return { verdicts, suite, result: { code, text } };
}
