/**
 * Readers of tensors: safetensors, raw, captures, traces.
 *
 * @module
 */
import fc from "fast-check";
import { runVerify } from "../../support/kit.ts";
import { readCapture } from "../../../fixtures/conformance/captures/capture.ts";
import { readTensorFile } from "../../../fixtures/conformance/tensor_file.ts";
import { readSafetensors, writeSafetensors } from "../../../fixtures/safetensors.ts";
import { loadTrace } from "../../../fixtures/traces.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { type BytesEdit, bytesEdits, editedBytes, type TextEdit, textEdits } from "../edits/bytes.ts";
import { editedFile, type JsonEdit, jsonEdits } from "../edits/json.ts";
import type { Target } from "../target.ts";
import { readOrSentence, withFiles } from "./accepts.ts";
import { captureParts, fileOf, rawFile } from "./files.ts";

/** A safetensors file with edits. */
interface FileCase {
  readonly dtype: "f32" | "f16" | "bf16";
  readonly header: readonly JsonEdit[];
  readonly text: readonly TextEdit[];
  readonly data: readonly BytesEdit[];
  readonly file: readonly BytesEdit[];
}

/** Random files; where the header is whole, the rest is most often too, so that readers get to it. */
const fileCases: fc.Arbitrary<FileCase> = fc.record({
  dtype: fc.constantFrom("f32", "f16", "bf16"),
  header: jsonEdits,
  text: textEdits,
  data: bytesEdits,
  file: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: bytesEdits }),
});

/** The bytes of a case. */
function bytesOf({ dtype, header, text, data, file }: FileCase): Uint8Array {
  const parts = captureParts(dtype);
  const written = editedFile(parts.header, { json: header, text });
  return editedBytes(fileOf(written, editedBytes(parts.data, data)), file);
}

/** A reader of tensor files reads a file or says what is wrong with it; what was read can be written and read again. */
export const safetensors: Target<FileCase> = {
  name: "safetensors",
  cases: fileCases,
  runs: 150,
  check: (given) =>
    withFiles({ "x.safetensors": bytesOf(given) }, async (folder) => {
      const read = await readOrSentence(() => readTensorFile(`${folder}/x.safetensors`));
      if (!("result" in read)) return;
      const { tensors, metadata } = read.result;
      const { tensors: again } = readSafetensors(writeSafetensors(tensors, metadata));
      assertEquals(Object.keys(again).sort(), Object.keys(tensors).sort());
      for (const [name, { data, shape }] of Object.entries(tensors)) {
        assertEquals([again[name].data, again[name].shape], [data, shape], name);
      }
    }),
};

/** Captures are read and judged, or refused. */
export const capture: Target<FileCase> = {
  name: "capture",
  cases: fileCases,
  runs: 60,
  check: (given) =>
    withFiles({ "x.safetensors": bytesOf(given) }, async (folder) => {
      const path = `${folder}/x.safetensors`;
      await readOrSentence(() => readCapture(path));
      const judged = await readOrSentence(() => runVerify(["--capture", path, "--json"]));
      if ("result" in judged) assert([0, 1, 2].includes(judged.result.code));
    }),
};

/** Traces are read, or refused. */
export const trace: Target<FileCase> = {
  name: "trace",
  cases: fileCases,
  runs: 100,
  check: (given) =>
    withFiles({ "x.safetensors": bytesOf(given) }, async (folder) => {
      const read = await readOrSentence(() => loadTrace(`${folder}/x.safetensors`), { longest: 400 });
      if ("result" in read) assert(read.result.qkv.q.data.every(Number.isFinite));
    }),
};

/** A raw file with edits of its JSON and of one binary. */
interface RawCase {
  readonly json: readonly JsonEdit[];
  readonly text: readonly TextEdit[];
  readonly binary: readonly BytesEdit[];
}

/** Raw files are read, or refused, and nothing outside their folder is. */
export const raw: Target<RawCase> = {
  name: "raw",
  cases: fc.record({ json: jsonEdits, text: textEdits, binary: bytesEdits }),
  runs: 150,
  check: async ({ json, text, binary }) => {
    const file = rawFile(), written = editedFile(file.json, { json, text });
    const out = editedBytes(file.binaries["out.bin"], binary);
    await withFiles({ ...file.binaries, "out.bin": out, "x.json": written }, async (folder) => {
      const read = await readOrSentence(() => readTensorFile(`${folder}/x.json`));
      if (!("result" in read)) return;
      for (const [name, { data, shape }] of Object.entries(read.result.tensors)) {
        assertEquals(data.length, shape.reduce((product, each) => product * each, 1), name);
      }
    });
  },
};
