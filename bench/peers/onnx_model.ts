/**
 * A model of attention in the format of ONNX, written by hand: some nodes of MultiHeadAttention, one after the other, the output of
 * each being the queries of the next.
 *
 * @module
 */

/** The sizes of the model. */
export interface OnnxCall {
  /** Heads, tokens of queries and of keys, channels of a head. */
  readonly heads: number;
  readonly tokens: number;
  readonly dim: number;
}

/** The value of a field of a message: a number, or bytes. */
type Value = number | string | readonly number[];

/** A whole number, 7 bits a byte. */
function varint(value: number): number[] {
  return value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))];
}

/** A field of a message of protocol buffers. */
function field(number: number, value: Value): number[] {
  if (typeof value === "number") return [...varint(number * 8), ...varint(value)];
  const bytes = typeof value === "string" ? [...new TextEncoder().encode(value)] : value;
  return [...varint(number * 8 + 2), ...varint(bytes.length), ...bytes];
}

/** Numbers of fields and constants, as onnx.proto has them. */
const FLOAT = 1, INT_ATTRIBUTE = 2;

/** An input or output of the graph, float32 [1, tokens, heads times channels]. */
function valueOf(name: string, { heads, tokens, dim }: OnnxCall): number[] {
  const dims = [1, tokens, heads * dim].flatMap((size) => field(1, field(1, size)));
  const tensor = [...field(1, FLOAT), ...field(2, dims)];
  return [...field(1, name), ...field(2, field(1, tensor))];
}

/** A node of attention. */
function nodeOf(query: string, output: string, heads: number): number[] {
  const attribute = [...field(1, "num_heads"), ...field(3, heads), ...field(20, INT_ATTRIBUTE)];
  return [
    ...[query, "k", "v"].flatMap((name) => field(1, name)),
    ...field(2, output),
    ...field(4, "MultiHeadAttention"),
    ...field(5, attribute),
    ...field(7, "com.microsoft"),
  ];
}

/** An operator set that the model uses. */
function setOf(domain: string, version: number): number[] {
  return [...field(1, domain), ...field(2, version)];
}

/**
 * The bytes of the model, with inputs `q`, `k`, `v` and output `out`.
 *
 * @param call its sizes
 * @param nodes how many attentions follow each other
 *
 * @example
 * ```ts
 * import { onnxModel } from "./onnx_model.ts";
 * console.log(onnxModel({ heads: 2, tokens: 256, dim: 64 }, 1).length); // 220
 * ```
 */
export function onnxModel(call: OnnxCall, nodes: number): Uint8Array {
  const chain = Array.from({ length: nodes }, (_, i) => {
    return nodeOf(i === 0 ? "q" : `x${i}`, i === nodes - 1 ? "out" : `x${i + 1}`, call.heads);
  });
  const graph = [
    ...chain.flatMap((node) => field(1, node)),
    ...field(2, "attention"),
    ...["q", "k", "v"].flatMap((name) => field(11, valueOf(name, call))),
    ...field(12, valueOf("out", call)),
  ];
  const sets = [...field(8, setOf("", 17)), ...field(8, setOf("com.microsoft", 1))];
  return Uint8Array.from([...field(1, 8), ...field(7, graph), ...sets]);
}
