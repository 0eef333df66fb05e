/**
 * The verdict of a run in sentences that can be quoted: whether every kernel is right, the gain and the cost of PSA,
 * the best methods, and the limits of the data.
 *
 * @module
 */
import { isSoftware } from "../../text/adapter.ts";
import { listed, plural, showNumber } from "../../text/number.ts";
import { notDenser } from "../rows/fair.ts";
import { groupsByGranularity, markedName } from "../rows/granularity.ts";
import { formatNumber } from "../html.ts";
import { fastest, unsteadyTimes } from "../rows/noise.ts";
import { axisGroups, densitiesOf, meanOf, methodsOf, type ReportRow } from "../rows/rows.ts";

/** The verdict of a run. */
export interface Verdict {
  /** Whether all kernels are within their bounds. */
  readonly right: boolean;
  /** The sentences, most important first. */
  readonly sentences: readonly string[];
}

/** Facts about a run in addition to its rows. */
export interface VerdictOptions {
  /** The adapter that kernels ran on; default none is named. */
  readonly adapter?: string | null;
}

/**
 * The verdict of a run.
 *
 * @param plain all rows of the run
 * @param options the adapter: if it is software, the sentence about speed says so
 *
 * @example
 * ```ts
 * import { verdict } from "./verdict.ts";
 * console.log(verdict([]).sentences[0]); // "No kernel ran: these rows have only results of the reference."
 * ```
 */
export function verdict(plain: readonly ReportRow[], { adapter }: VerdictOptions = {}): Verdict {
  const rows = plain.map((row) => ({ ...row, method: markedName(row.method) }));
  const wrong = rows.filter(({ status }) => status === "wrong");
  return {
    right: wrong.length === 0,
    sentences: [
      kernels(rows, wrong),
      gain(rows, adapter ?? ""),
      cost(rows),
      ...worseThanRandom(rows),
      ...winners(rows),
      ...fastest(rows),
      unsteadyTimes(rows),
    ].filter((sentence) => sentence !== ""),
  };
}

function kernels(rows: readonly ReportRow[], wrong: readonly ReportRow[]): string {
  const judged = rows.filter(({ kernel_rel_l2 }) => kernel_rel_l2 !== null);
  if (judged.length === 0) return "No kernel ran: these rows have only results of the reference.";
  const worst = Math.max(...judged.map(({ kernel_rel_l2 }) => kernel_rel_l2 ?? 0));
  const figure = `the largest error against the reference of the same levels is ${formatNumber(worst)}`;
  if (wrong.length === 0) {
    return `The kernels are right: all ${
      plural(judged.length, "output")
    } lie within their bounds; ${figure}.`;
  }
  return `Kernels are wrong: ${wrong.length} of ${
    plural(judged.length, "output")
  } lie outside of their bounds, first "${wrong[0].case}"; ${figure}.`;
}

/** The rows of PSA at each density below 1, largest first. */
function psaByDensity(rows: readonly ReportRow[]): (readonly [density: number, rows: ReportRow[]])[] {
  const psa = rows.filter(({ method, rel_l2 }) => method === "psa" && rel_l2 !== null);
  return densitiesOf(psa).filter((density) => density < 1).map((density) =>
    [density, psa.filter(({ density_requested }) => density_requested === density)] as const
  );
}

/** "at density 0.5", or "at densities 0.5 and 0.25". */
function atDensities(densities: readonly number[]): string {
  return `at ${densities.length === 1 ? "density" : "densities"} ${listed(densities.map(String))}`;
}

function gain(rows: readonly ReportRow[], adapter: string): string {
  const faster = psaByDensity(rows).map(([density, at]) =>
    [density, meanOf(at.map(({ speedup }) => speedup))] as const
  ).filter(([, speedup]) => !Number.isNaN(speedup));
  if (faster.length === 0) return "";
  const speeds = listed(faster.map(([, speedup]) => showNumber(speedup)));
  const densities = atDensities(faster.map(([density]) => density));
  const software = isSoftware(adapter)
    ? ` This was measured in software, on ${adapter}, and says nothing about a GPU.`
    : "";
  const alone = `Gain: psa is ${speeds} times as fast as our dense kernel ${densities}`;
  return `${alone}, in attention alone; ${wholeGain(rows)}.${software}`;
}

