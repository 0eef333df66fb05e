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
