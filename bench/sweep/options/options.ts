/**
 * The options of the sweep, and the messages about wrong ones.
 *
 * @module
 */
import { WORKLOADS } from "../../../fixtures/workloads.ts";
import { ALL } from "../plan/methods.ts";
import { cutSentence, readTextSync } from "../../../fixtures/guarded.ts";
import { InputError, requireInput } from "../../../reference/errors.ts";
import { type CommandLine, readCommandLine, refuseOption } from "../../options/command_line.ts";
import { deviceChoice } from "../../options/device.ts";
import { readGrid, readModel, readRanges } from "../../options/model.ts";
import { OptionReader, requireName } from "../../options/reader.ts";
import { TRUTHS } from "../truth/kinds.ts";

import { OPTIONS, RUN_ONLY, sweepHelp } from "./option_list.ts";
import { readTuned } from "./read_tuned.ts";
import type { Shard, SweepOptions } from "./sweep_options.ts";
import { variantsOf } from "./variants.ts";
export type { Shard, SweepOptions } from "./sweep_options.ts";

const BLOCKS = [16, 32, 64, 128];
const ORDERS = ["raster", "tile", "gilbert"];
const IMPORTANCES = ["sampled", "full", "pooled", "antidiagonal"];
const MOST_HEAD_DIM = 256;
/** The values of --causal; `input` takes the property of the file or workload. */
const CAUSAL = { input: null, true: true, false: false } as const;
const CAUSAL_NAMES = ["input", "true", "false"] as const;

/**
 * Reads the options of a command line, and of the file that `--config` names; the command line takes precedence.
 *
 * @param args the arguments
 * @param known the names of all methods
 * @throws {InputError} one sentence about the first option that is unknown or has a value that cannot be
 *
 * @example
 * ```ts
 * import { parseOptions } from "./options.ts";
 * console.log(parseOptions(["--densities", ".5,.1", "--methods", "psa"], ["psa"]).densities); // [0.5, 0.1]
 * ```
 */
export function parseOptions(args: readonly string[], known: readonly string[]): SweepOptions {
  return optionsOf(readCommandLine(args, sweepHelp(known)), known);
}

/**
 * The options of a command line, and of the file that its `--config` names; the command line takes precedence.
 *
 * @param line the command line
 * @param known the names of all methods
 * @throws {InputError} one sentence about the first option that has a value that cannot be
 *
 * @example
 * ```ts
 * import { readCommandLine } from "../../options/command_line.ts";
 * import { sweepHelp } from "./option_list.ts";
 * import { optionsOf } from "./options.ts";
 * const line = readCommandLine(["--seq", "256", "--methods", "psa"], sweepHelp(["psa"]));
 * console.log(optionsOf(line, ["psa"]).seq); // 256
 * ```
 */
export function optionsOf(
  { read, given }: Pick<CommandLine, "read" | "given">,
  known: readonly string[],
): SweepOptions {
  const config = read.text("config", "");
  try {
    return readOptions({ ...(config === "" ? {} : readConfig(config)), ...given }, known);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(cutSentence(error.message), { cause: error });
  }
}

/**
 * The default options of a sweep, which a plan may change.
 *
 * @param known the names of all methods
 *
 * @example
 * ```ts
 * import { defaultOptions } from "./options.ts";
 * console.log({ ...defaultOptions(["dense", "psa", "block-topk"]), seq: 512 }.seq); // 512
 * ```
 */
export function defaultOptions(known: readonly string[]): SweepOptions {
  return readOptions({ methods: known }, known);
}

/**
 * Reads options by name, as on a command line.
 *
 * @param own the values
 * @param known the names of all methods
 * @throws {InputError} one sentence about the first value that cannot be
 *
 * @example
 * ```ts
 * import { readOptions } from "./options.ts";
 * console.log(readOptions({ preset: "Wan2.1-1.3B", methods: "psa" }, ["psa"]).seq); // 64800
 * ```
 */
