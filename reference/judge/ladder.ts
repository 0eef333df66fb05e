/**
 * Judges results against a ladder of arithmetics: the strictest that explains them is the verdict.
 *
 * @module
 */
import { InputError, requireInput } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { type KernelDType, ladderOf } from "./arithmetic.ts";
import { compare } from "./metrics.ts";
import type { TensorTolerance } from "./element_tolerance.ts";
import type { PartJudge, PartShare } from "./parts.ts";

/** A bound with optional members: `lse`, for example, has no relative bound. */
export interface PartialTolerance extends Partial<TensorTolerance> {
  /** The judge of the tensor's heads, blocks, rows and elements; left out: only the whole is judged. */
  readonly parts?: PartJudge;
}

/**
 * Whether a bound can tell a right result from zeros. A bound that is missing, not finite, or accepts zeros in place
 * of a nonzero truth cannot: its tensor is neither right nor wrong. Where zeros pass as a whole, one part in which they
 * do not is enough.
 *
 * @param bound the bound; a member that does not apply is left out
 * @param truth the truth of the tensor
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { judges } from "./ladder.ts";
 * console.log(judges({ relL2: 22, maxAbs: 80 }, tensor(new Float64Array([3, 4]), [2]))); // false
 * ```
 */
export function judges(bound: PartialTolerance | undefined, truth: Tensor): boolean {
  if (bound === undefined || !applies(bound)) return false;
  return judgesWhole(bound, truth) || (bound.parts?.(zerosFor(truth), truth, { any: true })?.share ?? 0) > 1;
}

/** Whether a bound is there and finite. */
function applies({ relL2, maxAbs }: PartialTolerance): boolean {
  const limits = [relL2, maxAbs].filter((limit) => limit !== undefined);
  return limits.length > 0 && limits.every(Number.isFinite);
}

/** Whether zeros are beyond the bound of a whole tensor, or right. */
function judgesWhole({ relL2 = Infinity, maxAbs = Infinity }: PartialTolerance, truth: Tensor): boolean {
  const { largest } = sizeOf(truth.data);
  return largest === 0 || relL2 < 1 || maxAbs < largest;
}

/** Zeros in place of the finite numbers of a truth: all, or those from one place to another; the others are right. */
function zerosFor({ data, shape }: Tensor, from = 0, end = data.length): Tensor {
  const zeros = Float64Array.from(data, (x, at) => at < from || at >= end || !Number.isFinite(x) ? x : 0);
  return { data: zeros, shape };
}

/** The sum of the squares of the finite numbers, and the largest of their sizes. */
function sizeOf(data: ArrayLike<number>): { readonly norm2: number; readonly largest: number } {
  let norm2 = 0, largest = 0;
  for (let at = 0; at < data.length; at++) {
    const x = Math.abs(data[at]);
    if (!Number.isFinite(x)) continue;
    norm2 += x * x;
    largest = Math.max(largest, x);
  }
  return { norm2, largest };
}

/**
 * The heads that a bound with parts does not judge although it judges the tensor: zeros would pass there, in the whole
 * and in every part.
 *
 * @param bound the bound, which {@link judges} the tensor
 * @param truth the truth, [batch, heads, …]
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { unjudgedHeads } from "./ladder.ts";
 * const worst = { head: 1, share: 2, error: 4, bound: 2, absolute: true };
 * const parts = (got: { readonly data: ArrayLike<number> }) => got.data[1] === 0 ? worst : undefined;
 * console.log(unjudgedHeads({ relL2: 22, parts }, tensor(new Float64Array([3, 4]), [1, 2, 1]))); // [ 0 ]
 * ```
 */
export function unjudgedHeads(bound: PartialTolerance, truth: Tensor): number[] {
  const { relL2 = Infinity, maxAbs = Infinity, parts } = bound, { data } = truth, { norm2 } = sizeOf(data);
  const heads = truth.shape[0] * truth.shape[1], size = data.length / heads;
  return Array.from({ length: parts === undefined ? 0 : heads }, (_, head) => head).filter((head) => {
    const own = sizeOf(data.subarray(head * size, (head + 1) * size));
    if (own.largest === 0 || own.largest > maxAbs || own.norm2 > relL2 ** 2 * norm2) return false;
    const got = zerosFor(truth, head * size, (head + 1) * size);
    return !((parts!(got, truth, { any: true })?.share ?? 0) > 1);
  });
}

/** A result and its truth, by the tensor's name. */
export type Results = Readonly<Record<string, { readonly got: Tensor; readonly want: Tensor }>>;

