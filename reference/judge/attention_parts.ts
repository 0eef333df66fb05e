/**
 * Bounds on the errors of parts of the outputs of attention: heads, query blocks, rows and elements.
 *
 * The errors of a whole call are known from a sample of its rows. For a part, the same sample says where the largest
 * share of a bound is to be expected; there the bounds are computed from the rows of the part itself. So a right
 * result costs little more than without parts, and no part is called wrong by an estimate from other rows.
 *
 * @module
 */
import { headOf } from "../heads.ts";
import type { Qkv, Tensor } from "../tensor.ts";
import { FAILURE, normBound } from "./concentration.ts";
import { RowBounds } from "./exact_rows.ts";
import { errorBound, relativeBound } from "./output_errors.ts";
import { type PartJudge, partOf, type PartOptions, type PartShare, rowSquares, worse } from "./parts.ts";
import { Expected, varianceOf } from "./expected_rows.ts";
import {
  attentionHeads,
  joinTolerances,
  type Tolerance,
  toleranceOfHead,
  type ToleranceOptions,
} from "./tolerance.ts";

/** The bounds of a call of attention as a whole, and the judges of the parts of its outputs. */
export interface AttentionBounds {
  /** Of whole tensors. */
  readonly whole: Tolerance;
  /** Of outputs, in the order of the blocks. */
  readonly out: PartJudge;
  /** Of log-sum-exps. */
  readonly lse: PartJudge;
}

/** Options of {@link attentionBounds}. */
export interface AttentionBoundsOptions extends ToleranceOptions {
  /** For every (batch, head), the query tokens whose rows the tensors hold, the same number of each; default all. */
  readonly held?: readonly (readonly number[])[];
  /** The number of the first head in what is said; default 0. */
  readonly firstHead?: number;
}

/** A part may be wrong if an estimate says that this share of its bound is used: it is computed. */
const LIKELY = 0.6;
/** The most heads and blocks that are computed, and rows of each. */
const MOST = 2, SPREAD = { spread: 96, longest: 32 };
/** The share of the sampled rows that may be computed beside them, and the fewest. */
const EXTRA = 1 / 16, FEWEST = 3;

/**
 * The bounds of {@link attentionTolerance}, and of parts.
 *
 * @param qkv the inputs as the kernel reads them, in the order of the blocks
 * @param levels the levels of the call
 * @param options the kernel's formats, and the options of the call
 * @throws {InputError} if the tensors disagree or an option is unknown
 *
 * @example
 * ```ts
 * import { pyramidAttention } from "../attention/attention.ts";
 * import { attentionBounds } from "./attention_parts.ts";
 * import { partName } from "./parts.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(64 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 64, 8]);
 * const levels = tensor(new Int32Array([1, 2, 2, 1]), [1, 1, 2, 2]), qkv = { q: x, k: x, v: x };
 * const options = { blockM: 32, blockN: 32, dtype: "f16" } as const;
 * const { out } = pyramidAttention(qkv, levels, options);
 * const got = { ...out, data: out.data.map((y, at) => at === 300 ? y + 0.1 : y) };
 * console.log(partName(attentionBounds(qkv, levels, options).out(got, out)!)); // head 0, row 37, channel 4
 * ```
 */
export function attentionBounds(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  options: AttentionBoundsOptions,
): AttentionBounds {
  const parts = new AttentionParts(qkv, levels, options), { firstHead = 0 } = options;
  const numbered = (part?: PartShare) => part && { ...part, head: part.head + firstHead };
  return {
    whole: parts.whole,
    out: (got, want, given) => numbered(parts.out(got, want, given)),
    lse: (got, want) => numbered(parts.lse(got, want)),
  };
}

/** The parts of a call. */
class AttentionParts {
  readonly whole: Tolerance;
  readonly #made: ReturnType<typeof attentionHeads>;
  readonly #rows: RowBounds;
  readonly #expected: Expected;
  readonly #heads: number;
  readonly #count: number;
  readonly #most: number;
  readonly #seen: readonly (readonly number[])[];
  readonly #ratios = new Map<number, number>();
  readonly #bounds = new Map<number, number>();

