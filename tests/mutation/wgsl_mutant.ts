/**
 * What a mistake in the WGSL of our own kernels is.
 *
 * @module
 */

/** One mistake in the text of a kernel. */
export interface WgslMutant {
  /** What is wrong; the catalogue's name where it has one. */
  readonly name: string;
  /** How the labels of the pipelines begin whose text is changed. */
  readonly kernel: string;
  /** The stage whose cases find it. */
  readonly stage: "attention" | "importance" | "levels" | "cap";
  /** What is replaced, all over the text, and by what. */
  readonly replace: readonly (readonly [pattern: RegExp, text: string])[];
  /** Whether the catalogue has the mistake, under this name. */
  readonly known: boolean;
}
