import { InputError } from "../../reference/errors.ts";
import {
  attentionShape,
  dtypeOf,
  offsetOf,
  queryKeyShape,
  type Tensor,
  tensor,
  type TensorData,
  toFloat64,
} from "../../reference/tensor.ts";
import {
  alignmentLoss,
  compare,
  denseAttention,
  fromSegments,
  fullImportance,
  invertOrder,
  levelDensity,
  levelsForDensity,
  maskOfLevels,
  permuteTokens,
  similarityCap,
  toSegments,
  writeSafetensors,
} from "../../mod.ts";
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

const plain = (data: TensorData, ...shape: number[]) => ({ data, shape }) as Tensor;
const short = plain(new Float32Array(3), 1, 1, 4, 8) as Tensor<Float32Array>, whole = zeros(1, 1, 4, 8);
const blocks = { blockM: 4, blockN: 4 }, few = plain(new Int32Array(1), 1, 1, 1, 2) as Tensor<Int32Array>;
const SHORT: Readonly<Record<string, () => unknown>> = {
  q: () => denseAttention({ q: short, k: whole, v: whole }),
  v: () => denseAttention({ q: whole, k: whole, v: short }),
  k: () => fullImportance({ q: whole, k: short }, blocks),
  levels: () => levelDensity(few),
  "levels ": () => toSegments(few),
  segments: () => fromSegments(plain(new Int32Array(1), 1, 1, 1, 7) as Tensor<Int32Array>),
  importance: () => levelsForDensity(few, 0.5),
  "k ": () => similarityCap(short, { blockN: 4, thresholds: { 2: 0.5 } }),
  tokens: () => permuteTokens(short, tensor(Int32Array.of(1, 0), [2])),
  order: () => invertOrder(few),
  got: () => compare(short, whole),
  sparse: () => alignmentLoss(whole, short),
  x: () => writeSafetensors({ x: short }),
};

for (const [name, call] of Object.entries(SHORT)) {
  Deno.test(`tensor: data that do not fill the shape are refused, \`${name}\``, () => {
    assertThrows(call, InputError, `\`${name.trim()}\` has shape`);
  });
}

Deno.test("tensor: other things than tensors, and arrays that no file holds, are refused", () => {
  const none = undefined as unknown as Tensor<Float32Array>;
  assertThrows(
    () => denseAttention({ q: none, k: whole, v: whole }),
    InputError,
    "`q` should be { data, shape }",
  );
  assertThrows(() => permuteTokens(whole, Int32Array.of(0) as never), InputError, "`order` should be");
  assertThrows(
    () => writeSafetensors({ x: plain(new Uint8Array(2) as never, 2) }),
    InputError,
    "`x` should be",
  );
});

Deno.test("maskOfLevels: levels of other blocks, or below 0, are refused", () => {
  const sizes = { ...blocks, seqQ: 4, seqK: 8 };
  const levels = (...all: number[]) => tensor(Int32Array.from(all), [1, 1, 1, all.length]);
  assertEquals(maskOfLevels(levels(1, 0), sizes).rows(0, 0, 1)[0], 0b1111);
  assertThrows(() => maskOfLevels(levels(1, 0, 1), sizes), InputError, "has 3 key blocks");
  assertThrows(() => maskOfLevels(levels(1, -1), sizes), InputError, "holds -1");
});
