/**
 * Relative errors from a sample of query rows, where the truth of all rows would take hours.
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { requireBlock } from "../pyramid/pyramid.ts";
import { seededRandom } from "../random.ts";
import type { AttentionShape } from "../tensor.ts";

/** How sampled rows stand for all rows: rows of a stratum stand for all rows of that stratum. */
export interface Strata {
  /** The stratum of every sampled row; rows of a stratum follow one another. */
  readonly of: readonly number[];
  /** How many rows every stratum has in all. */
  readonly sizes: readonly number[];
}

/** A sample of query rows. */
export interface SampledRows {
  /** For every (batch, head), its query tokens in ascending order: what `attentionRows` takes. */
  readonly rows: readonly (readonly number[])[];
  /** A stratum for each query block of each head; the rows of all heads one after the other. */
  readonly strata: Strata;
}

/**
 * Draws query rows, the same number in every query block of every head, without replacement. A block that has fewer
 * rows gives all of them.
 *
 * @param shape batch, heads and query tokens
 * @param blockM query block size in tokens
 * @param options the seed (default 0) and the rows a block (default 1)
 * @throws {InputError} if a size is not a positive integer or the seed is not a whole number
 *
 * @example
 * ```ts
 * import { sampleQueryRows } from "./sampled_rows.ts";
 * const { rows, strata } = sampleQueryRows({ batch: 1, heads: 2, seqQ: 40 }, 16, { perBlock: 2 });
 * console.log(rows[1].length, strata.sizes); // 6 [16, 16, 8, 16, 16, 8]
 * ```
 */
export function sampleQueryRows(
  { batch, heads, seqQ }: Pick<AttentionShape, "batch" | "heads" | "seqQ">,
  blockM: number,
  { seed = 0, perBlock = 1 }: { readonly seed?: number; readonly perBlock?: number } = {},
): SampledRows {
  for (const [name, size] of Object.entries({ batch, heads, seqQ, blockM, perBlock })) {
    requireBlock(name, size);
  }
  const of: number[] = [], sizes: number[] = [];
  const rows = Array.from({ length: batch * heads }, (_, head) => {
    const random = seededRandom(seed, head), drawn: number[] = [];
    for (let first = 0; first < seqQ; first += blockM) {
      const range = Array.from({ length: Math.min(blockM, seqQ - first) }, (_, i) => first + i);
      const taken = Math.min(perBlock, range.length);
      for (let i = 0; i < taken; i++) {
        const other = i + random.below(range.length - i);
        [range[i], range[other]] = [range[other], range[i]];
        of.push(sizes.length);
      }
      drawn.push(...range.slice(0, taken).sort((a, b) => a - b));
      sizes.push(range.length);
    }
    return drawn;
  });
  return { rows, strata: { of, sizes } };
}

/** A relative error that was estimated from sampled rows. */
export interface ErrorEstimate {
  /** The estimate of ||error|| / ||truth|| over all rows. */
  readonly relL2: number;
  /** The lower end of its interval of 95 %. */
  readonly low: number;
  /** The upper end. */
  readonly high: number;
}

/** Rows of one or several strata, from whose spread a variance is estimated. */
interface Group {
  /** Squared errors and squared norms, each times the rows that its row stands for. */
  readonly terms: { readonly error: number; readonly norm: number }[];
  /** How many rows the group has in all. */
  size: number;
}

/** Fewest rows in a group: strata of fewer are joined with those that follow. */
const FEWEST = 4;

/** With a probability of .975, at most this many rows for each sampled one are larger than all sampled ones. */
const UNSEEN = -Math.log(0.025);

/** Fewest rows that tell how the largest errors fall off. */
const TAIL_ROWS = 4;

/**
 * The relative L2 error over all rows from that of sampled ones: the ratio estimate of a stratified sample, with an
 * interval of 95 %.
 *
 * A row's squared error and squared norm count as often as there are rows of its stratum for each sampled one; the
 * estimate is the root of the ratio of the two sums. The interval is taken on the logarithm of the ratio: its variance
 * is that of the jackknife, which leaves out one row at a time and lets the other rows of its group stand for it, with
 * the correction for samples of a finite group. Groups are strata, joined with the following ones until they hold four
 * rows (which overstates the variance where strata differ). The half-width is Student's quantile at the degrees of
 * freedom of Satterthwaite, rounded down, times the root of the variance.
 *
 * Errors of rows have long tails, and a sample that holds none of the worst rows knows nothing of them from its
 * variance. So the upper end allows for rows that are larger than all sampled ones: with a probability of .975 these
 * stand for less than 3.7 sampled rows, and their size follows from the fall of the largest tenth (Hill's estimate).
 * On traces and videos intervals hold the truth in 95 % of the draws or more. Where a few rows of a thousand hold half
 * of the error (the workload `sinks` at 1024 tokens), they hold it in 84 to 94 % of the draws.
 *
 * @param errors2 the squared L2 norm of the error of every sampled row
 * @param norms2 the squared L2 norm of the truth of the same rows
 * @param strata how they stand for all rows: what {@link sampleQueryRows} gives
 * @throws {InputError} if lengths differ, a number is negative or not finite, or a stratum has no sampled row
 *
 * @example
 * ```ts
 * import { estimateRelativeError } from "./sampled_rows.ts";
 * const strata = { of: [0, 0, 1, 1], sizes: [8, 8] };
 * console.log(estimateRelativeError([4, 4, 4, 4], [16, 16, 16, 16], strata)); // { relL2: 0.5, low: 0.5, high: 0.5 }
 * ```
 */
