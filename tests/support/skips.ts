/**
 * The tests that a run left out, read from its output.
 *
 * @module
 */

/** Things that may be missing where the project is built, and why that is no loss. */
const ALLOWED: readonly (readonly [lack: RegExp, reason: string])[] = [
  [/^no (pandas|DuckDB|R) here$/, "the recipes of docs/recipes.md read plain CSV"],
  [
    /^no Dawn here$/,
    "npm's webgpu is optional; where it cannot be installed, kernels for it are not compiled",
  ],
  [
    /^no python3 with numpy here$/,
    "numpy may be out of reach; the cases and verdicts of the pages' examples are tested",
  ],
  [/^no (PyTorch|Triton) here$/, "drivers of kernels elsewhere; they are run where these kernels are"],
];

/** A test, or a part of one, that was left out. */
export interface Skip {
  /** The test, as it was printed. */
  readonly name: string;
  /** The missing thing; "no reason given" where the test does not say. */
  readonly lack: string;
}

/** The tests that were left out, according to the lines that `deno test` printed. */
export function skipsOf(lines: readonly string[]): Skip[] {
  return lines.flatMap((line) => {
    const [, name] = /^(.*) \.\.\. ignored \(.*\)$/.exec(line) ?? /^skipped: (.*)$/.exec(line) ?? [];
    if (name === undefined) return [];
    const [, bare, lack] = /^(.*) \[skipped: (.*)\]$/.exec(name) ?? [];
    return [lack === undefined ? { name, lack: "no reason given" } : { name: bare, lack }];
  });
}

/** Those that should not happen where the project is built. */
export function forbiddenSkips(skips: readonly Skip[]): Skip[] {
  return skips.filter(({ lack }) => !ALLOWED.some(([allowed]) => allowed.test(lack)));
}

/** A line about what was left out, most frequent reason first. */
export function summaryOf(skips: readonly Skip[]): string {
  if (skips.length === 0) return "Nothing was skipped.";
  const counts = new Map<string, number>();
  for (const { lack } of skips) counts.set(lack, (counts.get(lack) ?? 0) + 1);
  const reasons = [...counts].toSorted(([, a], [, b]) => b - a).map(([lack, count]) => `${lack} (${count})`);
  return `${skips.length} skipped: ${reasons.join(", ")}.`;
}
