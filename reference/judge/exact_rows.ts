/**
 * Bounds on the errors of single rows of attention, computed from the rows themselves.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../attention/call.ts";
import { type Head, headOf } from "../heads.ts";
import type { Qkv, Tensor } from "../tensor.ts";
import type { Arithmetic } from "./arithmetic.ts";
import { channelsOf, errorBound, type HeadErrors, type RowPart, rowPrint } from "./output_errors.ts";
import { type Deviations, rowErrors } from "./rounding/attention.ts";
import { blocksOf } from "./rounding/blocks.ts";
import type { BlockView } from "./rounding/view.ts";
import { seeingRows } from "./tolerance_rows.ts";

/** The most rows of a block that are computed. */
const MOST_ROWS = 64;

/** A head whose rows are computed as they are asked for. */
interface KnownHead {
  readonly head: Head;
  readonly blockOf: (m: number) => BlockView;
}

/** The options of a call, and how its kernel computes. */
interface RowBoundsOptions extends PyramidAttentionOptions {
  readonly arithmetic: Arithmetic;
  readonly deviations: Deviations;
  /** For every head, the rows that are judged; default all. */
  readonly judged?: readonly (readonly number[])[];
}

/** The bounds of rows. */
export class RowBounds {
  readonly #heads = new Map<number, KnownHead>();
  readonly #seen = new Map<number, ReadonlySet<number>>();
  readonly #rows = new Map<string, RowPart>();
  readonly #judged?: readonly ReadonlySet<number>[];
  #block: { readonly key: string; readonly view: BlockView } | undefined;

  constructor(
    private readonly qkv: Qkv,
    private readonly levels: Tensor<Int32Array>,
    private readonly options: RowBoundsOptions,
  ) {
    this.#judged = options.judged?.map((rows) => new Set(rows));
  }

  /** Whether a row sees a key; if not, it is 0. */
  sees(index: number, row: number): boolean {
    return this.#seeing(index).has(row);
  }

  /** Whether a row is judged. */
  judges(head: number, row: number): boolean {
    return this.#judged?.[head].has(row) ?? true;
  }

  /** The expected errors of a row; those of a row that sees nothing are 0. */
  of(index: number, row: number): RowPart {
    const key = `${index} ${row}`, known = this.#rows.get(key) ?? this.#computed(index, row);
    this.#rows.set(key, known);
    return known;
  }

  /** The bound on the norm of a row's error, and on the error of each of its elements. */
  bounds(
    index: number,
    row: number,
    failure: number,
  ): { readonly norm: number; readonly elements: Float64Array } {
    const part = this.of(index, row), alone = { ...part, own: Math.max(part.own, part.tie) };
    return { norm: this.#bound(index, [alone], failure), elements: part.elements };
  }

  /** The bound on the norm of the error of rows of a block. */
  blockBound(index: number, rows: readonly number[], failure: number): number {
    const count = Math.min(rows.length, MOST_ROWS);
    const chosen = Array.from({ length: count }, (_, i) => rows[Math.floor((i + 0.5) * rows.length / count)]);
    const parts = chosen.map((row) => ({ ...this.of(index, row), standsFor: rows.length / count }));
    return this.#bound(index, parts, failure, count === rows.length);
  }

  #bound(index: number, rows: readonly RowPart[], failure: number, all = true): number {
    const errors: HeadErrors = { rows, channels: channelsOf(this.#head(index).head, rows) };
    return errorBound([errors], this.options.arithmetic, failure, { all }).bound;
  }

  #head(index: number): KnownHead {
    const known = this.#heads.get(index);
    if (known !== undefined) return known;
    const head = headOf(this.qkv, this.levels, index);
    const made = {
      head,
      blockOf: blocksOf(head, this.options, this.options.arithmetic),
    };
    this.#heads.set(index, made);
    return made;
  }

  /** The rows of a head that see a key. */
  #seeing(index: number): ReadonlySet<number> {
    const known = this.#seen.get(index);
    if (known !== undefined) return known;
    const rows = new Set(seeingRows(headOf(this.qkv, this.levels, index), this.options));
    this.#seen.set(index, rows);
    return rows;
  }

  #computed(index: number, row: number): RowPart {
    const { head, blockOf } = this.#head(index), { q, v } = head.qkv, dim = q.shape[3];
    const { blockM, arithmetic, deviations } = this.options;
    if (!this.sees(index, row)) return nothing(row, v.shape[3]);
    const m = Math.floor(row / blockM), key = `${index} ${m}`;
    const view = this.#block?.key === key ? this.#block.view : blockOf(m);
    this.#block = { key, view };
    const query = Float64Array.from(q.data.subarray(row * dim, (row + 1) * dim));
    const visible = view.block.seen(row), valueDim = v.shape[3];
    const errors = rowErrors({ ...view, query, visible, valueDim }, arithmetic, {
      ...deviations,
      exact: true,
    });
    return { ...errors, row, standsFor: 1, print: rowPrint(head, row, view.block.scale) };
  }
}

/** The errors of a row that sees no key: it is 0. */
function nothing(row: number, valueDim: number): RowPart {
  const none = { own: 0, sums: 0, sums2: 0, bias2: 0, shared: 0, norm2: 0, tie: 0, largest: 0, lse: 0 };
  const print = new Float64Array(16);
  return {
    ...none,
    values: new Float64Array(valueDim),
    elements: new Float64Array(valueDim),
    row,
    standsFor: 1,
    print,
  };
}
