/**
 * `deno task bench:gpu`: times attention on this GPU, dense and over the pyramid, by density and length, and the
 * stages before it.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { type BenchPart, MODEL_PARTS, PARTS, runBench } from "../gpu/bench.ts";
import type { StageBench } from "../gpu/data.ts";
import type { CommandLine } from "../options/command_line.ts";
import { BACKEND, MATRIX, openChosen, UNGUARDED } from "../options/device.ts";
import { FILES, GRID, HEADS, PRESET, requirePresetOptions } from "../options/model.ts";
import { modelCalls } from "../sweep/inputs/model_calls.ts";
import type { Command } from "./command.ts";

/** The requested parts. */
function partsOf(
  { read }: Pick<CommandLine, "read">,
  parts: readonly BenchPart[],
  of: string,
): readonly BenchPart[] {
  const usual = parts.filter((part) => part !== "rules"); // which takes minutes in software
  const names = read.list("parts", usual.join(","));
  for (const name of names) {
    requireInput(
      (parts as readonly string[]).includes(name),
      () => `--parts holds "${name}"; the parts${of} are ${parts.join(", ")}.`,
    );
  }
  return PARTS.filter((part) => names.includes(part));
}

/** The calls of the requested model; undefined without a model. */
async function callsOf({ given }: Pick<CommandLine, "given">): Promise<StageBench[] | undefined> {
  requirePresetOptions(given, {
    needPreset: ["heads", "grid", "input", "layers"],
    decided: ["tokens", "filter"],
    reason: "--preset has its own calls",
  });
  if (given.preset === undefined) return undefined;
  const calls = await modelCalls(given);
  return calls.map(({ shape, config, qkv, name }) => ({ shape, config, qkv, name, dtype: "f32" }));
}

/** The command. */
export const command: Command = {
  help: {
    name: "bench:gpu",
    usage: "[options]",
    about: [
      "Times attention on this GPU, dense and over the pyramid, by density and by length, and the stages before it. " +
      "The parts are",
      "",
      "  table      both widths and types, four densities, smaller key blocks",
      "  densities  time against density, from 1 to .02, with the ideal line",
      "  lengths    time against length, from 1K to eight times --tokens (in",
      "             software to --tokens), with the ideal line",
      "  causal     causal calls, dense and at density .15, relative to calls that are",
      "             not causal",
      "  numbers    dense attention with equal, normal or growing scores, which shows",
      "             the cost of the kernel's fixed maximum",
      "  forward    the whole method against dense attention, at one, two and four",
      "             times --tokens (in software at two)",
      "  stages     each stage of the whole method, at twice --tokens",
      "  rules      whole calls that choose keys for every query, at a quarter of",
      "             --tokens and at --tokens",
    ],
    examples: [
      "deno task bench:gpu --parts table",
      "deno task bench:gpu --tokens 8192 --parts densities,lengths",
    ],
    options: [
      { name: "tokens", value: "N", help: "tokens of a head (16384; 1024 in software)" },
      {
        name: "parts",
        value: "LIST",
        help: `of ${PARTS.join(", ")}; all but rules, with --preset forward,stages`,
      },
      PRESET,
      HEADS,
      GRID,
      ...FILES,
      {
        name: "filter",
        value: "TEXT",
        help: "only cases whose name, as it is printed, contains it",
      },
      { name: "seconds", value: "N", help: "seconds after which a case is not measured again (5)" },
      BACKEND,
      UNGUARDED,
      MATRIX,
      { name: "json", value: "", help: "one JSON object per line" },
    ],
  },
  async run({ read, given }) {
    const tokens = given.tokens === undefined ? undefined : Number(read.text("tokens", ""));
    requireInput(
      tokens === undefined || Number.isInteger(tokens) && tokens > 0 && tokens % 128 === 0,
      () => `--tokens is "${given.tokens}"; it should be a multiple of 128.`,
    );
    const seconds = given.seconds === undefined ? undefined : Number(read.text("seconds", ""));
    requireInput(
      seconds === undefined || seconds > 0,
      () => `--seconds is "${given.seconds}"; it should be a positive number.`,
    );
    const isModel = given.preset !== undefined;
    const parts = partsOf({ read }, isModel ? MODEL_PARTS : PARTS, isModel ? " of a model" : "");
    const calls = await callsOf({ given });
    const options = {
      tokens,
      parts,
      filter: read.text("filter", ""),
      json: read.flag("json"),
      calls,
      seconds,
    };
    using gpu = await openChosen(read);
    await runBench(gpu, options);
  },
};