export function readOptions(own: Readonly<Record<string, unknown>>, known: readonly string[]): SweepOptions {
  const model = readModel(new OptionReader(own));
  const given = { ...model?.values, ...own }, read = new OptionReader(given);
  const hasFiles = read.texts("input").length > 0 && read.texts("workload").length === 0;
  const heads = hasFiles ? 2 : read.count("heads", 2);
  const options: SweepOptions = {
    inputs: read.texts("input"),
    layers: readRanges("layers", read.text("layers", "")),
    chosenHeads: hasFiles ? readRanges("heads", read.text("heads", "")) : [],
    preset: model?.model ?? null,
    textLength: model?.textLength ?? 0,
    workloads: read.texts("workload").map((name) => requireName("workload", name, WORKLOADS)),
    seq: read.count("seq", 1024),
    heads,
    kvHeads: requireDivisor(read.count("kv-heads", heads), heads),
    dim: requireDim(read.count("dim", 64)),
    batch: read.count("batch", 1),
    seed: read.whole("seed", 1),
    densities: read.list("densities", "1,.5,.35,.25,.15,.1,.05").map(requireFraction),
    methods: read.list("methods", "dense,psa,block-topk").map((name) =>
      requireName("methods", name, [...known, ALL])
    ),
    tuned: read.text("tuned", "") === "" ? null : readTuned(read.text("tuned", "")),
    blockM: read.someOf("block-m", BLOCKS, "128"),
    blockN: read.someOf("block-n", BLOCKS, "64"),
    tile: read.someOf("tile", BLOCKS, ""),
    dtype: read.list("dtype", "f32").map((name) => requireName("dtype", name, ["f32", "f16"])),
    causal: read.list("causal", "input").map((name) => CAUSAL[requireName("causal", name, CAUSAL_NAMES)]),
    orders: read.list("order", "raster").map((name) => requireName("order", name, ORDERS)),
    importances: read.list("importance", "").map((name) => requireName("importance", name, IMPORTANCES)),
    grid: readGrid(read.text("grid", "")),
    truth: requireName("truth", read.text("truth", "auto"), TRUTHS),
    truthRows: read.count("truth-rows", 2),
    memory: read.between("memory", [0, 4096], 2),
    perHead: read.flag("per-head"),
    filter: read.text("filter", ""),
    list: read.flag("list"),
    confidence: read.between("confidence", [0, 1], 0.95),
    precision: read.between("precision", [0, 1], 0.1),
    seconds: read.between("seconds", [0, 86400], 12),
    whole: read.flag("whole"),
    shard: readShard(read.text("shard", "1/1")),
    resume: read.flag("resume"),
    force: read.flag("force"),
    out: read.text("out", "") || null,
    plots: read.flag("plots"),
    json: read.flag("json"),
    gpu: !read.flag("no-gpu"),
    ...deviceChoice(read),
    help: read.flag("help"),
  };
  requireInput(
    !options.whole || options.gpu,
    "--whole and --no-gpu were given; whole calls are timed on a GPU.",
  );
  variantsOf(options);
  return options;
}

/** The options that a JSON file holds, by name. */
function readConfig(path: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(readTextSync(path));
  } catch (error) {
    throw new InputError(
      `--config ${path} cannot be read: ${
        String(error instanceof Error ? error.message : error).replace(/\.$/, "")
      }.`,
    );
  }
  requireInput(
    typeof value === "object" && value !== null && !Array.isArray(value),
    () => `--config ${path} should hold one JSON object.`,
  );
  const { $schema: _, ...options } = value as Record<string, unknown>;
  for (const [name, setting] of Object.entries(options)) {
    const option = OPTIONS.find((each) => each.name === name && !RUN_ONLY.includes(name));
    if (option === undefined) refuseOption(name, { options: OPTIONS }, ` in ${path}`);
    requireInput(
      option.value !== "" ? isValue(setting) : typeof setting === "boolean",
      () =>
        `"${name}" in ${path} should be ${
          option.value === "" ? "true or false" : "a text, a number or a list"
        }.`,
    );
  }
  return options;
}

/** Whether a setting is text, a number, or a list of them. */
function isValue(setting: unknown): boolean {
  const isOne = (each: unknown) => typeof each === "string" || typeof each === "number";
  return isOne(setting) || Array.isArray(setting) && setting.every(isOne);
}

function requireFraction(text: string): number {
  const density = Number(text);
  requireInput(
    density > 0 && density <= 1,
    () => `--densities has "${text}"; densities should be above 0 and at most 1.`,
  );
  return density;
}

function requireDivisor(kvHeads: number, heads: number): number {
  requireInput(heads % kvHeads === 0, () => `--kv-heads is ${kvHeads}; it should divide --heads, ${heads}.`);
  return kvHeads;
}

function requireDim(dim: number): number {
  requireInput(
    dim % 8 === 0 && dim <= MOST_HEAD_DIM,
    () => `--dim is ${dim}; it should be a multiple of 8 up to ${MOST_HEAD_DIM}.`,
  );
  return dim;
}

/**
 * A part of a run.
 *
 * @param text such as `2/8`
 * @throws {InputError} if it is something else
 *
 * @example
 * ```ts
 * import { readShard } from "./options.ts";
 * console.log(readShard("2/8").count); // 8
 * ```
 */
export function readShard(text: string): Shard {
  const [index, count] = /^(\d+)\/(\d+)$/.exec(text)?.slice(1).map(Number) ?? [0, 0];
  requireInput(
    index >= 1 && index <= count,
    () => `--shard is "${text}"; it should be I/N with I from 1 to N, as in 2/8.`,
  );
  return { index, count };
}
