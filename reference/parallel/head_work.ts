/**
 * Work of one head that runs in a worker: some rows of attention, importance, block mass, the expected errors of a
 * kernel. The results have the same bits in a worker and in the calling thread.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import type { PyramidAttentionOptions } from "../attention/call.ts";
import { denseRows, type HeadRows, pyramidRows } from "../attention/some_rows.ts";
import type { Head } from "../heads.ts";
import { type ImportanceOf, importanceOfChecked } from "../importance/by_config.ts";
import { attendRows } from "../masks/attention.ts";
import { toFloat64 } from "../tensor.ts";
import { arithmeticOf } from "../judge/arithmetic.ts";
import { blockMass, type MassOptions } from "../judge/mass.ts";
import type { Deviations } from "../judge/rounding/attention.ts";
import { type HeadTolerance, toleranceOfHead, type ToleranceOptions } from "../judge/tolerance.ts";

/** A piece of work: its kind, the head, and what that kind needs. */
export type HeadWork =
  | {
    readonly kind: "rows";
    readonly head: Head;
    readonly rows: readonly number[];
    readonly options: PyramidAttentionOptions;
    /** Whether attention is dense. */
    readonly dense: boolean;
    /** Dense attention only: key block size in tokens for the mass. */
    readonly massBlock?: number;
  }
  | { readonly kind: "importance"; readonly head: Head; readonly config: ImportanceOf }
  | { readonly kind: "mass"; readonly head: Head; readonly options: MassOptions }
  | {
    /** Attention over some rows of a mask. */
    readonly kind: "mask";
    /** The head, with the queries of these rows alone. */
    readonly head: Head;
    /** The rows of the mask. */
    readonly bits: Uint32Array;
    /** Factor on q . k; default 1 / sqrt(head dimension). */
    readonly scale?: number;
  }
  | {
    readonly kind: "tolerance";
    readonly head: Head;
    readonly options: PyramidAttentionOptions;
    readonly judged: Omit<ToleranceOptions, "rowsOfHead"> & {
      readonly deviations: Deviations;
      readonly rows?: readonly number[];
      readonly piece?: readonly [index: number, of: number];
    };
  };

/** The result of each kind of work. */
export interface HeadWorkResults {
  readonly rows: HeadRows;
  readonly importance: Float64Array;
  readonly mass: Float64Array;
  readonly mask: Pick<HeadRows, "out" | "lse">;
  readonly tolerance: HeadTolerance;
}

/** Does a piece of work. */
export function doHeadWork(work: HeadWork): HeadWorkResults[HeadWork["kind"]] {
  switch (work.kind) {
    case "rows":
      return work.dense
        ? denseRows(work.head, work.rows, { ...work.options, massBlock: work.massBlock })
        : pyramidRows(work.head, work.rows, work.options);
    case "importance":
      return importanceOfChecked(work.head.qkv, work.config).data;
    case "mass":
      return blockMass(work.head.qkv, work.options).data;
    case "mask": {
      const { bits, scale, head: { qkv: { q, k, v } } } = work, dim = q.shape[3];
      const keys = toFloat64(k).data, words = bits.length / q.shape[2];
      const head = { q: q.data, k: keys, dim, bits, words, scale: scale ?? defaultScale(dim) };
      return attendRows(head, toFloat64(v).data);
    }
    case "tolerance": {
      const { rows, sample, piece, deviations, ...options } = work.judged;
      const arithmetic = arithmeticOf(options);
      return toleranceOfHead(work.head, work.options, { arithmetic, deviations, rows, sample, piece });
    }
  }
}
