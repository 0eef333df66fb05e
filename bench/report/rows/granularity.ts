/**
 * The units that methods choose for, and their sources: methods of different granularity are never ranked together,
 * and rows that do not follow an official rule carry a mark.
 *
 * @module
 */
import type { Basis, Granularity } from "../../../reference/methods/method.ts";
import { METHODS } from "../../../reference/methods/mod.ts";
import type { AxisGroup, ReportRow } from "./rows.ts";
import type { ChartUnit } from "./units.ts";

/** The control in every granularity. */
const CONTROL = "random";
/** Follows the name of a method that is a stand-in, or was made from summaries. */
const MARK = "*";
/** The explanation of each granularity, as it follows a title. */
const WORDS: Readonly<Record<Granularity, string>> = {
  block: "chosen for blocks",
  query: "chosen for single queries",
  head: "one choice per head",
  group: "chosen for groups of queries",
};

/** The method of a name that may carry a mark. */
function known(name: string) {
  const plain = name.endsWith(MARK) ? name.slice(0, -MARK.length) : name;
  return METHODS.find((method) => method.name === plain);
}

/**
 * The unit that a method chooses for; a method that is not registered is taken to choose for blocks.
 *
 * @param method its name, with or without a mark
 *
 * @example
 * ```ts
 * import { granularityOf } from "./granularity.ts";
 * console.log(granularityOf("psa"), granularityOf("moga*")); // block group
 * ```
 */
export function granularityOf(method: string): Granularity {
  return known(method)?.granularity ?? "block";
}

/**
 * The caveat that stands wherever a method is shown; null for rules from code, papers and this project.
 *
 * @param method its name, with or without a mark
 *
 * @example
 * ```ts
 * import { caveatOf } from "./granularity.ts";
 * console.log(caveatOf("psa"), caveatOf("moga")); // null stand-in
 * ```
 */
export function caveatOf(method: string): Basis | null {
  const basis = known(method)?.basis;
  return basis === "stand-in" || basis === "summary" ? basis : null;
}

/**
 * The name of a method with a mark if it is a stand-in or was made from summaries.
 *
 * @example
 * ```ts
 * import { markedName } from "./granularity.ts";
 * console.log(markedName("psa"), markedName("moga")); // psa moga*
 * ```
 */
export function markedName(method: string): string {
  return caveatOf(method) === null || method.endsWith(MARK) ? method : method + MARK;
}

/**
 * The sentence that explains the mark, with the methods that have it; empty if none has.
 *
 * @param rows rows with their methods
 *
 * @example
 * ```ts
 * import { markNote } from "./granularity.ts";
 * console.log(markNote([{ method: "psa" }]) === ""); // true
 * ```
 */
export function markNote(rows: readonly Pick<ReportRow, "method">[]): string {
  const names = [...new Set(rows.map(({ method }) => markedName(method)))].filter((name) =>
    name.endsWith(MARK)
  );
  const told = names.map((name) => `${name.slice(0, -MARK.length)} (${caveatOf(name)})`);
  return told.length === 0
    ? ""
    : `${MARK} not an official rule, but a stand-in or made from summaries of a paper: ${told.join(", ")}.`;
}

/**
 * Rows in parts that may be ranked: a part a granularity, `random` in each of them.
 *
 * @param rows the rows
 *
 * @example
 * ```ts
 * import { byGranularity } from "./granularity.ts";
 * console.log(byGranularity([])); // []
 * ```
 */
export function byGranularity(
  rows: readonly ReportRow[],
): { readonly of: Granularity; readonly rows: ReportRow[] }[] {
  const control = rows.filter(({ method }) => method === CONTROL);
  return [...Map.groupBy(rows, ({ method }) => granularityOf(method))].map(([of, own]) => ({
    of,
    rows: of === "block" ? own : [...own, ...control],
  }));
}

/**
 * Charts whose rows may be ranked: one per granularity if there are several.
 *
 * @param units charts that may hold methods of several granularities
 *
 * @example
 * ```ts
 * import { unitsByGranularity } from "./granularity.ts";
 * console.log(unitsByGranularity([])); // []
 * ```
 */
export function unitsByGranularity(units: readonly ChartUnit[]): ChartUnit[] {
  return units.flatMap(({ title, rows, isMean }) => {
    const parts = byGranularity(rows);
    return parts.map((part) => ({
      title: parts.length > 1 ? `${title}, ${WORDS[part.of]}` : title,
      rows: part.rows,
      isMean,
    }));
  });
}

/**
 * Groups of rows within which a best row may be named: one group per granularity if there are several. `random` is only
 * in the group of blocks.
 *
 * @param groups groups that may hold methods of several granularities
 *
 * @example
 * ```ts
 * import { groupsByGranularity } from "./granularity.ts";
 * console.log(groupsByGranularity([])); // []
 * ```
 */
export function groupsByGranularity(groups: readonly AxisGroup[]): AxisGroup[] {
  return groups.flatMap(({ name, rows }) => {
    const parts = [...Map.groupBy(rows, ({ method }) => granularityOf(method))];
    return parts.map(([of, own]) => {
      const words = [name, ...(parts.length > 1 ? [WORDS[of]] : [])].filter(Boolean).join(", ");
      return { name: words, rows: own };
    });
  });
}
