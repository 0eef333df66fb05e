/**
 * A mistake in the WGSL of our own kernels.
 *
 * @module
 */

/** One mistake in the text of a kernel. */
export interface WgslMutant {
  /** The mistake in words; the catalogue's name where it has one. */
  readonly name: string;
  /** The prefix of the labels of those pipelines whose text is changed. */
  readonly kernel: string;
  /** The stage whose cases find it. */
  readonly stage: "attention" | "importance" | "levels" | "cap";
  /** The text that is replaced everywhere, and its replacement. */
  readonly replace: readonly (readonly [pattern: RegExp, text: string])[];
  /** Whether the catalogue has the mistake, under this name. */
  readonly known: boolean;
}

/** What mutants of attention have in common: those of a mistake in the catalogue. */
export const KNOWN = { kernel: "attention", stage: "attention", known: true } as const;

/** Mutants of lines that both kernels of attention have. */
export const LSE_IN_BASE_2: WgslMutant = {
  ...KNOWN,
  name: "lse in base 2",
  replace: [[/\* 0\.6931471805599453, call\.minus_infinity/g, ", call.minus_infinity"]],
};
export const KV_HEAD_MODULO: WgslMutant = {
  ...KNOWN,
  name: "kv head mapped modulo",
  replace: [[
    /\(head % call\.heads\) \/ \(call\.heads \/ call\.kv_heads\)/g,
    "(head % call.heads) % call.kv_heads",
  ]],
};
