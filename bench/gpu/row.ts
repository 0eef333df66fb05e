/**
 * The measurements of a case of the bench, as data and as a sentence.
 *
 * @module
 */
import { showFixed, showNumber } from "../text/number.ts";
import type { MedianEstimate } from "../timing/statistics.ts";
import { type GpuCase, nameOf, type Numbers } from "./cases.ts";

/** The measurements of a case. */
export interface GpuRow {
  /** The part of the bench. */
  readonly part: string;
  readonly case: string;
  /** The distribution of queries and keys. */
  readonly numbers: Numbers;
  readonly density: number;
  readonly ms: number;
  readonly ms_low: number;
  readonly ms_high: number;
  readonly tflops: number;
  /** Times faster than dense attention of the same sizes. */
  readonly speedup: number;
  /** Milliseconds divided by those of the ideal line: for causal calls the same call without causality, for numbers the equal ones. */
  readonly times_ideal: number;
  readonly rel_l2: number;
}

/** The row of a case, from its time, that of dense attention, and the ideal one. */
export function toRow(
  given: GpuCase,
  { median, low, high, relL2 }: MedianEstimate & { readonly relL2: number },
  { part, dense, ideal }: { readonly part: string; readonly dense: number; readonly ideal: number },
): GpuRow {
  const { heads, seqQ, seqK, headDim } = given.shape;
  const work = given.density * 4 * heads * seqQ * seqK * headDim * (given.causal ? 0.5 : 1);
  return {
    ...{
      part,
      case: nameOf(given),
      numbers: given.numbers ?? "normal",
      density: given.density,
      ms: median,
      ms_low: low,
      ms_high: high,
    },
    ...{ tflops: work / median / 1e9, speedup: dense / median, times_ideal: median / ideal, rel_l2: relL2 },
  };
}

/** The row as a sentence. */
export function sentence(row: GpuRow): string {
  const range = `${showFixed(row.ms, 3)} ms (${showFixed(row.ms_low, 3)} to ${showFixed(row.ms_high, 3)})`;
  const numbers = row.numbers === "normal" ? "" : `, ${row.numbers} numbers`;
  return `${row.case}${numbers}\n    ${range}, ${showFixed(row.tflops, 1)} TFLOP/s, ${
    showFixed(row.speedup, 2)
  } times dense, ${showFixed(row.times_ideal, 2)} of the ideal time, relative error ${
    showNumber(row.rel_l2, { digits: 2, small: Infinity })
  }`;
}
