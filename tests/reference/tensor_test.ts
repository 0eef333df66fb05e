import { InputError } from "../../reference/errors.ts";
import {
  attentionShape,
  dtypeOf,
  offsetOf,
  queryKeyShape,
  tensor,
  toFloat64,
} from "../../reference/tensor.ts";
import { assertEquals, assertThrows } from "../support/assert.ts";

const zeros = (...shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);

Deno.test("tensor: keeps the data and copies the shape", () => {
  const data = new Float32Array([1, 2, 3, 4, 5, 6]);
  const shape = [2, 3];
  const made = tensor(data, shape);
  shape[0] = 9;
  assertEquals(made.data === data, true);
  assertEquals(made.shape, [2, 3]);
});

Deno.test("tensor: a shape that does not fit its data is refused by name", () => {
  assertThrows(() => tensor(new Float32Array(5), [2, 3]), InputError, "holds 6 elements, but `data` has 5");
  assertThrows(() => tensor(new Float32Array(0), [0]), InputError, "positive integer");
  assertThrows(() => tensor(new Float32Array(1), [0.5, 2]), InputError, "positive integer");
});

Deno.test("tensor: the element type is read from the typed array", () => {
  assertEquals(dtypeOf(new Float16Array(1)), "f16");
  assertEquals(dtypeOf(new Float32Array(1)), "f32");
  assertEquals(dtypeOf(tensor(new Float64Array(1), [1])), "f64");
  assertEquals(dtypeOf(tensor(new Int32Array(1), [1])), "i32");
});

Deno.test("tensor: offsets are row-major and checked", () => {
  const t = zeros(2, 3, 4);
  assertEquals(offsetOf(t, [1, 2, 3]), 23);
  assertEquals(offsetOf(t, [0, 1, 0]), 4);
  assertThrows(() => offsetOf(t, [0, 3, 0]), InputError, "on axis 1");
  assertThrows(() => offsetOf(t, [0, 0, -1]), InputError, "on axis 2");
  assertThrows(() => offsetOf(t, [0, 0]), InputError, "needs 3");
});

Deno.test("tensor: a float64 copy is a copy", () => {
  const source = tensor(new Float16Array([0.5, 2]), [2]);
  const copy = toFloat64(source);
  copy.data[0] = 7;
  assertEquals(source.data[0], 0.5);
});

Deno.test("attentionShape: reads all sizes", () => {
  assertEquals(attentionShape({ q: zeros(2, 4, 5, 8), k: zeros(2, 2, 7, 8), v: zeros(2, 2, 7, 16) }), {
    batch: 2,
    heads: 4,
    kvHeads: 2,
    seqQ: 5,
    seqK: 7,
    headDim: 8,
    valueDim: 16,
  });
});

Deno.test("attentionShape: every disagreement is one sentence that names the tensor", () => {
  const q = zeros(1, 2, 4, 8), k = zeros(1, 2, 6, 8), v = zeros(1, 2, 6, 8);
  assertThrows(() => attentionShape({ q: zeros(4, 8), k, v }), InputError, "`q` has shape [4,8]");
  assertThrows(() => attentionShape({ q, k, v: zeros(1, 2, 5, 8) }), InputError, "`v` has shape [1,2,5,8]");
  assertThrows(() => attentionShape({ q, k, v: zeros(6, 8) }), InputError, "four axes");
  assertThrows(() => queryKeyShape({ q: zeros(2, 2, 4, 8), k }), InputError, "`k` has batch 1");
  assertThrows(() => queryKeyShape({ q: zeros(1, 2, 4, 16), k }), InputError, "head dimension 8");
  assertThrows(() => queryKeyShape({ q: zeros(1, 3, 4, 8), k }), InputError, "a multiple of the 2 heads");
  const half = tensor(new Float16Array(96), [1, 2, 6, 8]);
  assertThrows(() => queryKeyShape({ q, k: half }), InputError, "they should be the same");
});
