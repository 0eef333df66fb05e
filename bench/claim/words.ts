/**
 * The texts of docs/claim.md that no number changes.
 *
 * @module
 */
import type { Footing } from "./cells.ts";

/**
 * How comparisons are made, as paragraphs in Markdown.
 *
 * @example
 * ```ts
 * import { HOW } from "./words.ts";
 * console.log(HOW[0]); // ## How it is decided
 * ```
 */
export const HOW: readonly string[] = [
  "## How it is decided",
  "",
  "**A comparison.** Every head of every input is one measurement. The other method has an error at the density (or time) " +
  "that it **reached**. PSA's error at the same density (or time), on the same head and in the same order, is read from " +
  "PSA's own points, along a straight line on logarithmic axes. A head is left out where PSA's points do not reach that " +
  "density or time, with a margin of 2 %. The two errors give one ratio per head.",
  "",
  "**Its verdict.** Two tests over heads have to agree. The sign test (95 %) assumes nothing of the distribution of the " +
  "ratios: with six or seven heads, all must lie on one side. Student's t-test on the logarithms of the ratios takes them " +
  "as about normal, and gives the chance that is corrected for the number of comparisons: of hundreds of tests some " +
  "would pass by chance. Therefore verdicts are accepted in the order of their chance, as long as at most one in twenty " +
  "of those accepted is expected to be wrong (Benjamini and Hochberg, over all comparisons at equal density, and so on). " +
  "All others are called no difference beyond noise. (The sign test alone cannot be corrected: with six heads its chance " +
  "is never below 1 in 32.) Heads of one layer count as independent, which they may not be. The intervals in the tables " +
  "are those of each comparison alone. Errors below 1e-5 count as rounding, and ratios within a thousandth of 1 as no " +
  "difference.",
  "",
  "**Times.** Single times are noisy, so times are read from fitted lines. On heads of equal sizes the time of a kernel is " +
  "a constant plus a slope times the density; a head that was slow throughout is corrected for that. Methods that choose " +
  "full blocks in the same order run the same kernel on the same kind of lists, and share one line; every other method " +
  "has its own. Outliers bend the lines little. The error of the ratio of two such times is estimated by leaving out one " +
  "head after the other (a jackknife, 95 %). It affects all heads alike, so a verdict has to hold if times are wrong by " +
  "as much in either direction.",
  "",
  "**What is compared with what.** Causal calls have blocks that are forced, so that methods read more than they were " +
  "asked to; that is why the density reached decides. `psa` and `block-topk` have the same importance: sampled, or " +
  "antidiagonal in causal calls. `sta` and `draft` cut tiles of their own and stand beside PSA in the order `tile`. " +
  "`psa-released` has one density of its own, in the first column. Different orders are never compared. There was one " +
  "run, with one seed.",
];

/**
 * A note for each thing that two methods can share.
 *
 * @example
 * ```ts
 * import { NOTES } from "./words.ts";
 * console.log(Object.keys(NOTES)); // ["density", "time", "cost"]
 * ```
 */
export const NOTES: Record<Footing, readonly string[]> = {
  density: ["Both methods read as much; the cost of choosing is not counted."],
  time: [
    "**Measured**: milliseconds of our kernels with levels given. The cost of choosing is not in them, nor what `rectified` " +
    "adds afterwards. A method with a star was run by no kernel and is compared at density + selection cost, which is " +
    "**computed, not measured**. PSA's kernels build their pyramid first; a mask at a low density can therefore take less " +
    "time than PSA at any density that was run, and then there is no comparison.",
  ],
  cost: [
    "**Computed, not measured**: density plus the operations of choosing over those of dense attention. A method that " +
    "chooses cheaply may read more.",
  ],
};