/** How a ladder is climbed. */
export interface LadderOptions {
  /** The element type, which names the ladder. */
  readonly dtype: KernelDType;
  /** The bounds of each tensor in an arithmetic; called from strict to loose, and no further than needed. */
  readonly boundOf: (arithmetic: string) => Readonly<Record<string, PartialTolerance>>;
  /** The loosest arithmetic that is accepted; default: the last of the ladder. */
  readonly require?: string;
  /** Whether results are so far from right ones that the loosest is tried first: what it does not explain, no stricter one does. */
  readonly far?: boolean;
}

/** The verdict of a ladder on results. */
export interface LadderVerdict {
  /** The strictest arithmetic that explains the results, or the loosest that was tried. */
  readonly arithmetic: string;
  /** The largest share of a bound of that arithmetic that an error takes. */
  readonly budgetUsed: number;
  /** That arithmetic's bounds. */
  readonly bound: Readonly<Record<string, PartialTolerance>>;
  /** Whether the results are those of a right kernel in that arithmetic. */
  readonly explained: boolean;
  /** Tensors that its bounds cannot judge: see {@link judges}. They count neither for nor against. */
  readonly unjudged: readonly string[];
  /** The share that each judged tensor takes of its bounds as a whole. */
  readonly wholes: Readonly<Record<string, number>>;
  /** The part that takes most of its own bound, of each tensor that is within its bounds as a whole. */
  readonly parts: Readonly<Record<string, PartShare>>;
}

/**
 * The strictest arithmetic of a ladder that explains results. If no tensor can be judged, `explained` is false and
 * `unjudged` names them all: that is neither right nor wrong.
 *
 * @param results results and truths by name
 * @param options the ladder, and how bounds are made
 * @throws {InputError} if there are no results, shapes differ, or the ladder does not hold what is required
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { judgeLadder } from "./ladder.ts";
 * const want = tensor(new Float64Array([1]), [1]), got = tensor(new Float64Array([1.0005]), [1]);
 * const boundOf = (name: string) => ({ out: { relL2: name === "f32" ? 1e-6 : 1e-3 } });
 * console.log(judgeLadder({ out: { got, want } }, { dtype: "f32", boundOf }).arithmetic); // tf32 products
 * ```
 */
export function judgeLadder(
  results: Results,
  { dtype, boundOf, require, far = false }: LadderOptions,
): LadderVerdict {
  const ladder = ladderOf(dtype), names = ladder.map(({ name }) => name);
  requireInput(Object.keys(results).length > 0, "There are no results to judge.");
  requireInput(
    require === undefined || names.includes(require),
    () => `\`require\` is "${require}"; for ${dtype} it should be one of ${names.join(", ")}.`,
  );
  const last = require === undefined ? names.length - 1 : names.indexOf(require);
  const rung = (n: number) =>
    judgeRung(results, boundOf(names[n]), { arithmetic: names[n], any: n !== last });
  let verdict: LadderVerdict | undefined;
  for (let n = 0; n <= last; n++) {
    // what the loosest does not explain, none explains
    if (n === 0 ? far : n === 1 && !far && verdict!.budgetUsed > MUCH) {
      verdict = rung(last);
      if (!verdict.explained && verdict.unjudged.length === 0) return verdict;
    }
    verdict = rung(n);
    if (verdict.explained) return verdict;
  }
  if (verdict === undefined) throw new InputError("The ladder is empty.");
  return verdict;
}

/** How many times the strictest bounds an error is so large that a looser arithmetic often does not explain it either. */
const MUCH = 2;

/** Results against one arithmetic; if a looser one follows, any part that is wrong will do. */
function judgeRung(
  results: Results,
  bound: Readonly<Record<string, PartialTolerance>>,
  { arithmetic, any }: { readonly arithmetic: string; readonly any: boolean },
): LadderVerdict {
  const unjudged: string[] = [], wholes: Record<string, number> = {}, parts: Record<string, PartShare> = {};
  let budgetUsed = 0, judged = 0;
  for (const [name, { got, want }] of Object.entries(results)) {
    const { relL2, maxAbs, nonFinite } = compare(got, want), own = bound[name];
    if (nonFinite > 0) budgetUsed = Infinity;
    if (!judges(own, want)) {
      unjudged.push(name);
      continue;
    }
    judged++;
    const whole = wholes[name] = Math.max(share(relL2, own.relL2), share(maxAbs, own.maxAbs));
    const part = whole <= 1 ? own.parts?.(got, want, { any }) : undefined;
    if (part !== undefined) parts[name] = part;
    budgetUsed = Math.max(budgetUsed, whole, part?.share ?? 0);
  }
  return { arithmetic, budgetUsed, bound, explained: judged > 0 && budgetUsed <= 1, unjudged, wholes, parts };
}

/** The share of a bound that an error takes; 0 if the bound does not apply. */
function share(error: number, bound: number | undefined): number {
  return bound === undefined || error === 0 ? 0 : error / bound;
}
