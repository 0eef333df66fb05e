/**
 * What a run says, in sentences: whether every kernel is right, what sparsity costs, and who wins where.
 *
 * @module
 */
import type { ReportRow } from "./rows.ts";
import { showNumber } from "../text/number.ts";
import { formatNumber } from "./html.ts";
import { axesOf, densitiesOf, meanOf, methodsOf } from "./rows.ts";

/** The verdict of a run. */
export interface Verdict {
  /** Whether no kernel was out of its bound. */
  readonly right: boolean;
  /** The sentences, most important first. */
  readonly sentences: readonly string[];
}

/**
 * The verdict of a run.
 *
 * @param rows all rows of the run
 *
 * @example
 * ```ts
 * import { verdict } from "./verdict.ts";
 * console.log(verdict([]).sentences[0]); // "No kernel ran: these rows are the reference's alone."
 * ```
 */
export function verdict(rows: readonly ReportRow[]): Verdict {
  const wrong = rows.filter(({ status }) => status === "wrong");
  return {
    right: wrong.length === 0,
    sentences: [kernels(rows, wrong), cost(rows), ...winners(rows)].filter((sentence) => sentence !== ""),
  };
}

function kernels(rows: readonly ReportRow[], wrong: readonly ReportRow[]): string {
  const judged = rows.filter(({ kernel_rel_l2 }) => kernel_rel_l2 !== null);
  if (judged.length === 0) return "No kernel ran: these rows are the reference's alone.";
  const worst = Math.max(...judged.map(({ kernel_rel_l2 }) => kernel_rel_l2 ?? 0));
  const figure = `the largest relative error against the reference of the same levels is ${
    formatNumber(worst)
  }`;
  if (wrong.length === 0) {
    return `Every kernel output is within its derived bound (${judged.length} rows; ${figure}).`;
  }
  return `${wrong.length} of ${judged.length} kernel outputs are out of their bounds, first "${
    wrong[0].case
  }"; ${figure}.`;
}

function cost(rows: readonly ReportRow[]): string {
  const psa = rows.filter(({ method, rel_l2 }) => method === "psa" && rel_l2 !== null);
  const densities = densitiesOf(psa);
  if (densities.length === 0) return "";
  const parts = densities.filter((density) => density < 1).map((density, i) => {
    const at = psa.filter(({ density_requested }) => density_requested === density);
    const error = `a relative error of ${showNumber(meanOf(at.map(({ rel_l2 }) => rel_l2)))}`;
    const faster = meanOf(at.map(({ speedup }) => speedup));
    if (Number.isNaN(faster)) return `at density ${density} ${error}`;
    const than = i === 0 ? " as fast as our dense kernel" : " as fast";
    return `at density ${density} it is ${showNumber(faster)} times${than}, at ${error}`;
  });
  return parts.length === 0
    ? ""
    : `What PSA gains and what it costs, on average over the inputs: ${parts.join("; ")}.`;
}

/** For each order and importance: which method has the least mean error at each density. */
function winners(rows: readonly ReportRow[]): string[] {
  const sparse = rows.filter(({ method, rel_l2 }) => method !== "dense" && rel_l2 !== null);
  if (methodsOf(sparse).length < 2) return [];
  return [...Map.groupBy(sparse, axesOf(rows))].map(
    ([axis, group]) => {
      const densities = densitiesOf(group).filter((density) => density < 1);
      const best = [...Map.groupBy(densities, (density) => bestAt(group, density))];
      const parts = best.map(([method, at]) => `${method} at ${at.join(", ")}`);
      return best.length === 0 ? "" : `Least error${axis && ` with ${axis}`}: ${parts.join("; ")}.`;
    },
  );
}

/** The method with the least mean error among those that were asked for a density. */
function bestAt(rows: readonly ReportRow[], density: number): string {
  const at = rows.filter(({ density_requested }) => density_requested === density);
  const means = [...Map.groupBy(at, ({ method }) => method)].map(([method, own]) =>
    [method, meanOf(own.map(({ rel_l2 }) => rel_l2))] as const
  );
  const [method] = means.reduce((least, each) => each[1] < least[1] ? each : least);
  return method;
}
