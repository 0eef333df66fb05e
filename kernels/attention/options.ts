/**
 * The facts that choose the attention kernel and its WGSL: sizes of the call, and capabilities of the device.
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Capabilities } from "../device/capabilities.ts";

/** The widest columns of values that one workgroup makes, in every attention kernel. */
export const WIDEST_COLUMNS = 128;

/** Which query blocks are shared, as the kernels' templates have it, and the binding of the first list, behind the outputs. */
export function sharedParameters(
  { shared = "none", headsInTurn = 1, shape: { valueDim } }: Pick<
    AttentionKernelOptions,
    "shared" | "headsInTurn" | "shape"
  >,
): { SHARED: number; SHARED_LAST: boolean; HEADS_IN_TURN: number; LISTS_AT: number; PARTIAL_PITCH: number } {
  const SHARED = { none: 0, longest: 1, last: 1, all: 2 }[shared];
  return {
    SHARED,
    SHARED_LAST: shared === "last",
    HEADS_IN_TURN: headsInTurn,
    LISTS_AT: [6, 7, 5][SHARED],
    PARTIAL_PITCH: partialPitch(valueDim),
  };
}

/** Pieces of four numbers of a row of partial results: its outputs, then its maximum and its sum. */
export function partialPitch(valueDim: number): number {
  return valueDim / 4 + 1;
}

/** How many workgroups share the columns of one query block's values. */
export function columnParts(valueDim: number): number {
  return Math.ceil(valueDim / WIDEST_COLUMNS);
}

/** The properties of a call that decide the WGSL of the kernel. */
export interface AttentionKernelOptions {
  /** The sizes of the call. */
  readonly shape: Pick<AttentionShape, "headDim" | "valueDim">;
  /** Query block size in tokens: 16, 32, 64 or 128. */
  readonly blockM: number;
  /** Element type of q, k, v and out. */
  readonly dtype: "f32" | "f16";
  /** Whether every level is 1: no list is read. */
  readonly dense: boolean;
  /** Whether a query sees only keys up to its own position. */
  readonly causal: boolean;
  /** Whether the rows of a query block see different tokens of its list, which bits say ({@link makeMaskLists}); default false. */
  readonly masked?: boolean;
  /** Whether some pooled token stands for fewer tokens than its level. */
  readonly partial: boolean;
  /** Whether all tokens of all groups count; default true. */
  readonly whole?: boolean;
  /** Whether dense attention has whole tiles of 32 keys; default false. */
  readonly full?: boolean;
  /**
   * Whether values may be not finite: a causal kernel then checks the values of tiles on the diagonal, and a
   * weight of zero adds nothing; default true.
   */
  readonly careful?: boolean;
  /** Whose keys several workgroups share: no query block's, those of the longest lists, of the last blocks, or all; default none. */
  readonly shared?: "none" | "longest" | "last" | "all";
  /** Heads whose query blocks are taken in turn in dense calls that share some; default 1: head after head. */
  readonly headsInTurn?: number;
  /** Whether lists are short, so that how far their last tiles are filled matters; default false. */
  readonly shortLists?: boolean;
  /** Pooled tokens of a group of the lists ({@link groupTokens}). */
  readonly group: 4 | 8;
}

/** The capabilities of a device that decide the WGSL of the kernel. */
export type AttentionDevice = Pick<
  Capabilities,
  "subgroupSize" | "subgroupDirective" | "limits" | "matrices"
>;
