/**
 * State that the cases of one arrangement share while they run: tokens, the call on the device, outputs so far.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import type { PreparedCall, Psa } from "../../../kernels/psa.ts";
import type { Correction } from "../../../reference/methods/method.ts";
import type { Mask } from "../../../reference/masks/mask.ts";
import type { Tensor } from "../../../reference/tensor.ts";
import type { ArrangedTokens } from "./arrange.ts";
import type { HeadErrors } from "./errors.ts";

/** The call of an input on the GPU. */
export interface GpuCall {
  /** The device. */
  readonly gpu: Gpu;
  /** The call, with its tensors on the device. */
  readonly psa: Psa;
}

/** Tokens in the order of a layout, with everything derived from them. */
export interface Arranged extends ArrangedTokens {
  /** The call on the GPU; null without kernels, or if it was on a lost device. */
  call: GpuCall | null;
  /** Outputs so far, by their levels, of which null is dense attention, with their correction, or by their mask. */
  readonly attended: {
    readonly levels: Tensor<Int32Array> | null;
    readonly mask?: Mask;
    readonly correction?: Correction;
    readonly made: Attended;
  }[];
  /** Whether outputs are kept for cases with the same levels: they take memory. */
  readonly keeps: boolean;
}

/** Attention over levels, and the errors of the kernel that ran. */
export interface Attended {
  /** The judged rows of the output: of the kernel if one ran, else of the reference; null if it was not kept. */
  out: Tensor | null;
  /** The kernel's distance from the reference, its bound, and whether it is right; null if none ran. */
  readonly kernel: KernelVerdict | null;
  /** The case on the GPU; null if none ran, or a device that is gone had it. */
  prepared: PreparedCall | null;
}

/** The errors and the verdict of a kernel. */
export interface KernelVerdict extends Omit<AllRows, "isRight"> {
  /** Its relative L2 error against the reference of the same levels. */
  readonly relL2: number;
  /** The bound of that. */
  readonly bound: number;
  /** Whether it is right; null if its bound would accept zeros, and so judges nothing. */
  readonly isRight: boolean | null;
  /** The errors of its heads against the reference. */
  readonly heads: readonly HeadErrors[];
}

/** The result of the checks of all rows of a kernel's output. */
export interface AllRows {
  /** Values that are not finite, or were not written. */
  readonly nonFinite: number;
  /** Largest distance from 1 of an output for values of 1; null if it was not measured. */
  readonly onesMaxAbs: number | null;
  /** Relative L2 distance of the output from that with key blocks in another order; null if it was not measured. */
  readonly pathsRelL2: number | null;
  /** Whether all of that is as it should be. */
  readonly isRight: boolean;
}
