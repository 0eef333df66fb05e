/**
 * Verdicts as JUnit XML, for systems that collect test results.
 *
 * @module
 */
import { writeHere } from "../../fixtures/guarded.ts";
import { InputError } from "../../reference/errors.ts";
import { messageOf, say } from "../text/output.ts";
import type { Verdict } from "../../fixtures/conformance/judge/judge.ts";

/** Text as XML may hold it; characters that XML forbids become question marks. */
function escaped(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "?")
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** The XML of a run. */
export function junitXml(verdicts: readonly Verdict[], suite: string): string {
  const failing = verdicts.map((one) => ({ ...one, problems: [...one.problems, ...one.unjudged] }));
  const failures = failing.filter(({ problems }) => problems.length > 0).length;
  const cases = failing.map(({ case: own, file, problems }) => {
    const [kind, name] = suite === "captures" ? ["capture", file] : [own.split(" ")[0], own];
    const head = `  <testcase classname="${escaped(kind)}" name="${escaped(name)}"`;
    if (problems.length === 0) return `${head}/>`;
    return `${head}>\n    <failure message="${escaped(problems.join("; "))}"/>\n  </testcase>`;
  });
  const counts = `tests="${verdicts.length}" failures="${failures}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="${escaped(suite)}" ${counts}>\n${
    cases.join("\n")
  }\n</testsuite>\n`;
}

/** The XML of a run without verdicts, and why it has none. */
function nothingJudged(suite: string, why: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="${
    escaped(suite)
  }" tests="1" failures="1">\n` +
    `  <testcase classname="verify" name="verify">\n    <failure message="${
      escaped(why)
    }"/>\n  </testcase>\n</testsuite>\n`;
}

/** A new name beside a file; short, since a name that systems allow may have no room for an ending. */
function besidePath(path: string): string {
  const [, folder, name] = /^(.*[\\/])?(.*)$/s.exec(path)!;
  return `${folder ?? ""}${name.slice(0, 40)}.${crypto.randomUUID().slice(0, 8)}.part`;
}

/** Writes a file in one step: whoever reads it finds all of the old one or all of the new one. */
async function writeWhole(path: string, xml: string): Promise<void> {
  const found = await Deno.lstat(path).catch(() => undefined), own = besidePath(path);
  const direct = found !== undefined && !found.isFile; // which is refused, with its sentence
  try {
    await writeHere(direct ? path : own, xml);
    await Deno.rename(own, path);
  } catch (error) {
    await Deno.remove(own).catch(() => {});
    if (found?.isFile && error instanceof Deno.errors.PermissionDenied) return await writeHere(path, xml);
    throw new InputError(`\`--junit\` is ${path}, which cannot be written: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/** Whether a file could be written; if not, the reason was said. */
async function written(path: string, xml: string): Promise<boolean> {
  try {
    await writeWhole(path, xml);
    return true;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    say(error.message, "stderr");
    return false;
  }
}

/** The results of all cases, and what is returned. */
export interface Reported<Result> {
  readonly verdicts: readonly Verdict[];
  readonly suite: string;
  readonly result: Result;
}

/**
 * Does work, and writes its verdicts as JUnit XML. From the beginning, and wherever the work stops, the file is one that
 * says so: no report of an earlier run stands for this one. A file that can be written at the beginning and not at the
 * end costs no verdict: it is said, and the exit code of a right run becomes 2.
 *
 * @param path the file; empty: none
 * @param work gives the verdicts
 * @throws {InputError} if the file cannot be written at the beginning, or the work throws
 */
export async function reported<Result extends { readonly code: 0 | 1 | 2 }>(
  path: string,
  work: () => Promise<Reported<Result>>,
): Promise<Result> {
  if (path === "") return (await work()).result;
  await writeWhole(path, nothingJudged("verify", "verify was stopped before it had judged everything"));
  try {
    const { verdicts, suite, result } = await work();
    const isThere = await written(path, junitXml(verdicts, suite));
    return isThere || result.code === 1 ? result : { ...result, code: 2 };
  } catch (error) {
    if (error instanceof InputError) await written(path, nothingJudged("verify", error.message));
    throw error;
  }
}
