/**
 * Attention over a mask on the device, judged as attention over levels is.
 *
 * @module
 */
import { InputError } from "../../../reference/errors.ts";
import { judges } from "../../../reference/judge/ladder.ts";
import { maskedTolerance } from "../../../reference/judge/masked_tolerance.ts";
import type { Mask } from "../../../reference/masks/mask.ts";
import { attentionShape, type Tensor } from "../../../reference/tensor.ts";
import type { PreparedCall } from "../../../kernels/psa.ts";
import { NO_CHECKS, sampleFor } from "./all_rows.ts";
import type { Arranged, Attended, GpuCall } from "./arranged.ts";
import { errorsByHead, joinErrors } from "./errors.ts";
import { runChecked } from "./kernel.ts";

/** Bytes of work lists of an arrangement's cases, which wait on the device until times are taken, before no more are made. */
const MOST_BYTES = 2 ** 32;

/**
 * Runs the kernel over a mask and holds it against the reference.
 *
 * @param given the mask, the output of the reference over it, and the element type of the kernel
 * @param arranged the tokens, and the call on the device
 * @returns null without kernels, or if the work lists of the mask have no room on the device
 */
export async function attendMask(
  { mask, reference, format }: {
    readonly mask: Mask;
    readonly reference: Tensor<Float64Array>;
    readonly format: "f16" | "f32";
  },
  arranged: Arranged,
): Promise<Attended | null> {
  const { call, tokens: { qkv } } = arranged, prepared = call === null ? null : await prepareMask(call, mask);
  if (call === null || prepared === null) return null;
  const out = await runChecked(call.gpu, prepared), heads = errorsByHead(out, reference, null);
  const { error: { relL2, maxAbs, nonFinite } } = joinErrors(heads);
  const sample = sampleFor(attentionShape(qkv));
  const bound = maskedTolerance(qkv, mask, { dtype: format, accumulate: format, sample });
  const isRight = relL2 <= bound.relL2 && maxAbs <= bound.maxAbs && nonFinite === 0;
  const canJudge = judges(bound, reference) || nonFinite > 0;
  const verdict = { ...NO_CHECKS, nonFinite, relL2, bound: bound.relL2, heads };
  const made = { out, kernel: { ...verdict, isRight: canJudge ? isRight : null }, prepared };
  arranged.attended.push({ levels: null, mask, made });
  return made;
}

/** The call over a mask; null if there is no room for it. */
async function prepareMask({ psa }: GpuCall, mask: Mask): Promise<PreparedCall | null> {
  if (psa.extraBytes > MOST_BYTES) return null;
  try {
    return await psa.prepare({ mask });
  } catch (error) {
    if (error instanceof InputError) return null; // its work lists are beyond a limit of the device
    throw error;
  }
}
