/**
 * Attention over levels and the correction that follows it, on the device, judged as attention alone is.
 *
 * @module
 */
import type { AttentionResult } from "../../../reference/attention/attention.ts";
import type { SomeRowsOptions } from "../../../reference/attention/some_rows.ts";
import { correctedTolerance } from "../../../reference/judge/correction_tolerance.ts";
import { judges } from "../../../reference/judge/ladder.ts";
import type { BlockSelection } from "../../../reference/methods/method.ts";
import {
  attentionRowsParallel,
  attentionToleranceParallel,
  type HeadsOptions,
} from "../../../reference/parallel/heads.ts";
import { attentionShape, type Qkv, type Tensor } from "../../../reference/tensor.ts";
import { workersFor } from "../truth/maker.ts";
import { NO_CHECKS, sampleFor } from "./all_rows.ts";
import type { Arranged, Attended, GpuCall } from "./arranged.ts";
import { errorsByHead, joinErrors } from "./errors.ts";
import { runChecked } from "./kernel.ts";

/** A choice of levels whose output kernels can finish. */
export type CorrectedSelection = BlockSelection & Required<Pick<BlockSelection, "finish" | "correction">>;

/** Whether kernels can finish what attention gives. */
export function isCorrected(selection: BlockSelection): selection is CorrectedSelection {
  return selection.finish !== undefined && selection.correction !== undefined;
}

/**
 * Runs attention and the correction and holds the output against the reference.
 *
 * @param selection levels, and the correction in float64 and for kernels
 * @param given the tokens, the call on the device, and the element type of the kernel
 */
export async function attendCorrected(
  { levels, correction, finish }: CorrectedSelection,
  { arranged, call, format }: {
    readonly arranged: Arranged;
    readonly call: GpuCall;
    readonly format: "f16" | "f32";
  },
): Promise<Attended> {
  const { tokens: { qkv, options }, maker: { workers }, inputs: { scale } } = arranged;
  const blocks = { ...options, scale, ...workersFor(qkv, workers) };
  const attention = await attentionOf(qkv, levels, blocks), reference = finish(attention.out);
  const prepared = await call.psa.prepare({ levels, correction }), out = await runChecked(call.gpu, prepared);
  const heads = errorsByHead(out, reference, null),
    { error: { relL2, maxAbs, nonFinite } } = joinErrors(heads);
  const sample = sampleFor(attentionShape(qkv)), formats = { dtype: format, accumulate: format };
  const attended = await attentionToleranceParallel(qkv, levels, { ...blocks, ...formats, sample });
  const made = { qkv, levels, attention, corrected: reference, correction };
  const bound = correctedTolerance(made, { ...blocks, dtype: format, bound: attended });
  const isRight = relL2 <= bound.relL2 && maxAbs <= bound.maxAbs && nonFinite === 0;
  const canJudge = judges(bound, reference) || nonFinite > 0;
  const verdict = { ...NO_CHECKS, nonFinite, relL2, bound: bound.relL2, heads };
  const result = { out, kernel: { ...verdict, isRight: canJudge ? isRight : null }, prepared };
  arranged.attended.push({ levels, correction, made: result });
  return result;
}

/** Attention over levels in float64, of all rows on all cores. */
async function attentionOf(
  qkv: Qkv,
  levels: Tensor<Int32Array>,
  options: SomeRowsOptions & HeadsOptions,
): Promise<AttentionResult> {
  const { batch, heads, seqQ, valueDim } = attentionShape(qkv), all = [...Array(seqQ).keys()];
  const rows = await attentionRowsParallel(
    qkv,
    levels,
    Array.from({ length: batch * heads }, () => all),
    options,
  );
  const out = new Float64Array(batch * heads * seqQ * valueDim), lse = new Float64Array(batch * heads * seqQ);
  rows.forEach((head, index) =>
    head.rows.forEach((row, i) => {
      const at = index * seqQ + row;
      lse[at] = head.lse[i];
      out.set(head.out.subarray(i * valueDim, (i + 1) * valueDim), at * valueDim);
    })
  );
  return {
    out: { data: out, shape: [batch, heads, seqQ, valueDim] },
    lse: { data: lse, shape: [batch, heads, seqQ] },
  };
}
