import fc from "fast-check";
import { InputError, readSafetensors, type Tensor, type TensorData, writeSafetensors } from "../mod.ts";
import { roundToBf16 } from "../fixtures/bf16.ts";
import { assertEquals, assertThrows } from "./assert.ts";

/** A file with this header and so many bytes of data. */
function file(header: string | Uint8Array, dataBytes = 0, headerLength?: bigint): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

/** The header entry of a float32 tensor. */
function entry(name: string, shape: number[], offsets: number[], dtype = "F32"): string {
  return `"${name}":${JSON.stringify({ dtype, shape, data_offsets: offsets })}`;
}

const REFUSALS: [name: string, bytes: Uint8Array, sentence: string][] = [
  ["an empty file", new Uint8Array(), "has 0 bytes"],
  ["a file shorter than its length", new Uint8Array(7), "has 7 bytes"],
  ["a huge header", file("{}", 0, 100_000_001n), "header of 100000001 bytes"],
  ["a header length of 64 bits", file("{}", 0, 2n ** 64n - 1n), "header of 18446744073709551615 bytes"],
  ["a truncated header", file("{}", 0, 10n), "ends after 2 of them"],
  ["a header that is not UTF-8", file(new Uint8Array([0x7b, 0xff, 0x7d])), "not UTF-8"],
  ["a header that is not JSON", file("{nothing}"), "not JSON"],
  ["a header that is a list", file("[]"), "not a JSON object"],
  ["a header after a space", file(" {}"), "not a JSON object"],
  ["an empty header", file(""), "not JSON"],
  ["a tensor named twice", file(`{${entry("q", [1], [0, 4])},${entry("q", [1], [0, 4])}}`, 4), '"q" twice'],
  [
    "a name twice through an escape",
    file(`{${entry("q", [1], [0, 4])},${entry("\\u0071", [1], [0, 4])}}`, 4),
    "twice",
  ],
  [
    "a key twice inside an entry",
    file('{"q":{"dtype":"F32","dtype":"F16","shape":[],"data_offsets":[0,4]}}', 4),
    "twice",
  ],
  [
    "overlapping tensors",
    file(`{${entry("q", [2], [0, 8])},${entry("k", [1], [4, 8])}}`, 8),
    "inside the tensor before",
  ],
  [
    "a hole",
    file(`{${entry("q", [1], [0, 4])},${entry("k", [1], [8, 12])}}`, 12),
    'The 4 bytes before tensor "k"',
  ],
  ["a hole at the beginning", file(`{${entry("q", [1], [4, 8])}}`, 8), 'The 4 bytes before tensor "q"'],
  ["bytes left over", file(`{${entry("q", [1], [0, 4])}}`, 7), "last 3 bytes"],
  ["truncated data", file(`{${entry("q", [2], [0, 8])}}`, 7), "only 7 bytes of data"],
  ["a size beyond all files", file(`{${entry("q", [2 ** 50], [0, 2 ** 52])}}`, 8), "only 8 bytes of data"],
  ["a shape that needs more bytes", file(`{${entry("q", [3], [0, 8])}}`, 8), "needs 12 bytes, but has 8"],
  ["a shape whose size overflows", file(`{${entry("q", [2 ** 40, 2 ** 40], [0, 8])}}`, 8), "but has 8"],
  ["a negative axis", file(`{${entry("q", [-1], [0, 4])}}`, 4), "whole numbers"],
  ["a fraction of an axis", file(`{${entry("q", [0.5], [0, 2])}}`, 2), "whole numbers"],
  ["an axis of length 0", file(`{${entry("q", [4, 0], [0, 0])}}`), "at least one element"],
  ["offsets that descend", file(`{${entry("q", [1], [4, 0])}}`, 4), "ascending order"],
  ["negative offsets", file(`{${entry("q", [1], [-4, 0])}}`), "whole numbers"],
  ["one offset", file(`{${entry("q", [1], [0])}}`, 4), "two whole numbers"],
  ["an unknown element type", file(`{${entry("q", [1], [0, 8], "I64")}}`, 8), 'element type "I64"'],
  ["an element type named like a method", file(`{${entry("q", [1], [0, 8], "toString")}}`, 8), '"toString"'],
  ["no element type", file('{"q":{"shape":[1],"data_offsets":[0,4]}}', 4), "no element type"],
  ["an entry that is no object", file('{"q":7}'), "no element type"],
  ["metadata that is not text", file('{"__metadata__":{"grid":[1,2]}}'), "object of strings"],
];

