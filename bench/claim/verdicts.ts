/**
 * Verdicts on cells of the claim: heads have to agree, and a t-test over their ratios is corrected for the number of
 * cells.
 *
 * @module
 */
import { estimateMedian, type MedianEstimate } from "../timing/statistics.ts";

/**
 * The verdict on a cell: PSA has less error, more, no difference beyond noise; or the two methods have no cost in
 * common.
 */
export type CellVerdict = "win" | "loss" | "tie" | "apart";

/** The statistics of ratios of errors. */
export interface Judgement {
  /** Error of PSA over error of the other method for each head where they can be compared. */
  readonly ratios: readonly number[];
  /** The median of the ratios; NaN if there is none. */
  readonly median: number;
  /** The 95 % interval of this median, of this cell alone. */
  readonly low: number;
  readonly high: number;
  /**
   * The chance of ratios that lie as far on one side, if they were 1 on the mean: Student's t-test on their logarithms,
   * two-sided. 1 where the sign test alone would not tell a difference, and where there is no ratio.
   */
  readonly p: number;
  /** The verdict. */
  readonly verdict: CellVerdict;
}

/** The confidence of intervals. */
const CONFIDENCE = 0.95;
/** The share of wrong verdicts among wins and losses that is allowed. */
const FALSE_SHARE = 0.05;
/** Ratios that are no further from 1 than this are no difference. */
const SAME = 1e-3;

/**
 * Judges ratios of errors, one for each head, before the number of cells is taken into account.
 *
 * Two tests have to agree. The sign test assumes nothing of the distribution of ratios, but with six heads its chance
 * cannot be below 2 / 64, which a correction for hundreds of cells never accepts. Student's t-test on the logarithms of
 * the ratios has no such limit; it takes them as about normal, and one head with a ratio far off cannot make a verdict.
 *
 * @param ratios error of PSA over error of the other method
 * @param bounds the ratios if all costs are wrong to PSA's advantage, and to its disadvantage; default they are right
 * @returns a win or a loss where both tests alone would give it: chances of at most .05
 *
 * @example
 * ```ts
 * import { judgeRatios } from "./verdicts.ts";
 * console.log(judgeRatios([0.7, 0.8, 0.9, 0.8, 0.7, 0.6]).verdict); // win
 * console.log(judgeRatios([0.7, 0.8]).verdict); // tie
 * ```
 */
export function judgeRatios(
  ratios: readonly number[],
  { least = ratios, most = ratios }: {
    readonly least?: readonly number[];
    readonly most?: readonly number[];
  } = {},
): Judgement {
  if (ratios.length === 0) return { ratios, median: NaN, low: NaN, high: NaN, p: 1, verdict: "apart" };
  const { median } = headMedian(ratios), { low } = headMedian(least), { high } = headMedian(most);
  const win = chanceBelow(most.map(Math.log)), loss = chanceBelow(least.map((ratio) => -Math.log(ratio)));
  const p = Math.min(win, loss), allowed = 1 - CONFIDENCE;
  return { ratios, median, low, high, p, verdict: p > allowed ? "tie" : win < loss ? "win" : "loss" };
}

/** The chance of logarithms that lie as far below 0 as these, two-sided; 1 if the sign test sees no difference. */
function chanceBelow(logs: readonly number[]): number {
  const n = logs.length, mean = logs.reduce((sum, log) => sum + log, 0) / n;
  const agree = logs.filter((log) => log < -Math.log1p(SAME)).length;
  if (mean >= 0 || signTest(agree, n) > 1 - CONFIDENCE) return 1;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (n - 1);
  return studentChance(-mean / Math.sqrt(variance / n), n - 1);
}

/**
 * The chance that a number of Student's distribution lies further from 0 than `t`, on either side; closed sums for whole
 * degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4).
 *
 * @param t at least 0, or Infinity
 * @param freedom degrees of freedom, a whole number of at least 1
 *
 * @example
 * ```ts
 * import { studentChance } from "./verdicts.ts";
 * console.log(studentChance(2.5706, 5).toFixed(4)); // 0.0500
 * ```
 */
export function studentChance(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom)), sin = Math.sin(angle), cos = Math.cos(angle);
  const isOdd = freedom % 2 === 1;
  let term = isOdd ? cos : 1, sum = freedom === 1 ? 0 : term;
  for (let k = isOdd ? 3 : 2; k < freedom; k += 2) {
    term *= (k - 1) / k * cos ** 2;
    sum += term;
  }
  const inside = isOdd ? 2 / Math.PI * (angle + sin * sum) : sin * sum;
  return Math.max(0, 1 - inside);
}

/** The chance, doubled for two sides, that at least `count` of `heads` fair coins show heads; at most 1. */
function signTest(count: number, heads: number): number {
  let chance = 0;
  for (let k = heads, ways = 1; k >= count; ways *= k / (heads - k + 1), k--) chance += ways * 2 ** -heads;
  return Math.min(1, 2 * chance);
}

/**
 * Corrects verdicts for their number. Of hundreds of cells without a difference one in twenty would be called a win or a
 * loss, were each tested alone. Here the verdicts with the smallest chances stay as long as the k-th smallest of n is at
 * most .05 k / n (Benjamini and Hochberg), so that of all wins and losses that are told at most one in twenty is
 * expected to be wrong; the other verdicts become ties. It holds for cells that depend on each other positively, as
 * those of one head at neighbouring densities do.
 *
 * @param cells all cells of one footing; those that are `apart` do not count
 *
 * @example
 * ```ts
 * import { correctVerdicts, judgeRatios } from "./verdicts.ts";
 * const clear = judgeRatios([0.7, 0.8, 0.9, 0.8, 0.7, 0.6]), none = judgeRatios([0.9, 1.1]);
 * console.log(correctVerdicts([clear, clear]).map(({ verdict }) => verdict)); // ["win", "win"]
 * console.log(correctVerdicts([clear, none, none]).map(({ verdict }) => verdict)); // ["win", "tie", "tie"]
 * ```
 */
export function correctVerdicts<Cell extends Judgement>(cells: readonly Cell[]): Cell[] {
  const chances = cells.filter(({ verdict }) => verdict !== "apart").map(({ p }) => p).sort((a, b) => a - b);
  const last = chances.findLastIndex((p, k) => p <= FALSE_SHARE * (k + 1) / chances.length);
  const limit = last < 0 ? -1 : chances[last];
  return cells.map((cell) =>
    cell.verdict === "apart" || cell.p <= limit ? cell : { ...cell, verdict: "tie" }
  );
}

/**
 * The median over heads, with its interval.
 *
 * @param values a value for each head, at least one
 *
 * @example
 * ```ts
 * import { headMedian } from "./verdicts.ts";
 * console.log(headMedian([1, 2, 3]).median); // 2
 * ```
 */
export function headMedian(values: readonly number[]): MedianEstimate {
  return estimateMedian(values, CONFIDENCE);
}
