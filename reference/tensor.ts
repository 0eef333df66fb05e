/**
 * Row-major tensors over typed arrays, and the shapes of one attention call (docs/definition.md#notation).
 *
 * @module
 */
import { InputError, requireInput } from "./errors.ts";

/** The typed arrays that a tensor may hold: float16, float32, float64 or int32. */
export type TensorData = Float16Array | Float32Array | Float64Array | Int32Array;

/** The typed arrays that hold numbers with a fraction: what q, k and v may be. */
export type FloatData = Float16Array | Float32Array | Float64Array;

/** Names of the element types: `f16`, `f32`, `f64` and `i32`. */
export type DType = "f16" | "f32" | "f64" | "i32";

/**
 * Row-major data with a shape: the last axis is contiguous. It refers to the array that it was made from. Functions of
 * this project never write to the tensors that they are given; results that differ from an input are new arrays.
 */
export interface Tensor<Data extends TensorData = TensorData> {
  /** The elements, `shape[0] * shape[1] * …` of them. */
  readonly data: Data;
  /** The length of every axis, outermost first. */
  readonly shape: readonly number[];
}

/** The inputs of one attention call (docs/definition.md#notation). */
export interface Qkv<Data extends FloatData = FloatData> {
  /** Queries, [batch, heads, query tokens, head dimension]. */
  readonly q: Tensor<Data>;
  /** Keys, [batch, key heads, key tokens, head dimension]; key heads divide heads. */
  readonly k: Tensor<Data>;
  /** Values, [batch, key heads, key tokens, value dimension]. */
  readonly v: Tensor<Data>;
}

/** The sizes of one attention call, as read from its tensors by {@link attentionShape}. */
export interface AttentionShape {
  /** B, batch entries. */
  readonly batch: number;
  /** H, query heads. */
  readonly heads: number;
  /** Hk, key/value heads; query head h reads key head floor(h / (H / Hk)). */
  readonly kvHeads: number;
  /** Lq, query tokens. */
  readonly seqQ: number;
  /** Lk, key tokens. */
  readonly seqK: number;
  /** D, the length of a query and of a key. */
  readonly headDim: number;
  /** Dv, the length of a value. */
  readonly valueDim: number;
}

/**
 * Pairs data with a shape after checking that they fit.
 *
 * @param data the elements in row-major order; kept, not copied
 * @param shape the length of every axis, positive integers
 * @throws {InputError} if an axis is not a positive integer or the product is not `data.length`
 *
 * @example
 * ```ts
 * import { tensor } from "./tensor.ts";
 * const keys = tensor(new Float32Array(2 * 8), [1, 1, 2, 8]);
 * console.log(keys.shape); // [1, 1, 2, 8]
 * ```
 */
export function tensor<Data extends TensorData>(data: Data, shape: readonly number[]): Tensor<Data> {
  for (const length of shape) {
    requireInput(
      Number.isInteger(length) && length > 0,
      () => `\`shape\` is [${shape}]; every axis should be a positive integer.`,
    );
  }
  const size = shape.reduce((product, length) => product * length, 1);
  requireInput(
    size === data.length,
    () => `\`shape\` [${shape}] holds ${size} elements, but \`data\` has ${data.length}.`,
  );
  return { data, shape: [...shape] };
}

/**
 * The element type of a tensor or typed array.
 *
 * @example
 * ```ts
 * import { dtypeOf, tensor } from "./tensor.ts";
 * console.log(dtypeOf(tensor(new Float16Array(4), [4]))); // "f16"
 * ```
 */
export function dtypeOf(value: Tensor | TensorData): DType {
  const data = "data" in value ? value.data : value;
  if (data instanceof Float16Array) return "f16";
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  return "i32";
}

/**
 * Throws unless a value is a tensor whose data fill its shape: plain objects may be given in place of what
 * {@link tensor} makes.
 *
 * @param name of the argument, for the sentence
 * @throws {InputError} if data or shape are of another kind, or do not fit each other
 */
export function requireTensor(name: string, given: Tensor): void {
  const { data, shape } = given ?? {};
  requireInput(
    [Float16Array, Float32Array, Float64Array, Int32Array].some((Type) => data instanceof Type) &&
      Array.isArray(shape),
    () =>
      `\`${name}\` should be { data, shape }: a float array or an Int32Array, and a list, as \`tensor\` makes.`,
  );
  const size = shape.reduce((product, length) => product * length, 1);
  requireInput(
    size === data.length && shape.every((length) => Number.isInteger(length) && length > 0),
    () =>
      `\`${name}\` has shape [${shape}] and ${data.length} elements; its axes should be positive integers and hold them.`,
  );
}

/**
 * The position of an element in `tensor.data`, with every index checked.
 *
 * @param tensor the tensor that is read
 * @param index one index an axis
 * @throws {InputError} if the number of indices is not the rank or an index is outside its axis
 *
 * @example
 * ```ts
 * import { offsetOf, tensor } from "./tensor.ts";
 * console.log(offsetOf(tensor(new Float64Array(6), [2, 3]), [1, 2])); // 5
 * ```
 */
export function offsetOf(tensor: Tensor, index: readonly number[]): number {
  const { shape } = tensor;
  requireInput(
    index.length === shape.length,
    () => `\`index\` [${index}] has ${index.length} entries; shape [${shape}] needs ${shape.length}.`,
  );
  let offset = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const position = index[axis];
    if (!Number.isInteger(position) || position < 0 || position >= shape[axis]) {
      throw new InputError(`\`index\` [${index}] is outside shape [${shape}] on axis ${axis}.`);
    }
    offset = offset * shape[axis] + position;
  }
  return offset;
}