export function estimateRelativeError(
  errors2: ArrayLike<number>,
  norms2: ArrayLike<number>,
  strata: Strata,
): ErrorEstimate {
  requireSample(errors2, norms2, strata);
  const groups = joinStrata(errors2, norms2, strata);
  const total = (part: "error" | "norm") =>
    groups.reduce((sum, { terms }) => terms.reduce((more, term) => more + term[part], sum), 0);
  const error = total("error"), norm = total("norm");
  if (error === 0) return { relL2: 0, low: 0, high: 0 };
  const relL2 = Math.sqrt(error / norm);
  if (norm === 0) return { relL2, low: relL2, high: relL2 };
  const unseen = UNSEEN * unseenError(groups);
  let variance = 0, squares = 0;
  for (const group of groups) {
    const part = jackknife(group, { error, norm });
    variance += part;
    squares += part ** 2 / Math.max(1, group.terms.length - 1);
  }
  if (variance === 0) return { relL2, low: relL2, high: relL2 };
  if (variance === Infinity) return { relL2, low: 0, high: Infinity }; // one row does not tell how rows differ
  const half = studentQuantile(Math.floor(variance ** 2 / squares + 1e-9)) * Math.sqrt(variance) / 2;
  return {
    relL2,
    low: relL2 * Math.exp(-half),
    high: relL2 * Math.sqrt(Math.exp(2 * half) + unseen / error),
  };
}

/** The size of a row that is larger than all sampled ones, after the tail of their distribution (Hill's estimate). */
function unseenError(groups: readonly Group[]): number {
  const errors = groups.flatMap(({ terms, size }) =>
    terms.length < size ? terms.map(({ error }) => error) : []
  )
    .sort((a, b) => b - a);
  const tail = Math.min(errors.length - 1, Math.max(TAIL_ROWS, Math.ceil(errors.length / 10)));
  if (tail < 1 || errors[tail] === 0) return errors[0] ?? 0;
  const excess = errors.slice(0, tail).reduce((sum, error) => sum + Math.log(error / errors[tail]), 0) / tail;
  return errors[0] * Math.exp(excess);
}

/** The share of a group in the variance of the logarithm of the ratio. */
function jackknife({ terms, size }: Group, { error, norm }: { error: number; norm: number }): number {
  const n = terms.length;
  if (n === size) return 0; // all rows are known
  if (n === 1) return Infinity;
  const sum = (part: "error" | "norm") => terms.reduce((total, term) => total + term[part], 0);
  const errors = sum("error"), norms = sum("norm");
  const logs = terms.map((term) => {
    const withoutError = error - errors + (errors - term.error) * n / (n - 1);
    const withoutNorm = norm - norms + (norms - term.norm) * n / (n - 1);
    return Math.log(Math.max(withoutError, Number.MIN_VALUE) / withoutNorm);
  });
  const mean = logs.reduce((total, log) => total + log, 0) / n;
  const spread = logs.reduce((total, log) => total + (log - mean) ** 2, 0);
  return (1 - n / size) * (n - 1) / n * spread;
}

/** Strata in turn, joined until each group holds enough rows; what is left at the end joins the last group. */
function joinStrata(errors2: ArrayLike<number>, norms2: ArrayLike<number>, { of, sizes }: Strata): Group[] {
  const counts = sizes.map(() => 0);
  for (const stratum of of) counts[stratum]++;
  const groups: Group[] = [];
  for (let row = 0; row < of.length; row++) {
    const stratum = of[row], isNew = row === 0 || of[row - 1] !== stratum;
    const open = groups.at(-1);
    const isFull = open === undefined || open.terms.length >= FEWEST || open.terms.length === open.size;
    if (isNew && isFull) groups.push({ terms: [], size: 0 });
    const group = groups[groups.length - 1], weight = sizes[stratum] / counts[stratum];
    if (isNew) group.size += sizes[stratum];
    group.terms.push({ error: errors2[row] * weight, norm: norms2[row] * weight });
  }
  const last = groups.at(-1)!;
  if (groups.length > 1 && last.terms.length < FEWEST && last.terms.length < last.size) {
    groups.pop();
    groups[groups.length - 1].terms.push(...last.terms);
    groups[groups.length - 1].size += last.size;
  }
  return groups;
}

/** The quantile .975 of Student's distribution: exact for 1 and 2, else Hill's expansion (3e-3 off at 3). */
function studentQuantile(freedom: number): number {
  if (freedom <= 1) return 12.7062047;
  if (freedom === 2) return 4.3026527;
  const terms = [1.959964, 2.3722712, 2.8224986, 2.5558497, 1.5895341];
  return terms.reduce((sum, term, power) => sum + term / freedom ** power, 0);
}

/** Throws unless a sample is one. */
function requireSample(errors2: ArrayLike<number>, norms2: ArrayLike<number>, { of, sizes }: Strata): void {
  requireInput(
    errors2.length === of.length && norms2.length === of.length && of.length > 0,
    () =>
      `There are ${errors2.length} errors, ${norms2.length} norms and ${of.length} strata of rows; there should be one of each for every row.`,
  );
  for (const [name, numbers] of [["errors2", errors2], ["norms2", norms2]] as const) {
    const wrong = Array.from(numbers).find((number) => !(number >= 0 && number < Infinity));
    requireInput(
      wrong === undefined,
      () => `\`${name}\` holds ${wrong}; it should hold finite numbers that are not negative.`,
    );
  }
  const hit = new Set(of), empty = sizes.findIndex((_, stratum) => !hit.has(stratum));
  requireInput(empty < 0, () => `Stratum ${empty} has no sampled row; every stratum should have one.`);
}
