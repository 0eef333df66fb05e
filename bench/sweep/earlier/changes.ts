/**
 * Changes between two runs beyond noise. Times are compared by their confidence intervals: they changed if these
 * do not overlap. A time that was measured once has no interval, so its change is unknown. Everything else
 * is computed, not measured, so that any difference beyond rounding is a change.
 *
 * @module
 */
import { InputError, requireInput } from "../../../reference/errors.ts";
import { closestString } from "../../std/std.ts";
import { plural, showFixed, showNumber } from "../../text/number.ts";
import { type Column, COLUMN_NAMES, isWordColumn, type SweepRow } from "../rows/columns.ts";
import { isWorse } from "../rows/status.ts";

/** A limit: by how many times a column may grow. */
export interface Limit {
  readonly column: Column;
  readonly factor: number;
}

/** A number of one case that changed. */
export interface Change {
  /** The canonical case. */
  readonly case: string;
  /** The column. */
  readonly column: Column;
  /** Its value before; null if it was empty. */
  readonly before: number | string | null;
  /** Its value after. */
  readonly after: number | string | null;
  /** After divided by before; NaN if that has no meaning. */
  readonly ratio: number;
  /** Whether a limit is passed. */
  readonly fails: boolean;
  /** Whether a case regressed: the status is worse, or a number became empty or not finite. */
  readonly regressed: boolean;
}

/** All that changed. */
export interface Changes {
  /** Cases that both runs have. */
  readonly joined: number;
  /** Cases that only the first run has. */
  readonly lost: readonly string[];
  /** Cases that only the second run has. */
  readonly added: readonly string[];
  /** Cases whose change of time is unknown, because one of the runs measured it once. */
  readonly unknown: readonly string[];
  /** The numbers that changed. */
  readonly changes: readonly Change[];
}

/** Columns that are compared. */
const COMPARED: readonly Column[] = ["status", "density", "rel_l2", "kernel_rel_l2", "gpu_ms_median"];
/** The word after `--fail-on` that asks for regressions alone, which every `--fail-on` looks for. */
const REGRESSIONS = "regressions";
/** Relative differences up to this are rounding. The kernel's own error is nothing but rounding. */
const ROUNDING: Partial<Record<Column, number>> = { rel_l2: 1e-4, kernel_rel_l2: 0.25 };
const SMALLEST = 1e-9;
/** Columns of numbers that a later run may leave empty: a time of which there are too few measurements has none. */
const MAY_GO: readonly Column[] = ["gpu_ms_low", "gpu_ms_high", "gpu_ms_confidence"];
/** Columns that are measured, or computed from what is: they change only where the interval of the time does. */
const MEASURED: readonly Column[] = [
  "gpu_ms_median",
  "gpu_ms_iqr",
  "gpu_ms_low",
  "gpu_ms_high",
  "speedup",
  "tflops_actual",
  "tflops_effective",
];

/**
 * Reads limits such as `rel_l2>1.05x,gpu_ms_median>1.1x`. The word `regressions` is not a limit: see {@link failures}.
 *
 * @param text the limits
 * @throws {InputError} if one is not of this form or names no column with numbers
 *
 * @example
 * ```ts
 * import { parseLimits } from "./changes.ts";
 * console.log(parseLimits("rel_l2>1.05x")); // [{ column: "rel_l2", factor: 1.05 }]
 * ```
 */
export function parseLimits(text: string): Limit[] {
  return text.split(",").filter((limit) => limit.trim() !== REGRESSIONS).map((limit) => {
    const [, name, number] = /^\s*(\w+)>([\d.]+)x\s*$/.exec(limit) ?? [];
    const factor = Number(number);
    requireInput(
      factor > 0,
      () => `--fail-on has "${limit}"; limits are written COLUMN>NUMBERx, as in rel_l2>1.05x.`,
    );
    const numbers = COLUMN_NAMES.filter((column) => !isWordColumn(column));
    const column = numbers.find((each) => each === name);
    if (column === undefined) {
      throw new InputError(
        `--fail-on names "${name}", which is no column of numbers; the nearest is ${
          closestString(name, numbers)
        }.`,
      );
    }
    return { column, factor };
  });
}

/**
 * Joins two runs by their cases.
 *
 * @param before the rows of the first run
 * @param after the rows of the second run
 * @param limits columns with their largest ratios
 * @throws {InputError} if they have no case in common
 *
 * @example
 * ```ts
 * import { changesOf } from "./changes.ts";
 * try {
 *   changesOf([], [], []);
 * } catch (error) {
 *   console.log((error as Error).message); // The runs have no case in common.
 * }
 * ```
 */
export function changesOf(
  before: readonly SweepRow[],
  after: readonly SweepRow[],
  limits: readonly Limit[],
): Changes {
  const earlier = new Map(before.map((row) => [row.case, row])),
    later = new Set(after.map((row) => row.case));
  const pairs = after.flatMap((row) => {
    const was = earlier.get(row.case);
    return was === undefined ? [] : [[was, row] as const];
  });
  requireInput(pairs.length > 0, "The runs have no case in common.");
  const columns = new Set([...COMPARED, ...limits.map(({ column }) => column)]);
  return {
    joined: pairs.length,
    lost: [...earlier.keys()].filter((name) => !later.has(name)),
    added: [...later].filter((name) => !earlier.has(name)),
    unknown: pairs.filter(([was, is]) =>
      [was, is].every(({ gpu_ms_median }) => gpu_ms_median !== null) &&
      [was, is].some((row) => intervalOf(row) === null)
    ).map(([{ case: name }]) => name),
    changes: pairs.flatMap(([was, is]) => {
      const looked = COLUMN_NAMES.filter((name) => columns.has(name) || hasGone(was, is, name));
      return looked.flatMap((column) => changeOf(was, is, { column, limits }));
    }),
  };
}

