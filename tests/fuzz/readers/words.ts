/**
 * Readers of words: configurations of the method, configuration files of the sweep, cases, command lines.
 *
 * @module
 */
import fc from "fast-check";
import { parseOptions } from "../../../bench/sweep/options/options.ts";
import { caseName, parseCase } from "../../../fixtures/cases.ts";
import { estimate, METHODS, presets, type PsaConfig, type PsaSetup, validateConfig } from "../../../mod.ts";
import { assert, assertEquals } from "../../support/assert.ts";
import { editedText, type TextEdit, textEdits } from "../edits/bytes.ts";
import {
  editedFile,
  editedJson,
  type Json,
  type JsonCase,
  jsonCases,
  type JsonEdit,
  jsonEdits,
} from "../edits/json.ts";
import type { Target } from "../target.ts";
import { readOrSentence, withFiles } from "./accepts.ts";

const METHOD_NAMES = METHODS.map(({ name }) => name);
/** Sentences about configurations say all that is wrong at once. */
const ALL_ERRORS = { longest: 3000 };

/** A configuration file that is right. */
const SWEEP_CONFIG: Json = {
  ...{ workload: ["video"], seq: 256, heads: 2, dim: 16, densities: ".5,.1", methods: "psa", dtype: "f32" },
  ...{ "block-m": [32, 64], "block-n": "16", grid: "4,8,8", "per-head": true, shard: "1/2", confidence: 0.9 },
};

/** A configuration file of the sweep is read, or refused. */
export const sweepConfig: Target<JsonCase> = {
  name: "sweep-config",
  cases: jsonCases,
  runs: 200,
  check: ({ json, text }) =>
    withFiles({ "c.json": editedFile(SWEEP_CONFIG, { json, text }) }, async (folder) => {
      const read = await readOrSentence(
        () => parseOptions(["--config", `${folder}/c.json`], METHOD_NAMES),
        {
          longest: 500,
        },
      );
      if ("result" in read) assert(read.result.densities.every((density) => density > 0 && density <= 1));
    }),
};

/** Setups that are right. */
const SETUPS: readonly PsaSetup[] = Object.values(presets).map(({ config }) => ({
  shape: { batch: 1, heads: 4, kvHeads: 2, seqQ: 1000, seqK: 1000, headDim: 64, valueDim: 64 },
  config: { ...config, order: { kind: "raster" as const } },
  levels: [1, 2],
  dtype: "f16" as const,
}));

/** Numbers that a plan must not hold. */
function strange(value: unknown): boolean {
  if (typeof value === "number") return !(Number.isFinite(value) && value >= 0);
  return typeof value === "object" && value !== null && Object.values(value).some(strange);
}

/** A setup is planned, with sizes that are numbers, or refused. */
export const setup: Target<{ readonly preset: number; readonly json: readonly JsonEdit[] }> = {
  name: "setup",
  cases: fc.record({ preset: fc.nat(99), json: jsonEdits }),
  runs: 300,
  check: async ({ preset, json }) => {
    // what stands for text is text here: a setup is a value of the language
    const given = editedJson(SETUPS[preset % SETUPS.length] as unknown as Json, json) as unknown as PsaSetup;
    await readOrSentence(() => validateConfig(given?.config as PsaConfig), ALL_ERRORS);
    const planned = await readOrSentence(() => estimate(given), ALL_ERRORS);
    if ("result" in planned) assert(!strange(planned.result), JSON.stringify(planned.result));
  },
};

/** Words of a case. */
const WORDS = [
  ...["B=1", "H=4", "Hk=2", "Lq=100", "Lk=128", "D=16", "Dv=8", "bm=32", "bn=16", "tile=16", "causal=true"],
  ...["tail=replicate", "dtype=f16", "levels=0,1,2", "order=tile", "workload=video", "seed=7", "text=5"],
];

/** A string is refused, or it is a case: then parsing its canonical string gives the same case again. */
export const caseText: Target<{ readonly words: readonly string[]; readonly text: readonly TextEdit[] }> = {
  name: "case",
  cases: fc.record({ words: fc.subarray(WORDS, { minLength: 6 }), text: textEdits }),
  runs: 400,
  check: async ({ words, text }) => {
    const written = editedText(["attention", ...words].join(" "), text);
    const read = await readOrSentence(() => parseCase(written), { longest: 3000 });
    if (!("result" in read)) return;
    const name = caseName(read.result);
    assertEquals(caseName(parseCase(name)), name);
  },
};

/** Command lines of a sweep are read, or refused. */
export const commandLine: Target<{ readonly args: readonly string[]; readonly text: readonly TextEdit[] }> = {
  name: "command-line",
  cases: fc.record({
    args: fc.array(
      fc.oneof(
        fc.constantFrom("--seq", "--seq=256", "--densities", ".5,.1", "--shard", "1/2", "--grid", "2,4,4"),
        fc.constantFrom(
          "--workload",
          "video",
          "--dtype",
          "f16",
          "--no-gpu",
          "--per-head",
          "--",
          "-x",
          "--out",
        ),
        fc.string({ maxLength: 10 }),
      ),
      { maxLength: 8 },
    ),
    text: textEdits,
  }),
  runs: 300,
  check: async ({ args, text }) => {
    const edited = args.map((arg, i) => i === 0 ? editedText(arg, text) : arg);
    await readOrSentence(() => parseOptions(edited, METHOD_NAMES), { longest: 3000 });
  },
};
