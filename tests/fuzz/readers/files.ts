/**
 * Files of tensors that are right: what edits begin with.
 *
 * @module
 */
import { float32ToBf16 } from "../../../fixtures/bf16.ts";
import { caseFiles, type Format, KIT_VERSION } from "../../../fixtures/conformance/manifest.ts";
import { sha256 } from "../../../fixtures/sha256.ts";
import { buildCase } from "../../../fixtures/conformance/case_file.ts";
import { parseCase } from "../../../fixtures/cases.ts";
import { writeSafetensors } from "../../../fixtures/safetensors.ts";
import { seededRandom, type Tensor, tensor } from "../../../mod.ts";
import type { Json } from "../edits/json.ts";

/** Seeded numbers. */
function numbers(shape: readonly number[], seed: number): Tensor<Float32Array> {
  const random = seededRandom(seed), length = shape.reduce((product, each) => product * each, 1);
  return tensor(Float32Array.from({ length }, () => random.normal()), shape);
}

/** The tensors of a capture of a small call. */
const TENSORS: Readonly<Record<string, Tensor>> = {
  q: numbers([1, 2, 20, 8], 1),
  k: numbers([1, 1, 32, 8], 2),
  v: numbers([1, 1, 32, 8], 3),
  out: numbers([1, 2, 20, 8], 4),
  lse: numbers([1, 2, 20], 5),
  levels: tensor(new Int32Array([1, 2, 0, 1, 4, 1, 2, 0]), [1, 2, 2, 2]),
};
const METADATA = { block_m: "16", block_n: "16", causal: "False", scale: "0.25", order: "raster" };

/** The parts of a safetensors file. */
export interface Parts {
  readonly header: Json;
  readonly data: Uint8Array;
}

/** The parts of a file that is right: a capture, whose tensors are float32, float16 or bfloat16. */
export function captureParts(dtype: "f32" | "f16" | "bf16"): Parts {
  const halves = ["q", "k", "v", "out"];
  const tensors = dtype !== "f16" ? TENSORS : Object.fromEntries(
    Object.entries(TENSORS).map(([name, each]) =>
      halves.includes(name) ? [name, { ...each, data: Float16Array.from(each.data) }] : [name, each]
    ),
  );
  return partsOf(writeSafetensors(tensors, METADATA, { bf16: dtype === "bf16" ? halves : [] }));
}

/** The header and the data of a file. */
export function partsOf(file: Uint8Array): Parts {
  const end = 8 + Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  return { header: JSON.parse(new TextDecoder().decode(file.subarray(8, end))), data: file.slice(end) };
}

/** A safetensors file of a header's text and data. */
export function fileOf(header: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(header), file = new Uint8Array(8 + text.length + data.length);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(data, 8 + text.length);
  return file;
}

/** A raw tensor file: its JSON, and its binaries by name. */
export function rawFile(): { readonly json: Json; readonly binaries: Readonly<Record<string, Uint8Array>> } {
  const bytesOf = ({ data }: Tensor) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const half = float32ToBf16(TENSORS.q.data as Float32Array);
  return {
    json: {
      metadata: { ...METADATA },
      tensors: {
        q: { file: "q.bin", dtype: "bf16", shape: [...TENSORS.q.shape] },
        out: { file: "out.bin", dtype: "f32", shape: [...TENSORS.out.shape] },
        levels: { file: "levels.bin", dtype: "i32", shape: [...TENSORS.levels.shape] },
      },
    },
    binaries: {
      "q.bin": new Uint8Array(half.buffer, half.byteOffset, half.byteLength),
      "out.bin": bytesOf(TENSORS.out),
      "levels.bin": bytesOf(TENSORS.levels),
    },
  };
}

/** A case that was exported: its files, its manifest, and outputs that are right. */
export async function exportedCase(format: Format): Promise<{
  readonly name: string;
  readonly files: Readonly<Record<string, Uint8Array>>;
  readonly manifest: Json;
  /** The name of the file of outputs, and the outputs themselves. */
  readonly output: { readonly file: string; readonly parts: Parts };
}> {
  const built = buildCase(parseCase("attention B=1 H=1 Lq=20 Lk=32 D=8 bm=16 bn=16 tile=16 levels=0,1,2"));
  const files = caseFiles(built, format), hashes: Record<string, string> = {};
  for (const [name, bytes] of Object.entries(files)) hashes[name] = await sha256(bytes);
  const file = `${built.stem}.${format === "raw" ? "json" : "safetensors"}`;
  const cases = [{ case: built.name, file, sha256: hashes }];
  const out = { ...built.tensors.expected_out, data: Float32Array.from(built.tensors.expected_out.data) };
  return {
    name: built.name,
    files,
    manifest: { version: KIT_VERSION, suite: "fuzz", seed: 1, format, cases },
    output: { file: `${built.stem}.safetensors`, parts: partsOf(writeSafetensors({ out })) },
  };
}