/** How many times as fast as dense attention whole calls of PSA are, as the end of a sentence. */
function wholeGain(rows: readonly ReportRow[]): string {
  const dense = new Map(
    rows.filter(({ method }) => method === "dense").map((
      row,
    ) => [`${row.input} ${row.head}`, row.gpu_ms_median]),
  );
  const speeds = psaByDensity(rows).map(([, at]) =>
    meanOf(at.map(({ input, head, whole_ms_median: whole = null }) => {
      const of = dense.get(`${input} ${head}`) ?? null;
      return whole === null || of === null ? null : of / whole;
    }))
  );
  if (speeds.some(Number.isNaN)) return "--whole times choosing too";
  return `with choosing ${listed(speeds.map((speed) => showNumber(speed)))} times`;
}

function cost(rows: readonly ReportRow[]): string {
  const psa = psaByDensity(rows);
  if (psa.length === 0) return "";
  const errors = listed(psa.map(([, at]) => showNumber(meanOf(at.map(({ rel_l2 }) => rel_l2)))));
  const densities = atDensities(psa.map(([density]) => density));
  const inputs = new Set(psa.flatMap(([, at]) => at.map(({ input }) => input))).size;
  const mean = inputs > 1 ? `, on average over ${inputs} inputs` : "";
  return `Cost: psa has a relative error of ${errors} against dense attention ${densities}${mean}.`;
}

/** The mean error of each method at a density, and the density that it reached. */
function meansAt(rows: readonly ReportRow[], density: number) {
  const at = rows.filter(({ density_requested }) => density_requested === density);
  return [...Map.groupBy(at, ({ method }) => method)].map(([method, own]) => ({
    method,
    error: meanOf(own.map(({ rel_l2 }) => rel_l2)),
    reached: meanOf(own.map((row) => row.density)),
  }));
}

/** Reached densities that differ by less than this are the same. */
const SAME_DENSITY = 0.05;

/** Rows below density 1 that have an error, dense attention left out. */
function sparseRows(rows: readonly ReportRow[]): readonly ReportRow[] {
  return rows.filter(({ method, rel_l2, density_requested }) =>
    method !== "dense" && rel_l2 !== null && density_requested < 1
  );
}

/** The group that a sentence is about, in brackets, where a run has several. */
function about(name: string, groups: readonly unknown[]): string {
  return groups.length > 1 && name !== "" ? ` (${name})` : "";
}

/** Methods that lose more than blocks that are drawn at random, at the same density. */
function worseThanRandom(rows: readonly ReportRow[]): string[] {
  const groups = axisGroups(sparseRows(rows));
  return groups.flatMap(({ name, rows: group }) => {
    const found = new Map<string, string[]>();
    for (const density of densitiesOf(group)) {
      const means = meansAt(group, density), random = means.find(({ method }) => method === "random");
      if (random === undefined) continue;
      const same = means.filter(({ reached }) => reached >= random.reached * (1 - SAME_DENSITY));
      for (const { method, error } of same.filter((each) => each.error > random.error * (1 + SAME_ERROR))) {
        const what = `${density} (error ${showNumber(error)} against ${showNumber(random.error)})`;
        found.set(method, [...found.get(method) ?? [], what]);
      }
    }
    return [...found].map(([method, at]) =>
      `Worse than random${about(name, groups)}: ${method} loses more than blocks drawn at random at density ${
        listed(at)
      }.`
    );
  });
}

/** Which method has the least mean error at each density. */
function winners(rows: readonly ReportRow[]): string[] {
  const groups = groupsByGranularity(axisGroups(sparseRows(rows)))
    .filter(({ rows: group }) => methodsOf(group).length > 1);
  return groups.map(({ name, rows: group }) => {
    const best = [...Map.groupBy(densitiesOf(group), (density) => bestAt(group, density))];
    const parts = best.map(([methods, at]) =>
      methods === ""
        ? `not comparable at ${listed(at.map(String))}, where the method of the least error read more`
        : `${methods} at ${listed(at.map(String))}`
    );
    return `Least error at the same density${name === "" ? "" : ` (${name})`}: ${parts.join("; ")}.`;
  });
}

/** Means that differ by less than this share are no difference. */
const SAME_ERROR = 1e-3;

/**
 * The methods with the least mean error at a requested density; empty if only one method kept to it, and another one has
 * less error.
 */
function bestAt(rows: readonly ReportRow[], density: number): string {
  const all = meansAt(rows, density), means = notDenser(all, ({ reached }) => reached);
  const least = Math.min(...means.map(({ error }) => error));
  if (means.length === 1 && all.some(({ error }) => error < least)) return "";
  return listed(means.filter(({ error }) => error <= least * (1 + SAME_ERROR)).map(({ method }) => method));
}
