/**
 * The proof of what was chosen, on inputs that the choice has not seen: errors beside those of `psa` and
 * others, with intervals over heads and inputs.
 *
 * @module
 */
import type { OrderName } from "../../reference/config/tuned.ts";
import { requireInput } from "../../reference/errors.ts";
import { studentQuantile } from "../../reference/judge/sampled_rows.ts";
import { showNumber } from "../text/number.ts";
import { type Baseline, BASELINES, type HeadMeasure, type Measurement } from "./measure.ts";
import type { Candidate } from "./space.ts";

/** The names of what a proof compares. */
export const PROVED = ["tuned", ...BASELINES] as const;
/** The sides of a proof. */
export type Proved = "tuned" | Baseline;

/** One head of one held-out input: what each of them did; null where choosing alone costs more than the budget. */
export interface ProofPair {
  /** The name of the input. */
  readonly input: string;
  /** The head. */
  readonly head: number;
  /** The measurements of the tuned choice and of its baselines. */
  readonly measured: Readonly<Record<Proved, Measurement | null>>;
}

/** A mean with its interval of 95 %. */
export interface Interval {
  /** The geometric mean. */
  readonly mean: number;
  /** The lower end; 0 if there is one value alone. */
  readonly low: number;
  /** The upper end; Infinity if there is one value alone. */
  readonly high: number;
}

/** The tuned choice against `psa`: better or worse beyond the interval, or neither. */
export type TunedVerdict = "better" | "worse" | "no difference";

/** One line of a proof. */
export interface ProofLine {
  /** The side that was compared. */
  readonly name: Proved;
  /** Its error over heads and inputs. */
  readonly error: Interval;
  /** Its error over that of `psa`, pair by pair. */
  readonly ratio: Interval;
  /** The mean density that it reached. */
  readonly density: number;
  /** The mean of what counts against the budget. */
  readonly cost: number;
}

/** A proof. */
export interface Proof {
  /** Heads of held-out inputs. */
  readonly pairs: number;
  /** The line of everything that could be had. */
  readonly lines: readonly ProofLine[];
  /** The error of the tuned choice over that of `psa`, pair by pair. */
  readonly ratio: Interval;
  /** The verdict on the ratio. */
  readonly verdict: TunedVerdict;
}

/** Errors below this are rounding in float64. */
const FLOOR = 1e-12;

/**
 * The geometric mean of values with the interval of 95 % of Student's distribution over their logarithms. Each value
 * counts as one observation, independent of the others.
 *
 * @param values at least one, not negative; what is below 1e-12 counts as 1e-12
 *
 * @example
 * ```ts
 * import { geometricMean } from "./proof.ts";
 * const { mean, low, high } = geometricMean([0.5, 0.5, 2, 2]);
 * console.log(mean, low.toFixed(2), high.toFixed(2)); // 1 0.28 3.57
 * ```
 */
export function geometricMean(values: readonly number[]): Interval {
  const logs = values.map((value) => Math.log(Math.max(value, FLOOR))), n = logs.length;
  const mean = logs.reduce((sum, log) => sum + log, 0) / n;
  if (n === 1) return { mean: Math.exp(mean), low: 0, high: Infinity };
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / (n - 1);
  const half = studentQuantile(n - 1) * Math.sqrt(variance / n);
  return { mean: Math.exp(mean), low: Math.exp(mean - half), high: Math.exp(mean + half) };
}

/**
 * Measures one head of a held-out input.
 *
 * @param measure the head
 * @param chosen what was chosen for it
 * @param options the head's number, the order of what it stands beside, rows of a query block
 */
export async function provePair(
  measure: HeadMeasure,
  chosen: Candidate,
  { head, order, rows }: { readonly head: number; readonly order: OrderName; readonly rows: number },
): Promise<ProofPair> {
  const measured: Partial<Record<Proved, Measurement | null>> = { tuned: await measure.chosen(chosen, rows) };
  for (const name of BASELINES) measured[name] = await measure.baseline(name, order, rows);
  return { input: measure.input, head, measured: measured as ProofPair["measured"] };
}

/**
 * The conclusion from heads of held-out inputs.
 *
 * @param pairs what each of them did, at least one
 * @throws {InputError} if there is no pair, or `psa` cannot be had at the budget
 *
 * @example
 * ```ts
 * import { type ProofPair, proofOf } from "./proof.ts";
 * const at = (error: number) => ({ error, asked: 0.1, density: 0.1, cost: 0.1 });
 * const pairs = [0.5, 0.52, 0.48].map((error, head): ProofPair => ({
 *   ...{ input: "a", head },
 *   measured: { tuned: at(error), psa: at(1), "block-topk": at(1), "pooled-topk-mean": at(1), random: null },
 * }));
 * console.log(proofOf(pairs).verdict); // better
 * ```
 */
export function proofOf(pairs: readonly ProofPair[]): Proof {
  requireInput(pairs.length > 0, "There is no held-out input: nothing to prove on.");
  const without = pairs.find(({ measured: { tuned, psa } }) => tuned === null || psa === null);
  requireInput(
    without === undefined,
    () =>
      `--density is too small on ${
        without!.input
      } for --budget cost: choosing alone costs as much; give more.`,
  );
  const lines = PROVED.flatMap((name): ProofLine[] => {
    const all = pairs.map(({ measured }) => measured[name]).filter((each) => each !== null);
    if (all.length < pairs.length) return [];
    const mean = (field: "density" | "cost") => all.reduce((sum, each) => sum + each[field], 0) / all.length;
    const error = geometricMean(all.map((each) => each.error)), ratio = ratioOf(pairs, name);
    return [{ name, error, ratio, density: mean("density"), cost: mean("cost") }];
  });
  const ratio = ratioOf(pairs, "tuned");
  const verdict = ratio.high < 1 ? "better" : ratio.low > 1 ? "worse" : "no difference";
  return { pairs: pairs.length, lines, ratio, verdict };
}

/** The error of what all pairs have over that of `psa`, pair by pair. */
function ratioOf(pairs: readonly ProofPair[], name: Proved): Interval {
  const floored = (measured: Measurement | null) => Math.max(measured!.error, FLOOR);
  return geometricMean(pairs.map(({ measured }) => floored(measured[name]) / floored(measured.psa)));
}

/**
 * The verdict as a sentence.
 *
 * @param proof the proof
 *
 * @example
 * ```ts
 * import { verdictSentence } from "./proof.ts";
 * const ratio = { mean: 0.8, low: 0.7, high: 0.9 };
 * console.log(verdictSentence({ pairs: 4, lines: [], ratio, verdict: "better" }).split(":")[0]); // Tuned beats psa beyond the interval
 * ```
 */
export function verdictSentence({ pairs, ratio: { mean, low, high }, verdict }: Proof): string {
  const says = {
    better: "Tuned beats psa beyond the interval",
    worse: "Tuned is worse than psa beyond the interval: use psa",
    "no difference": "Tuned does not beat psa beyond the interval",
  }[verdict];
  const interval = pairs === 1
    ? "one head of one input gives no interval"
    : `95 % interval ${showNumber(low)} to ${showNumber(high)}`;
  return `${says}: its error is ${
    showNumber(mean)
  } times that of psa on held-out inputs (${interval}; heads of inputs: ${pairs}).`;
}
