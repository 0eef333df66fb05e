/**
 * Checks calls of attention as a whole, and turns dense attention into level 1 everywhere.
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { isLevel, requireBlock, requireTail, type Tail } from "../pyramid/pyramid.ts";
import { type AttentionShape, attentionShape, type Qkv, requireTensor, type Tensor } from "../tensor.ts";

/** Options of pyramid attention, and of all functions that use its blocks. */
export interface PyramidAttentionOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Factor on q . k; default 1 / sqrt(head dimension). */
  readonly scale?: number;
  /** Whether a query sees only keys up to its own position, aligned bottom-right; default false. */
  readonly causal?: boolean;
  /** How the last, partial key block is pooled; default `exact`. */
  readonly tail?: Tail;
}

/** The block size with which dense attention is computed; the result does not depend on it. */
const DENSE_BLOCK = 128;

/**
 * Checks a call of pyramid attention as a whole.
 *
 * @returns the sizes of the call
 * @throws {InputError} if tensors disagree, or `levels` has the wrong shape or an entry that is not a level
 */
export function requirePyramidCall(
  qkv: Qkv,
  levels: Tensor<Int32Array>,
  { blockM, blockN, ...options }: PyramidAttentionOptions,
): AttentionShape {
  const shape = attentionShape(qkv);
  requireBlock("blockM", blockM);
  requireBlock("blockN", blockN);
  requireOptions(options);
  requireTensor("levels", levels);
  const blocks = [shape.batch, shape.heads, Math.ceil(shape.seqQ / blockM), Math.ceil(shape.seqK / blockN)];
  requireInput(
    levels.shape.length === 4 && blocks.every((length, axis) => levels.shape[axis] === length),
    () => `\`levels\` has shape [${levels.shape}]; these blocks need [${blocks}].`,
  );
  const bad = levels.data.find((level) => level !== 0 && !isLevel(level, blockN));
  requireInput(
    bad === undefined,
    () => `\`levels\` holds ${bad}; it should hold 0 and powers of two that divide \`blockN\`, ${blockN}.`,
  );
  return shape;
}

/** Throws if an option that dense attention has too is wrong. */
function requireOptions(
  { scale = 1, causal = false, tail = "exact" }: Omit<PyramidAttentionOptions, "blockM" | "blockN">,
): void {
  requireTail(tail);
  requireInput(Number.isFinite(scale), () => `\`scale\` is ${scale}; it should be a finite number.`);
  requireInput(
    typeof causal === "boolean",
    () => `\`causal\` is ${causal}, a ${typeof causal}; it should be true or false.`,
  );
}

/** A checked call: dense attention has become level 1 everywhere. */
export interface PyramidCall {
  readonly levels: Tensor<Int32Array>;
  readonly options: PyramidAttentionOptions;
  readonly shape: AttentionShape;
}

/**
 * Checks a call with levels, which needs block sizes, or without, which is dense attention.
 *
 * @throws {InputError} if anything about the call is wrong
 */
export function requireCall(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  { blockM, blockN, scale, causal, tail }: Partial<PyramidAttentionOptions>,
): PyramidCall {
  if (levels === null) {
    const shape = attentionShape(qkv);
    requireOptions({ scale, causal, tail });
    return denseCall(shape, { scale, causal, tail });
  }
  requireInput(
    blockM !== undefined && blockN !== undefined,
    "`blockM` and `blockN` should both be given if there are `levels`.",
  );
  const options = { blockM, blockN, scale, causal, tail };
  return { levels, options, shape: requirePyramidCall(qkv, levels, options) };
}

/** The call of dense attention on inputs that have been checked. */
export function denseCall(
  shape: AttentionShape,
  options: Pick<PyramidAttentionOptions, "scale" | "causal" | "tail">,
): PyramidCall {
  const { levels, ...blocks } = denseLevels(shape);
  return { levels, options: { ...blocks, ...options }, shape };
}

/** Level 1 everywhere, with all keys in one block. */
function denseLevels(
  { batch, heads, seqQ, seqK }: AttentionShape,
): { levels: Tensor<Int32Array>; blockM: number; blockN: number } {
  const shape = [batch, heads, Math.ceil(seqQ / DENSE_BLOCK), 1];
  const levels = { data: new Int32Array(shape[0] * shape[1] * shape[2]).fill(1), shape };
  return { levels, blockM: DENSE_BLOCK, blockN: seqK };
}