for (const [name, bytes, sentence] of REFUSALS) {
  Deno.test(`safetensors: ${name} is refused`, () => {
    assertThrows(() => readSafetensors(bytes), InputError, sentence);
  });
}

const ARRAYS = [Float16Array, Float32Array, Float64Array, Int32Array];

/** Any tensor of any type, NaN and infinities included. */
const anyTensor: fc.Arbitrary<Tensor> = fc.tuple(
  fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 4 }),
  fc.constantFrom(...ARRAYS),
  fc.infiniteStream(fc.double()),
).map(([shape, type, values]) => {
  const size = shape.reduce((product, length) => product * length, 1);
  const data: TensorData = new type(size);
  return { shape, data: data.map(() => values.next().value) };
});
const name = fc.string({ unit: "grapheme" }).filter((text) => text !== "__metadata__");

Deno.test("safetensors: what is written is read, whatever the names, types and shapes", () => {
  const property = fc.property(
    fc.dictionary(name, anyTensor),
    fc.dictionary(name, fc.string({ unit: "grapheme" })),
    (tensors, metadata) => {
      const read = readSafetensors(writeSafetensors(tensors, metadata));
      assertEquals(Object.entries(read.metadata).sort(), Object.entries(metadata).sort());
      assertEquals(Object.keys(read.tensors).sort(), Object.keys(tensors).sort());
      for (const [key, { data, shape }] of Object.entries(tensors)) {
        assertEquals(read.tensors[key], { data, shape });
      }
    },
  );
  fc.assert(property, { seed: 1, numRuns: 200 });
});

Deno.test("safetensors: the bytes do not depend on the order of names", () => {
  const a = { data: new Float16Array([1]), shape: [1] }, b = { data: new Float64Array([2]), shape: [1] };
  assertEquals(
    writeSafetensors({ a, b }, { x: "1", y: "2" }),
    writeSafetensors({ b, a }, { y: "2", x: "1" }),
  );
});

Deno.test("safetensors: a file at an odd place in memory is read", () => {
  const bytes = writeSafetensors({ q: { data: new Float64Array([1, 2]), shape: [2] } });
  const shifted = new Uint8Array(bytes.length + 1).subarray(1);
  shifted.set(bytes);
  assertEquals(readSafetensors(shifted).tensors.q.data, new Float64Array([1, 2]));
});

Deno.test("safetensors: BF16 is rounded to the nearest even and read into float32", () => {
  const values = new Float32Array([1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -1.01, 3.4e38, Infinity, NaN, 1e-40]);
  const bytes = writeSafetensors({ q: { data: values, shape: [8] } }, {}, { bf16: ["q"] });
  const { tensors, dtypes } = readSafetensors(bytes);
  assertEquals(dtypes.q, "BF16");
  assertEquals(tensors.q.data, roundToBf16(values));
  assertEquals([...tensors.q.data.subarray(0, 7)], [
    1,
    1,
    1 + 2 ** -6,
    -1.0078125,
    Infinity,
    Infinity,
    NaN,
  ]);
});

Deno.test("safetensors: what cannot be written is refused", () => {
  const q = { data: new Float16Array(1), shape: [1] };
  assertThrows(() => writeSafetensors({ __metadata__: q }), InputError, "belongs to the format");
  assertThrows(() => writeSafetensors({ q }, {}, { bf16: ["q"] }), InputError, "float32 tensors");
  assertThrows(() => writeSafetensors({ q }, {}, { bf16: ["k"] }), InputError, "float32 tensors");
});