/**
 * A float64 copy of a tensor: what the reference computes with.
 *
 * @example
 * ```ts
 * import { tensor, toFloat64 } from "./tensor.ts";
 * console.log(toFloat64(tensor(new Float16Array([1, 2]), [2])).data); // Float64Array [1, 2]
 * ```
 */
export function toFloat64(source: Tensor): Tensor<Float64Array> {
  return { data: new Float64Array(source.data), shape: source.shape };
}

/**
 * The sizes of one attention call, after checking that q, k and v agree.
 *
 * @param qkv the inputs of the call
 * @throws {InputError} if ranks, batch, heads, tokens or dimensions disagree, or the element types differ
 *
 * @example
 * ```ts
 * import { attentionShape, tensor } from "./tensor.ts";
 * const x = tensor(new Float32Array(2 * 16 * 8), [1, 2, 16, 8]);
 * console.log(attentionShape({ q: x, k: x, v: x }).seqK); // 16
 * ```
 */
export function attentionShape(qkv: Qkv): AttentionShape {
  for (const name of ["q", "k", "v"] as const) requireTensor(name, qkv?.[name]);
  return attentionSizes(qkv);
}

/** {@link attentionShape} of tensors whose data may be elsewhere, as before a file is read. */
export function attentionSizes({ q, k, v }: Qkv): AttentionShape {
  const keyShape = queryKeySizes({ q, k });
  requireInput(v.shape.length === 4, () => `\`v\` has shape [${v.shape}]; it should have four axes.`);
  requireInput(
    dtypeOf(v) === dtypeOf(k),
    () => `\`v\` is ${dtypeOf(v)} and \`k\` is ${dtypeOf(k)}; they should be the same.`,
  );
  const [batch, kvHeads, seqK, valueDim] = v.shape;
  requireInput(
    batch === keyShape.batch && kvHeads === keyShape.kvHeads && seqK === keyShape.seqK,
    () => `\`v\` has shape [${v.shape}]; its first three axes should be those of \`k\`, [${k.shape}].`,
  );
  return { ...keyShape, valueDim };
}

/**
 * Throws unless an attention call has the sizes that were promised.
 *
 * @param got the sizes of the call
 * @param want the sizes that it should have
 * @param sentence says what is wrong, from a size's name, what it is and what it should be
 * @throws {InputError} with the sentence of the first size that differs
 *
 * @example
 * ```ts
 * import { attentionShape, requireShape, tensor } from "./tensor.ts";
 * const x = tensor(new Float32Array(16 * 8), [1, 1, 16, 8]);
 * const shape = attentionShape({ q: x, k: x, v: x });
 * requireShape(shape, shape, (name, is, should) => `\`${name}\` is ${is}; it should be ${should}.`);
 * ```
 */
export function requireShape(
  got: AttentionShape,
  want: AttentionShape,
  sentence: (name: keyof AttentionShape, is: number, should: number) => string,
): void {
  for (const name of Object.keys(want) as (keyof AttentionShape)[]) {
    requireInput(got[name] === want[name], () => sentence(name, got[name], want[name]));
  }
}

/**
 * The sizes of a query and key pair, after checking that they agree: what the importance stage needs.
 *
 * @param qk queries [batch, heads, query tokens, head dimension] and keys [batch, key heads, key tokens, head dimension]
 * @throws {InputError} if ranks, batch, head dimension or element types disagree, or key heads do not divide heads
 *
 * @example
 * ```ts
 * import { queryKeyShape, tensor } from "./tensor.ts";
 * const q = tensor(new Float32Array(4 * 16 * 8), [1, 4, 16, 8]);
 * const k = tensor(new Float32Array(2 * 32 * 8), [1, 2, 32, 8]);
 * console.log(queryKeyShape({ q, k }).kvHeads); // 2
 * ```
 */
export function queryKeyShape(qk: Pick<Qkv, "q" | "k">): Omit<AttentionShape, "valueDim"> {
  for (const name of ["q", "k"] as const) requireTensor(name, qk?.[name]);
  return queryKeySizes(qk);
}

/** {@link queryKeyShape} of tensors whose data may be elsewhere. */
function queryKeySizes({ q, k }: Pick<Qkv, "q" | "k">): Omit<AttentionShape, "valueDim"> {
  for (const [name, { shape }] of [["q", q], ["k", k]] as const) {
    requireInput(
      shape.length === 4,
      () => `\`${name}\` has shape [${shape}]; it should have four axes: batch, heads, tokens, dimension.`,
    );
  }
  requireInput(
    dtypeOf(q) === dtypeOf(k),
    () => `\`q\` is ${dtypeOf(q)} and \`k\` is ${dtypeOf(k)}; they should be the same.`,
  );
  const [batch, heads, seqQ, headDim] = q.shape;
  const [keyBatch, kvHeads, seqK, keyDim] = k.shape;
  requireInput(
    keyBatch === batch,
    () => `\`k\` has batch ${keyBatch}; it should be that of \`q\`, ${batch}.`,
  );
  requireInput(
    keyDim === headDim,
    () => `\`k\` has head dimension ${keyDim}; it should be that of \`q\`, ${headDim}.`,
  );
  requireInput(
    heads % kvHeads === 0,
    () => `\`q\` has ${heads} heads; it should be a multiple of the ${kvHeads} heads of \`k\`.`,
  );
  return { batch, heads, kvHeads, seqQ, seqK, headDim };
}