  constructor(
    readonly qkv: Qkv,
    levels: Tensor<Int32Array> | null,
    readonly options: AttentionBoundsOptions,
  ) {
    this.#made = attentionHeads(qkv, levels, options);
    const { call: { shape, levels: known, options: called }, parts, arithmetic, deviations } = this.#made;
    this.whole = joinTolerances(parts, arithmetic);
    this.#heads = shape.batch * shape.heads;
    const all = Array.from({ length: shape.seqQ }, (_, row) => row);
    this.#seen = options.held ?? Array.from({ length: this.#heads }, () => all);
    this.#count = this.#seen[0].length;
    this.#rows = new RowBounds(qkv, known, { ...called, arithmetic, deviations, judged: options.rowsOfHead });
    this.#expected = new Expected(parts, called.blockM);
    const sampled = parts.reduce((sum, { rows }) => sum + rows.length, 0);
    this.#most = Math.max(FEWEST, Math.ceil(EXTRA * sampled));
  }

  /** The worst part of the outputs; those that cost least come first. */
  out(got: Tensor, want: Tensor, { any = false }: PartOptions = {}): PartShare | undefined {
    const squares = rowSquares(got, want, want.shape[3]);
    const kinds = [
      () => this.#worstRow({ got, want }, squares),
      () => this.#worstHead(squares),
      () => this.#worstBlock(squares),
    ];
    let worst: PartShare | undefined;
    for (const worstOf of kinds) {
      if (any && worst !== undefined && worst.share > 1) break;
      worst = worse(worst, worstOf());
    }
    return worst;
  }

  /** The worst row of the log-sum-exps. */
  lse(got: Tensor, want: Tensor): PartShare | undefined {
    const errors = Float64Array.from(
      want.data,
      (x, at) => got.data[at] === x ? 0 : Math.abs(got.data[at] - x),
    );
    const likely = (at: number) => errors[at] / this.#expected.lse(this.#place(at));
    let worst: PartShare | undefined;
    for (const at of this.#suspects(errors, likely)) {
      const { head, row } = this.#place(at), bound = this.#rows.of(head, row).lse;
      worst = worse(worst, partOf({ head, row, error: errors[at], truth: 0, bound }));
    }
    return worst;
  }

