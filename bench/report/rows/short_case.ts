/**
 * Short names of cases: the fields of their lines that differ between the rows of a run.
 *
 * @module
 */

/** Fields that lines leave out at their default, but that a short name needs. */
const DEFAULTS: Readonly<Record<string, string>> = { method: "psa", order: "raster", dtype: "f32" };
/** Fields that stand first. */
const FIRST = ["input", "workload", "head", "method", "density"];
/** Fields whose values are clear without their name. */
const PLAIN = new Set(["input", "workload", "method", "order", "importance", "dtype"]);
/** Fields that follow from the name of the input. */
const FOLLOW = new Set([
  "hash",
  "B",
  "H",
  "Hk",
  "Lq",
  "Lk",
  "D",
  "Dv",
  "grid",
  "stride",
  "importance",
  "causal",
]);

/**
 * The short names of cases: the values of the fields that vary, in the order of the lines. What follows from the input is
 * told only where short names would otherwise be the same.
 *
 * @param cases canonical lines
 * @returns a short name for each line
 *
 * @example
 * ```ts
 * import { shortCases } from "./short_case.ts";
 * const names = shortCases(["psa D=64 method=psa density=0.5", "psa D=64 method=random density=0.5"]);
 * console.log([...names.values()]); // ["psa", "random"]
 * ```
 */
export function shortCases(cases: readonly string[]): Map<string, string> {
  const lines = [...new Set(cases)].map((line) => [line, fieldsOf(line)] as const);
  const keys = [...new Set([...FIRST, ...lines.flatMap(([, fields]) => [...fields.keys()])])];
  const varying = keys.filter((key) => new Set(lines.map(([, fields]) => fields.get(key))).size > 1);
  const telling = varying.filter((key) => !FOLLOW.has(key)), few = named(lines, telling);
  const tells = telling.length > 0 && new Set(few.values()).size === lines.length;
  return tells ? few : named(lines, varying);
}

/** The fields of a line; its first word is the stage. */
function fieldsOf(line: string): Map<string, string> {
  return new Map(
    line.split(" ").map((word) => {
      const at = word.indexOf("=");
      return at < 0 ? ["", word] as const : [word.slice(0, at), word.slice(at + 1)] as const;
    }),
  );
}

function named(
  lines: readonly (readonly [string, ReadonlyMap<string, string>])[],
  keys: readonly string[],
): Map<string, string> {
  return new Map(lines.map(([line, fields]) => {
    const words = keys.flatMap((key) => {
      const value = fields.get(key) ?? DEFAULTS[key];
      return value === undefined ? [] : [PLAIN.has(key) || key === "" ? value : `${key} ${value}`];
    });
    return [line, words.length === 0 ? line : words.join(", ")];
  }));
}