/** The change of one column of one case; empty if there is none beyond noise. */
function changeOf(
  was: SweepRow,
  is: SweepRow,
  { column, limits }: { readonly column: Column; readonly limits: readonly Limit[] },
): Change[] {
  const before = was[column], after = is[column];
  if (!differs(was, is, column)) return [];
  const numbers = typeof before === "number" && typeof after === "number";
  const ratio = numbers ? after / before : NaN;
  const fails = numbers && limits.some((limit) => limit.column === column && ratio > limit.factor);
  return [{ case: is.case, column, before, after, ratio, fails, regressed: hasRegressed(before, after) }];
}

/** Whether a number of a row became empty that has to be there. */
function hasGone(was: SweepRow, is: SweepRow, column: Column): boolean {
  return !isWordColumn(column) && !MAY_GO.includes(column) && was[column] !== null && is[column] === null;
}

/** Whether a case regressed. */
function hasRegressed(before: Change["before"], after: Change["after"]): boolean {
  if (typeof before === "number") return Number.isFinite(before) && !Number.isFinite(after ?? NaN);
  return typeof before === "string" && typeof after === "string" && isWorse(before, after);
}

/**
 * Whether a limit is about time, which another machine or version would change too.
 *
 * @example
 * ```ts
 * import { isOfTime, parseLimits } from "./changes.ts";
 * console.log(parseLimits("speedup>2x,rel_l2>2x").map(isOfTime)); // [true, false]
 * ```
 */
export function isOfTime({ column }: Limit): boolean {
  return MEASURED.includes(column);
}

/** Whether a column changed beyond noise. */
function differs(was: SweepRow, is: SweepRow, column: Column): boolean {
  const before = was[column], after = is[column];
  if (before === after || Number.isNaN(before) && Number.isNaN(after)) return false;
  if (typeof before !== "number" || typeof after !== "number") return true;
  if (MEASURED.includes(column)) return timeDiffers(was, is);
  return !(Math.abs(after - before) <= SMALLEST + (ROUNDING[column] ?? 1e-9) * Math.abs(before));
}

/** Whether the intervals of two times do not overlap; never where one of them is not known. */
function timeDiffers(was: SweepRow, is: SweepRow): boolean {
  const [before, after] = [intervalOf(was), intervalOf(is)];
  return before !== null && after !== null && (after.low > before.high || after.high < before.low);
}

/** The interval of the median time of a row; null where it is not known: a single measurement has none. */
function intervalOf(row: SweepRow): { readonly low: number; readonly high: number } | null {
  const { gpu_ms_low: low, gpu_ms_high: high, gpu_samples } = row;
  return low === null || high === null || (gpu_samples ?? 0) < 2 ? null : { low, high };
}

/**
 * The reasons why a comparison fails, in words: limits that are passed, a status that is worse, numbers that became
 * empty or not finite, and cases that are lost.
 *
 * @example
 * ```ts
 * import { failures } from "./changes.ts";
 * console.log(failures({ joined: 1, lost: ["a"], added: [], unknown: [], changes: [] })); // ["a is lost"]
 * ```
 */
export function failures({ changes, lost }: Changes): readonly string[] {
  return [
    ...changes.filter(({ fails, regressed }) => fails || regressed).map((
      { case: name, column, before, after },
    ) => `${name}: ${column} was ${show(before)} and is ${show(after)}`),
    ...lost.map((name) => `${name} is lost`),
  ];
}

/**
 * The changes as Markdown, for the description of a change of the code.
 *
 * @param changes the changes
 *
 * @example
 * ```ts
 * import { toMarkdown } from "./changes.ts";
 * console.log(toMarkdown({ joined: 3, lost: [], added: [], unknown: [], changes: [] })); // 3 cases compared: nothing changed beyond noise.
 * ```
 */
export function toMarkdown(all: Changes): string {
  const { joined, lost, added, unknown, changes } = all;
  const failed = changes.filter(({ fails }) => fails).length;
  const regressed = changes.filter((change) => change.regressed).length;
  const told = (names: readonly string[], what: string) =>
    names.length === 0 ? [] : [`${plural(names.length, "case")} ${what}, first \`${names[0]}\`.`];
  const head = changes.length === 0
    ? `${plural(joined, "case")} compared: nothing changed beyond noise.`
    : `${plural(joined, "case")} compared: ${
      plural(changes.length, "number")
    } changed beyond noise, ${failed} beyond a limit${regressed > 0 ? `, ${regressed} regressed` : ""}.`;
  const rows = changes.map(({ case: name, column, before, after, ratio, fails, regressed }) =>
    `| \`${name}\` | ${column} | ${show(before)} | ${show(after)} | ${
      Number.isNaN(ratio) ? "" : `${showFixed(ratio, 3)}x`
    } | ${fails ? "**fails**" : regressed ? "**regressed**" : ""} |`
  );
  const table = rows.length === 0
    ? []
    : ["| case | column | before | after | ratio | |", "| --- | --- | --- | --- | --- | --- |", ...rows];
  const once = unknown.length === 0 ? [] : [
    `${unknown.length} cases have a time that was measured once, which has no interval: whether it changed is unknown, first \`${
      unknown[0]
    }\`.`,
  ];
  return [
    head,
    ...once,
    ...told(lost, "lost: only in the first run"),
    ...told(added, "new: only in the second run"),
    ...(table.length > 0 ? ["", ...table] : []),
  ]
    .join("\n");
}

function show(value: number | string | null): string {
  return value === null
    ? "none"
    : typeof value === "number"
    ? showNumber(value, { digits: 5, small: 1e-6 })
    : value;
}
