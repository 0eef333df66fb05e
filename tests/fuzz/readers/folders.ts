/**
 * Readers of folders: exported cases with outputs and a declaration, and runs of a sweep.
 *
 * @module
 */
import fc from "fast-check";
import { runVerify } from "../../support/kit.ts";
import { COLUMN_NAMES, isWordColumn, type SweepRow } from "../../../bench/sweep/rows/columns.ts";
import { formatRows, parseRows } from "../../../bench/sweep/rows/csv.ts";
import { readRun } from "../../../bench/sweep/files/write.ts";
import { leftOut, readDeclaration } from "../../../fixtures/conformance/declares.ts";
import { readManifest } from "../../../fixtures/conformance/manifest.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import {
  type BytesEdit,
  bytesEdits,
  editedBytes,
  editedText,
  type TextEdit,
  textEdits,
} from "../edits/bytes.ts";
import {
  editedFile,
  editedJson,
  type JsonCase,
  jsonCases,
  type JsonEdit,
  jsonEdits,
  textOf,
} from "../edits/json.ts";
import type { Target } from "../target.ts";
import { readOrSentence, withFiles } from "./accepts.ts";
import { exportedCase, fileOf } from "./files.ts";

/** A manifest is read with all files that it names, or refused. */
export const manifest: Target<JsonCase & { readonly format: "safetensors" | "raw" }> = {
  name: "manifest",
  cases: fc.record({ json: jsonEdits, text: textEdits, format: fc.constantFrom("safetensors", "raw") }),
  runs: 100,
  check: async ({ json, text, format }) => {
    const exported = await exportedCase(format);
    const written = editedFile(exported.manifest, { json, text });
    await withFiles({ ...exported.files, "manifest.json": written }, async (folder) => {
      await readOrSentence(() => readManifest(folder));
    });
  },
};

/** Outputs are judged, or refused: edits never make other outputs right than those that hold the same numbers. */
export const outputs: Target<
  {
    readonly header: readonly JsonEdit[];
    readonly data: readonly BytesEdit[];
    readonly declared: JsonCase | null;
  }
> = {
  name: "outputs",
  cases: fc.record({
    header: jsonEdits,
    data: bytesEdits,
    declared: fc.option(jsonCases, { freq: 2 }),
  }),
  runs: 40,
  check: async ({ header, data, declared }) => {
    const { files, manifest, output: { file, parts } } = await exportedCase("safetensors");
    const edited = fileOf(textOf(editedJson(parts.header, header)), editedBytes(parts.data, data));
    await withFiles({ ...files, "manifest.json": textOf(manifest) }, async (cases) => {
      const declares = declared && { "declares.json": declarationText(declared) };
      await withFiles({ [file]: edited, ...declares }, async (folder) => {
        const judged = await readOrSentence(() => runVerify([cases, "--outputs", folder]));
        if ("result" in judged) assert([0, 1, 2].includes(judged.result.code));
      });
    });
  },
};

/** A declaration that is right, with edits. */
function declarationText(edits: JsonCase): string {
  const right = {
    contract: "aligned",
    cannot: [{ option: "headDim", values: [64, 128], why: "registers" }, {
      option: "lastBlock",
      values: ["partial"],
      why: "it is not read",
    }],
    stages: ["attention", "gradient"],
  };
  return editedFile(right, edits);
}

/** A declaration is read and applied to a case, or refused. */
export const declaration: Target<JsonCase> = {
  name: "declaration",
  cases: jsonCases,
  runs: 200,
  check: (given) =>
    withFiles({ "declares.json": declarationText(given) }, async (folder) => {
      await readOrSentence(async () => {
        const declared = await readDeclaration(folder);
        return leftOut("attention B=1 H=1 Lq=20 Lk=32 D=8 bm=16 bn=16 tile=16 levels=0,1,2", declared);
      });
    }),
};

/** A table of two rows. */
function tableText(): string {
  const row = (n: number) =>
    Object.fromEntries(
      COLUMN_NAMES.map((name) => [name, isWordColumn(name) ? `some ${name}, "${n}"` : n + 0.5]),
    );
  return formatRows([row(1), row(2)] as unknown as SweepRow[]);
}

/** A table is read, or refused; what was read can be written and read again. */
export const csv: Target<{ readonly text: readonly TextEdit[]; readonly environment: JsonCase }> = {
  name: "csv",
  cases: fc.record({ text: textEdits, environment: jsonCases }),
  runs: 200,
  check: async ({ text, environment }) => {
    const table = editedText(tableText(), text);
    const facts = editedFile({ commit: "1234567", rows: 2 }, environment);
    await withFiles({ "sweep.csv": table, "environment.json": facts }, async (folder) => {
      const read = await readOrSentence(() => readRun(folder), { longest: 500 });
      if ("result" in read) {
        assertEquals(parseRows(formatRows(read.result.rows), "sweep.csv"), read.result.rows);
      }
    });
  },
};
