/**
 * docs/kill-matrix.md, as text.
 *
 * @module
 */
import type { StageOutcome } from "./kill_stages.ts";
import type { Outcome } from "./outcome.ts";

/** How an outcome reads in the table. */
function cells({ failing, cases, names, mistake }: Outcome): string {
  if (failing === 0) return "no | |";
  return `${failing} of ${cases} | ${named(mistake, names)} |`;
}

/**
 * Whether a mistake is named rightly, as the tables say it.
 *
 * @param mistake its name
 * @param names what the diagnosis says
 */
export function named(mistake: string, names: readonly string[]): string {
  if (!names.includes(mistake)) return names.join(", ") || "no";
  return names.length === 1 ? "yes" : `one of ${names.length}`;
}

/** A table of mistakes, with what became of them in two suites. */
function table(smoke: readonly Outcome[], standard: readonly Outcome[], labels: readonly string[]): string[] {
  return [
    "| | mistake | wrong cases in smoke | named | wrong cases in standard | named |",
    "| --- | --- | --- | --- | --- | --- |",
    ...smoke.map((one, i) => `| ${labels[i]} | ${one.mistake} | ${cells(one)} ${cells(standard[i])}`),
  ];
}

/** Everything that the page says. */
export interface Matrix {
  readonly smoke: readonly Outcome[];
  readonly standard: readonly Outcome[];
  readonly honest: readonly string[];
  readonly stages: { readonly smoke: readonly StageOutcome[]; readonly standard: readonly StageOutcome[] };
  readonly honestStages: readonly string[];
}

/** How many mistakes are killed and named in one of two suites. */
function counts(smoke: readonly Outcome[], standard: readonly Outcome[]): string {
  const killed = smoke.filter(({ failing }, i) => failing + standard[i].failing > 0).length;
  const named =
    smoke.filter(({ names, mistake }, i) => [...names, ...standard[i].names].includes(mistake)).length;
  return `Killed: ${killed} of ${smoke.length}; named: ${named}.`;
}

/** The page docs/kill-matrix.md. */
export function markdown({ smoke, standard, honest, stages, honestStages }: Matrix): string {
  const right = ["| kernel | wrong cases | most of the budget used |", "| --- | --- | --- |"];
  return [
    "# What the conformance kit finds",
    "",
    "Written by `deno task kill-matrix --write`: each mistake of the catalogue is planted alone into the reference, and",
    "the cases of attention of a suite are judged and diagnosed. The table holds every mistake of the catalogue, and no other; a",
    "test compares them. `one of 2` means that two mistakes give the same",
    `outputs in all cases that fail. ${counts(smoke, standard)}`,
    "",
    ...table(smoke, standard, smoke.map((_, i) => `${i + 1}`)),
    "",
    "Kernels that are right, in simulated arithmetic, over the whole standard suite:",
    "",
    ...right,
    ...honest,
    "",
    "## Gradients and single stages",
    "",
    `Mistakes of gradients and stages, over the cases of their stage. ${
      counts(stages.smoke, stages.standard)
    }`,
    "",
    ...table(stages.smoke, stages.standard, stages.smoke.map(({ stage }) => stage)),
    "",
    "Kernels that are right, over all cases of gradients and stages of the standard suite:",
    "",
    ...right,
    ...honestStages,
    "",
  ].join("\n");
}

/** A row of the table of right kernels; prints false alarms. */
export function honestRow(name: string, { failing, used }: { failing: string[]; used: number }): string {
  failing.forEach((text) => console.log(`FALSE ALARM ${name}: ${text}`));
  return `| ${name} | ${failing.length} | ${Math.round(100 * used)} % |`;
}
