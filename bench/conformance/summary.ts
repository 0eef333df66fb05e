/**
 * When outputs are wrong: the smallest conjunction of case parameters that separates failing from passing cases.
 *
 * @module
 */
import { CASE_FIELDS } from "../../fixtures/case_fields.ts";
import { parseCase, resolveCase } from "../../fixtures/cases.ts";
import type { Verdict } from "../../fixtures/conformance/judge/judge.ts";

/** Fields that distinguish cases but explain nothing. */
const NAMES_ONLY = new Set(["seed", "head", "input", "preset"]);

/** The facts about a case: its fields with defaults, the levels that occur, and what follows from sizes. */
export function factsOf(name: string): Set<string> {
  const resolved = resolveCase(parseCase(name)), facts = new Set([resolved.stage as string]);
  for (const { key, property } of CASE_FIELDS) {
    if (NAMES_ONLY.has(key) || key === "levels" || resolved[property] === undefined) continue;
    facts.add(`${key}=${resolved[property]}`);
  }
  for (const level of (resolved.levels ?? "").split(",").filter((text) => text !== "")) {
    facts.add(level === "0" ? "skipped blocks occur" : `level ${level} occurs`);
  }
  if ((resolved.levels ?? "1").split(",").some((level) => Number(level) > 1)) {
    facts.add("pooled blocks occur");
  }
  if (resolved.kvHeads < resolved.heads) facts.add("query heads share key heads");
  if (resolved.seqK % resolved.blockN !== 0) facts.add("the last key block is partial");
  if (resolved.seqQ !== resolved.seqK) facts.add("Lq differs from Lk");
  return facts;
}

/**
 * The smallest conjunction of facts, up to three, that holds for all failing and for no passing case; others of the same
 * size that these cases cannot tell from it are said as well.
 *
 * @returns a sentence, or undefined if nothing fails or no conjunction separates them
 */
export function separation(verdicts: readonly Pick<Verdict, "case" | "problems">[]): string | undefined {
  const failing = verdicts.filter(({ problems }) => problems.length > 0).map((one) => factsOf(one.case));
  const passing = verdicts.filter(({ problems }) => problems.length === 0).map((one) => factsOf(one.case));
  if (failing.length === 0) return undefined;
  if (passing.length === 0) return "wrong in every case";
  const shared = [...failing[0]].filter((fact) => failing.every((facts) => facts.has(fact)));
  for (let size = 1; size <= 3; size++) {
    const separating = [...subsets(shared, size)].filter((facts) =>
      !passing.some((one) => facts.every((fact) => one.has(fact)))
    ).map((facts) => facts.join(" and "));
    if (separating.length > 0) return `wrong exactly when ${separating[0]}${others(separating.slice(1))}`;
  }
  return undefined;
}

/** Other conjunctions that separate as well, the first two of them. */
function others(separating: readonly string[]): string {
  if (separating.length === 0) return "";
  const more = separating.length > 2 ? `, or ${separating.length - 2} more` : "";
  return ` (these cases cannot tell that from: ${separating.slice(0, 2).join("; ")}${more})`;
}

/** All subsets of a size, in order. */
function* subsets(items: readonly string[], size: number, from = 0): Generator<string[]> {
  if (size === 0) return yield [];
  for (let i = from; i < items.length; i++) {
    for (const rest of subsets(items, size - 1, i + 1)) yield [items[i], ...rest];
  }
}

/** How many cases pass, by stage. */
export function byStage(verdicts: readonly Verdict[]): string[] {
  const stages = Map.groupBy(verdicts, (one) => one.case.split(" ")[0]);
  return [...stages].map(([stage, all]) => {
    const right = all.filter(({ problems, unjudged }) => problems.length + unjudged.length === 0);
    const blind = all.filter(({ problems, unjudged }) => problems.length === 0 && unjudged.length > 0).length;
    const used = right.flatMap(({ budget }) => Object.values(budget)).filter(Number.isFinite);
    const most = used.length === 0
      ? ""
      : `, at most ${Math.round(100 * Math.max(...used))} % of the budget used`;
    const rest = blind === 0 ? "" : `, ${blind} unjudged`;
    return `${stage.padEnd(11)} ${right.length} of ${all.length} right${most}${rest}`;
  });
}
