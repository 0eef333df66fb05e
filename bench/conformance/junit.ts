/**
 * Verdicts as JUnit XML, for systems that collect test results.
 *
 * @module
 */
import { writeHere } from "../../fixtures/guarded.ts";
import { InputError } from "../../reference/errors.ts";
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
  const cases = failing.map(({ case: name, problems }) => {
    const head = `  <testcase classname="${escaped(name.split(" ")[0])}" name="${escaped(name)}"`;
    if (problems.length === 0) return `${head}/>`;
    return `${head}>\n    <failure message="${escaped(problems.join("; "))}"/>\n  </testcase>`;
  });
  const counts = `tests="${verdicts.length}" failures="${failures}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuite name="${escaped(suite)}" ${counts}>\n${
    cases.join("\n")
  }\n</testsuite>\n`;
}

/** Writes the results of all cases as JUnit XML. */
export async function writeJunit(path: string, xml: string): Promise<void> {
  await writeHere(path, xml).catch((error) => {
    throw new InputError(`\`--junit\` is ${path}, which cannot be written: ${error.message}.`, {
      cause: error,
    });
  });
}