  /** The head and the query token of a row of the tensors. */
  #place(at: number): { readonly head: number; readonly row: number } {
    const head = Math.floor(at / this.#count);
    return { head, row: this.#seen[head][at % this.#count] };
  }

  /** The rows that may be wrong, the likeliest first, no more than are computed. */
  #suspects(errors: Float64Array, likely: (at: number) => number): number[] {
    const found: { readonly at: number; readonly share: number }[] = [];
    for (let at = 0; at < errors.length; at++) {
      if (errors[at] === 0) continue;
      const { head, row } = this.#place(at), share = this.#rows.sees(head, row) ? likely(at) : Infinity;
      if (share > LIKELY && this.#rows.judges(head, row)) found.push({ at, share });
    }
    return found.sort((a, b) => b.share - a.share).slice(0, this.#most).map(({ at }) => at);
  }

  /** The row, or the element of a row, that takes most of its bound. */
  #worstRow(
    { got, want }: { readonly got: Tensor; readonly want: Tensor },
    { errors2, norms2 }: Squares,
  ): PartShare | undefined {
    const dim = want.shape[3], failure = FAILURE / errors2.length, factor = normBound([[1]], failure);
    const likely = (at: number) => {
      const variance = this.#expected.variance(this.#place(at), norms2[at]), own = variance / dim / 2;
      const stored = norms2[at] > 0 ? variance / norms2[at] / 2 : 0; // half by what is stored, half by what all have
      let largest2 = 0;
      for (let i = at * dim; i < (at + 1) * dim; i++) {
        const error2 = (got.data[i] - want.data[i]) ** 2;
        largest2 = Math.max(largest2, error2 / (own + stored * want.data[i] ** 2));
      }
      const row = Math.sqrt(errors2[at] / variance) / factor;
      return Math.max(row, Math.sqrt(largest2) / this.#made.deviations.out);
    };
    let worst: PartShare | undefined;
    for (const at of this.#suspects(errors2, likely)) {
      const { head, row } = this.#place(at), { norm, elements } = this.#rows.bounds(head, row, failure);
      const place = { head, row }, truth = Math.sqrt(norms2[at]);
      worst = worse(worst, partOf({ ...place, error: Math.sqrt(errors2[at]), truth, bound: norm }));
      for (let channel = 0, i = at * dim; channel < dim; channel++, i++) {
        const error = Math.abs(got.data[i] - want.data[i]), bound = elements[channel];
        worst = worse(worst, partOf({ ...place, channel, error, truth: 0, bound }));
      }
    }
    return worst;
  }

  /** The query block that takes most of its bound, of those that may be wrong. */
  #worstBlock({ errors2, norms2 }: Squares): PartShare | undefined {
    const { blockM } = this.#made.call.options, blocks = new Map<number, Part>();
    const perHead = Math.ceil(this.#made.call.shape.seqQ / blockM);
    for (let at = 0; at < errors2.length; at++) {
      const place = this.#place(at), { head, row } = place, key = head * perHead + Math.floor(row / blockM);
      if (!this.#rows.judges(head, row)) continue;
      const part = blocks.get(key) ?? { error2: 0, norm2: 0, variance: 0, rows: [] };
      blocks.set(key, part);
      part.error2 += errors2[at];
      part.norm2 += norms2[at];
      part.variance += this.#expected.variance(place, norms2[at]);
      part.rows.push(row);
    }
    if (blocks.size < 2) return undefined;
    const failure = FAILURE / blocks.size;
    const likely = [...blocks].map(([key, part]) => {
      const bound = this.#usual(Math.floor(key / perHead), failure) * factorOf(part.rows.length, failure);
      return { ...part, key, share: Math.sqrt(part.error2 / part.variance) / bound };
    }).filter(({ rows, share }) => rows.length > 1 && share > LIKELY);
    let worst: PartShare | undefined;
    for (const { key, rows, error2, norm2 } of likely.sort((a, b) => b.share - a.share).slice(0, MOST)) {
      const head = Math.floor(key / perHead), bound = this.#rows.blockBound(head, rows, failure);
      const place = { head, block: key % perHead };
      worst = worse(worst, partOf({ ...place, error: Math.sqrt(error2), truth: Math.sqrt(norm2), bound }));
    }
    return worst;
  }

  /** How much larger the bound of a head is than if its rows were all that is independent, and all was. */
  #usual(head: number, failure: number): number {
    const known = this.#ratios.get(head);
    if (known !== undefined) return known;
    const part = this.#made.parts[head],
      { bound } = errorBound([part], this.#made.arithmetic, failure, { all: true });
    const variance = part.rows.reduce((sum, row) => sum + row.standsFor * varianceOf(row), 0);
    const ratio = variance > 0 ? bound / (factorOf(part.rows.length, failure) * Math.sqrt(variance)) : 1;
    this.#ratios.set(head, ratio);
    return ratio;
  }

  /** The relative bound of a head from more rows than the sample of the call; computed once. */
  #headBound(head: number, failure: number): number {
    const { call, arithmetic, deviations } = this.#made, known = this.#bounds.get(head);
    if (known !== undefined) return known;
    const own = headOf(this.qkv, call.levels, head), rows = this.options.rowsOfHead?.[head];
    const made = toleranceOfHead(own, call.options, { arithmetic, deviations, rows, sample: SPREAD });
    const bound = relativeBound([made], arithmetic, failure);
    this.#bounds.set(head, bound);
    return bound;
  }

  /** The head that takes most of its bound. */
  #worstHead({ errors2, norms2 }: Squares): PartShare | undefined {
    if (this.#heads < 2) return undefined;
    const { parts, arithmetic } = this.#made, failure = FAILURE / this.#heads;
    const found = parts.flatMap((part, head) => {
      const run = (of: Float64Array) =>
        of.subarray(head * this.#count, (head + 1) * this.#count).reduce((sum, x) => sum + x, 0);
      const error = Math.sqrt(run(errors2)), truth = Math.sqrt(run(norms2));
      const bound = relativeBound([part], arithmetic, failure) * truth;
      return Number.isFinite(bound) && bound > 0 ? [{ head, error, truth, bound }] : [];
    }).sort((a, b) => b.error / b.bound - a.error / a.bound);
    let worst: PartShare | undefined;
    for (const [place, { head, error, truth, ...known }] of found.entries()) {
      let { bound } = known;
      if (error > LIKELY * bound) {
        if (place >= MOST) break;
        bound = truth * this.#headBound(head, failure);
      }
      worst = worse(worst, partOf({ head, error, truth, bound }));
    }
    return worst;
  }
}

/** Squared errors and norms of rows. */
type Squares = ReturnType<typeof rowSquares>;

/** The rows of a block, with what is expected of them. */
interface Part {
  error2: number;
  norm2: number;
  variance: number;
  readonly rows: number[];
}

const factors = new Map<string, number>();

/** How many standard deviations the norm of so many independent rows stays below. */
function factorOf(rows: number, failure: number): number {
  const key = `${rows} ${failure}`, known = factors.get(key);
  const factor = known ?? normBound([new Array<number>(rows).fill(1 / rows)], failure);
  factors.set(key, factor);
  return factor;
}
