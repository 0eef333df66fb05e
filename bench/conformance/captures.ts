/**
 * `verify --capture`: judges captures of a running program, one file or all of a folder.
 *
 * @module
 */
import { FOLDER_FACTS, isBeside } from "../../fixtures/conformance/captures/beside.ts";
import { judgedFile } from "../../fixtures/conformance/captures/file.ts";
import { emptyVerdict, type Verdict } from "../../fixtures/conformance/judge/verdict.ts";
import type { Report } from "../../fixtures/conformance/judge/report.ts";
import { basename } from "../../fixtures/paths.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { jsonLine } from "../text/output.ts";
import type { OnProgress } from "../text/progress.ts";
import { type Reported, reported } from "./junit.ts";
import { captureLines } from "./verify_text.ts";

/** The request. */
export interface CaptureArguments {
  /** A file or a folder. */
  readonly capture: string;
  readonly diagnose: boolean;
  readonly json: boolean;
  readonly junit: string;
  readonly halfSums: boolean;
  readonly require?: string;
  /** Rows of each query block that are judged, or all; default all of small captures, and 2 of large ones. */
  readonly rows?: number | "all";
  readonly onProgress?: OnProgress;
  /** Receives the text about each capture as soon as it is judged; default: all of it is returned. */
  readonly onText?: (text: string) => void;
}

/** The exit code of verdicts: 1 if something is wrong, 2 if something cannot be judged, else 0. */
export function codeOf(verdicts: readonly Pick<Verdict, "problems" | "unjudged">[]): 0 | 1 | 2 {
  if (verdicts.some(({ problems }) => problems.length > 0)) return 1;
  return verdicts.some(({ unjudged }) => unjudged.length > 0) ? 2 : 0;
}

/**
 * Judges captures. A file that is not a capture is unjudged, with its sentence; if it is the only one and no objects are
 * asked for, it is bad input.
 *
 * @throws {InputError} if there is nothing to judge
 */
export async function runCaptures(
  given: CaptureArguments,
): Promise<CapturesResult> {
  return await reported(given.junit, () => judgeAll(given));
}

/** The exit code, and the text that was not given to `onText`. */
interface CapturesResult {
  readonly code: 0 | 1 | 2;
  readonly text: string;
}

/** All captures of a path, judged. */
async function judgeAll(given: CaptureArguments): Promise<Reported<CapturesResult>> {
  const { files, single, others } = await filesOf(given.capture), lines: string[] = [];
  const add = given.onText ?? ((text: string) => lines.push(text));
  const verdicts: Verdict[] = [];
  for (const { path, file } of files) {
    const { report, verdict } = await judged(path, { ...given, file, single: single && !given.json });
    verdicts.push(verdict);
    add(given.json ? jsonLine(report) : captureLines(report).join("\n"));
  }
  if (!given.json && others.length > 0) {
    lines.push("", `not looked at: ${others[0]}${others.length > 1 ? ` and ${others.length - 1} more` : ""}`);
  }
  if (!given.json && files.length > 1) {
    const count = (code: number) => verdicts.filter((one) => codeOf([one]) === code).length;
    lines.push("", `${files.length} captures: ${count(0)} right, ${count(1)} wrong, ${count(2)} unjudged`);
  }
  return { verdicts, suite: "captures", result: { code: codeOf(verdicts), text: lines.join("\n") } };
}

/** One capture, judged. */
async function judged(
  path: string,
  { file, single, rows, diagnose, halfSums, require, onProgress }: CaptureArguments & {
    readonly file: string;
    readonly single: boolean;
  },
): Promise<{ report: Report; verdict: Verdict }> {
  try {
    return await judgedFile(path, { file, rows, diagnose, halfSums, require, onProgress });
  } catch (error) {
    const { NotFound, PermissionDenied, IsADirectory } = Deno.errors;
    if ([NotFound, PermissionDenied, IsADirectory].some((kind) => error instanceof kind)) {
      if (single) throw new InputError(`\`--capture\` is ${path}, which cannot be read.`, { cause: error });
    } else if (!(error instanceof InputError) || single) throw error;
    const reason = error instanceof InputError
      ? error.message
      : "It cannot be read: it is gone, a folder, or not allowed.";
    const verdict = { ...emptyVerdict({ case: file, file }), unjudged: [reason] };
    const nothing = { arithmetic: null, budget_used: null, tensors: {}, names: [], where: null };
    return { verdict, report: { file, verdict: "unjudged", ...nothing, reason } };
  }
}

/** The files of a path. */
interface Files {
  readonly files: readonly { readonly path: string; readonly file: string }[];
  readonly single: boolean;
  /** Names of other files in the folder. */
  readonly others: readonly string[];
}

async function filesOf(path: string): Promise<Files> {
  const { isDirectory, isFile } = await Deno.stat(path).catch(() => ({ isDirectory: false, isFile: false }));
  if (isFile) {
    return { files: [{ path, file: basename(path) }], single: true, others: [] };
  }
  requireInput(isDirectory, () => `\`--capture\` is ${path}; it should be a file or a folder.`);
  const names: string[] = [], others: string[] = [], beside: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) others.push(`${name}/`);
    else if (name.startsWith(".") || !/\.(safetensors|json)$/.test(name)) others.push(name);
    else (name.endsWith(".json") ? beside : names).push(name);
  }
  for (const name of beside) {
    const known = FOLDER_FACTS.includes(name) || names.includes(`${basename(name, ".json")}.safetensors`);
    if (!(known && await isBeside(`${path}/${name}`))) names.push(name);
  }
  requireInput(names.length > 0, () => `There is no capture, FILE.safetensors, in ${path}.`);
  const files = names.sort().map((file) => ({ path: `${path}/${file}`, file }));
  return { files, single: false, others: others.sort() };
}
