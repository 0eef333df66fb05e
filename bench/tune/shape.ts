/**
 * The sizes that a tuned file holds for, and whether an input has them.
 *
 * @module
 */
import type { TunedCall, TunedShape } from "../../reference/config/tuned.ts";
import { InputError } from "../../reference/errors.ts";
import type { InputFacts } from "../sweep/inputs/inputs.ts";

const SHAPE_FIELDS = [
  "heads",
  "seqQ",
  "seqK",
  "headDim",
  "valueDim",
  "causal",
  "grid",
  "textLength",
] as const;

/**
 * Throws unless a file is for the heads and sizes of an input.
 *
 * @param tuned the file
 * @param shape the sizes of the input
 * @param names of the file and of the input, for messages
 * @throws {InputError} one sentence with the first field that differs
 */
export function requireTunedFor(
  tuned: Pick<TunedCall, "shape">,
  shape: TunedShape,
  { path, input }: { readonly path: string; readonly input: string },
): void {
  const field = differingField(tuned.shape, shape);
  if (field === undefined) return;
  const [want, got] = [tuned.shape[field], shape[field]].map((value) => JSON.stringify(value));
  throw new InputError(
    `${path} is for \`${field}\` ${want}; ${input} has ${got}: tune on inputs of this shape.`,
  );
}

/** The first field in which two shapes differ. */
export function differingField(a: TunedShape, b: TunedShape): keyof TunedShape | undefined {
  return SHAPE_FIELDS.find((field) => JSON.stringify(a[field]) !== JSON.stringify(b[field]));
}

/**
 * The sizes of an input.
 *
 * @param input what is known of one of its heads
 * @param heads the heads of the call that it has
 */
export function tunedShape(
  { shape: { seqQ, seqK, headDim, valueDim }, causal, grid, textLength }: Pick<
    InputFacts,
    "shape" | "causal" | "grid" | "textLength"
  >,
  heads: readonly number[],
): TunedShape {
  const video = grid === undefined ? null : [grid.depth, grid.height, grid.width] as const;
  return { heads, seqQ, seqK, headDim, valueDim, causal, grid: video, textLength };
}
