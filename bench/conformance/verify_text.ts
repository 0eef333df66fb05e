/**
 * The text that verify prints about cases: a line for each, where they are wrong, and why.
 *
 * @module
 */
import type { Explanation } from "../../fixtures/conformance/diagnose/catalogue.ts";
import { type StageExplanation, stageTable } from "../../fixtures/conformance/diagnose/stages.ts";
import { errorTable } from "../../fixtures/conformance/judge/error_table.ts";
import { type ReadCase, short } from "../../fixtures/conformance/judge/judge.ts";
import { inWords } from "../../reference/judge/arithmetic.ts";
import type { Report } from "../../fixtures/conformance/judge/report.ts";

/** A line for each case, and one for each sentence about it. */
export function caseLines(read: readonly ReadCase[]): string[] {
  return read.flatMap(
    ({ verdict: { case: name, problems, notes, budget, unjudged, arithmetic, ladder } }) => {
      const used = Object.values(budget).filter(Number.isFinite);
      const share = used.length === 0 ? "" : `${Math.round(100 * Math.max(...used))} % of the budget`;
      const how = arithmetic === undefined || share === ""
        ? share
        : `${rightAs(arithmetic, ladder)}, ${share}`;
      const head = problems.length > 0
        ? `WRONG  ${name}`
        : unjudged.length > 0
        ? `UNJUDGED  ${name}`
        : `right  ${name}${how === "" ? "" : `  ${how}`}`;
      return [
        head,
        ...problems.map((text) => `       ${text}`),
        ...unjudged.map((text) => `       unjudged: ${text}`),
        ...notes.map((text) => `       note: ${text}`),
      ];
    },
  );
}

/** The arithmetic of all tensors, and of those that a stricter one explains. */
function rightAs(
  arithmetic: string,
  tensors: Readonly<Record<string, { readonly arithmetic: string }>> = {},
): string {
  const stricter = Object.entries(tensors).filter(([, one]) => one.arithmetic !== arithmetic);
  const words = stricter.map(([name, one]) => `${name} ${inWords(one.arithmetic)}`);
  return `${inWords(arithmetic)}${words.length === 0 ? "" : ` (${words.join(", ")})`}`;
}

/** The findings about a capture: the verdict in a line, and below it where and why. */
export function captureLines(
  { file, verdict, arithmetic, tensors, budget_used, names, where, reason }: Report,
): string[] {
  const used = typeof budget_used === "number" ? `, ${Math.round(100 * budget_used)} % of the budget` : "";
  const head = verdict === "right"
    ? `right  ${file}  ${rightAs(arithmetic ?? "", tensors)}${used}`
    : `${verdict.toUpperCase()}  ${file}`;
  const lines = verdict === "wrong" ? reason.split(/; (?!max absolute)/) : [reason];
  return [
    head,
    ...lines.map((line) => `       ${line}`),
    ...(where === null ? [] : [`       where: ${where}`]),
    ...names.map(({ name, distance, explains, of, reading }) =>
      reading
        ? `       right if ${name}`
        : `       matches '${name}'${distance === null ? "" : ` to ${short(distance)}`}${
          of > 1 ? ` (${explains} of ${of} wrong cases)` : ""
        }`
    ),
  ];
}

/** Where the first wrong case of attention is wrong, and why. */
export function diagnosisLines(
  read: readonly ReadCase[],
  found: Explanation | undefined,
  { apart, facts = [] }: { readonly apart?: string; readonly facts?: readonly string[] } = {},
): string[] {
  const wrong = read.find((one) =>
    one.verdict.problems.length > 0 && isOf(one, "attention") && errorTable(one).length > 0
  );
  if (wrong === undefined) return [];
  const where = [`relative error in ${wrong.listed.case}`, ...errorTable(wrong).map((row) => `  ${row}`)];
  return [
    ...where,
    ...(found ? [sentence(found)] : [
      "unknown: no mistake of the catalogue, nor a pair, gives these outputs",
      ...facts.map((fact) => `  ${fact}`),
    ]),
    ...(found && found.names.length > 1 ? [apart ? tellApart(apart) : NOT_APART] : []),
  ];
}

const NOT_APART = "no case of the standard suite tells these apart";

/** The command that exports the case which distinguishes names. */
function tellApart(name: string): string {
  return `to tell these apart: deno task export --out apart --case "${name}"`;
}

/** The same for gradients and single stages. */
export function stageLines(read: readonly ReadCase[], found: readonly StageExplanation[]): string[] {
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

/** The explanation of outputs, in a line. */
function sentence({ names, distance, sections, explained, failing }: Explanation): string {
  const all = names.map((name) => `'${name}'`).join(" or ");
  const others = failing - explained;
  const rest = others === 0 ? "" : `; of the other ${others} the cause is unknown`;
  const precision = sections === "accuracy" && others === 0 ? ", a loss of precision: all else is right" : "";
  return `matches ${all} to ${short(distance)}${precision}; docs/definition.md#${
    sections.replaceAll(", ", " #")
  } (${explained} of ${failing} wrong cases)${rest}`;
}
