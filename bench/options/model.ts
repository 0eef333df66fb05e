/**
 * The options that name a released model, and the options that follow from it: shape, blocks, order, importance, methods. All
 * commands that take `--preset` read it here. Options that are given explicitly take precedence.
 *
 * @module
 */
import type { Box } from "../../reference/config/config.ts";
import { MODEL_SHAPES, modelTokens } from "../../reference/config/model_shapes.ts";
import { type ModelName, presets } from "../../reference/config/presets.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import type { OptionHelp } from "./command_line.ts";
import { type OptionReader, requireName } from "./reader.ts";

/** The names of the released models. */
export const MODELS = Object.keys(presets) as ModelName[];

/** Name a model. */
export const PRESET: OptionHelp = {
  name: "preset",
  value: "NAME",
  help: `shape and configuration of a released model: ${MODELS.join(", ")}`,
};

/** The video of a model's call. */
export const GRID: OptionHelp = {
  name: "grid",
  value: "T,Y,X",
  help: "the video in tokens, in place of the model's own",
};

/** How many heads, or which ones of files. */
export const HEADS: OptionHelp = {
  name: "heads",
  value: "N",
  help: "number of heads of the model (all), or heads of files, as in 0,3-5 (all)",
};

/** Files in place of the model's workload. */
export const FILES: readonly OptionHelp[] = [
  { name: "input", value: "FILE|DIR", help: "safetensors with q, k, v of the model, in place of a workload" },
  { name: "layers", value: "N,N-N,…", help: "layers of files with several layers (all)" },
];

/** Options that a model decides. */
export interface ModelOptions {
  /** The model. */
  readonly model: ModelName;
  /** Values of options by name, as on a command line. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Text tokens at the end. */
  readonly textLength: number;
  /** The video, if the model has one. */
  readonly grid?: Box;
}

/** The methods of a sweep of a model: the default ones and its own quotas. */
const METHODS = "dense,psa,block-topk,psa-released";

/**
 * The model that `--preset` names, and the options that follow from it; null without a model.
 *
 * @param read the options: `grid` and `seq` change the model's tokens, `heads` takes some of its heads, `input`
 * replaces its workload
 * @throws {InputError} if there is no such model, tokens and grid do not fit, it has fewer heads, or an option of files
 * stands without a file
 *
 * @example
 * ```ts
 * import { OptionReader } from "./reader.ts";
 * import { readModel } from "./model.ts";
 * const { values } = readModel(new OptionReader({ preset: "Wan2.1-1.3B" }))!;
 * console.log(values.seq, values["block-n"]); // 64800 128
 * ```
 */
export function readModel(read: OptionReader): ModelOptions | null {
  const name = read.text("preset", "");
  if (name === "") return null;
  const model = requireName("preset", name, MODELS), { config, video } = presets[model];
  const grid = boxOf(readGrid(read.text("grid", "")));
  requireInput(
    video !== undefined || grid === undefined,
    () => `--preset ${model} takes no video; --grid should be left out.`,
  );
  const tokens = read.given.seq === undefined ? undefined : read.count("seq", 0);
  const call = tokensOf(model, { grid, tokens });
  const hasFiles = read.texts("input").length > 0;
  requireInput(
    hasFiles || read.given.layers === undefined,
    () => `--layers chooses from files; --preset ${model} needs --input with it.`,
  );
  const workload = video !== undefined ? "model" : "sinks", sizes = { seq: call.tokens, workload };
  return {
    model,
    textLength: call.textLength,
    grid: call.grid,
    values: {
      ...(hasFiles ? {} : { ...sizes, ...headsOf(model, read), dim: MODEL_SHAPES[model].headDim }),
      ...(call.grid === undefined
        ? {}
        : { grid: `${call.grid.depth},${call.grid.height},${call.grid.width}` }),
      ...{ "block-m": config.blockM, "block-n": config.blockN, tile: config.tile },
      ...{ order: config.order?.kind ?? "raster", importance: config.importance.kind, methods: METHODS },
      causal: config.causal ? "true" : "input",
    },
  };
}

/** Options that need `--preset`, and options that cannot stand beside it. */
export interface PresetOptions {
  /** Options that only a model has, such as `heads`. */
  readonly needPreset: readonly string[];
  /** Options that a model decides itself. */
  readonly decided?: readonly string[];
  /** The reason why these cannot be given, a sentence without its point. */
  readonly reason?: string;
}

/**
 * Checks which options are given with `--preset`, and which without.
 *
 * @param given the options of a command line
 * @param options which options need `--preset`, and which cannot be given with it
 * @throws {InputError} at the first option that is given where it should not be
 *
 * @example
 * ```ts
 * import { requirePresetOptions } from "./model.ts";
 * requirePresetOptions({ preset: "Wan2.2-5B", heads: "1" }, { needPreset: ["heads"] });
 * ```
 */
export function requirePresetOptions(
  given: Readonly<Record<string, unknown>>,
  { needPreset, decided = [], reason = "" }: PresetOptions,
): void {
  const hasModel = given.preset !== undefined, wrong = hasModel ? decided : needPreset;
  const stray = wrong.find((name) => name in given);
  requireInput(
    stray === undefined,
    () => hasModel ? `${reason}; --${stray} should be left out.` : `--${stray} needs --preset with it.`,
  );
}

/** Query and key heads of a model, or of some of its heads: as many query heads share a key head, if that is possible. */
function headsOf(model: ModelName, read: OptionReader): Readonly<Record<"heads" | "kv-heads", number>> {
  const { heads: all, kvHeads } = MODEL_SHAPES[model],
    heads = read.count("heads", all),
    group = all / kvHeads;
  requireInput(heads <= all, () => `--heads is ${heads}; ${model} has ${all} heads.`);
  return { heads, "kv-heads": heads % group === 0 ? heads / group : heads };
}

/** The tokens of a call; errors name the options. */
function tokensOf(model: ModelName, asked: { readonly grid?: Box; readonly tokens?: number }) {
  try {
    return modelTokens(model, asked);
  } catch (error) {
    if (error instanceof InputError) {
      throw new InputError(`--preset ${model}: ${error.message}`, { cause: error });
    }
    throw error;
  }
}

/**
 * The sizes of a video.
 *
 * @param text such as `21,30,52`; empty: none
 * @throws {InputError} if it is something else
 *
 * @example
 * ```ts
 * import { readGrid } from "./model.ts";
 * console.log(readGrid("21,30,52")); // [21, 30, 52]
 * ```
 */
export function readGrid(text: string): [number, number, number] | null {
  if (text === "") return null;
  const sizes = text.split(",").map(Number);
  requireInput(
    sizes.length === 3 && sizes.every((size) => Number.isInteger(size) && size > 0),
    () => `--grid is "${text}"; it should be three whole numbers T,Y,X.`,
  );
  requireInput(
    sizes[0] * sizes[1] * sizes[2] <= MOST_TOKENS,
    () => `--grid is "${text}"; it should hold at most ${MOST_TOKENS} tokens.`,
  );
  return [sizes[0], sizes[1], sizes[2]];
}

/** More tokens than any call has room for. */
const MOST_TOKENS = 2 ** 31;

/** The video that three sizes are. */
export function boxOf(grid: readonly [number, number, number] | null): Box | undefined {
  return grid === null ? undefined : { depth: grid[0], height: grid[1], width: grid[2] };
}

/**
 * Whole numbers and ranges of them, in ascending order.
 *
 * @param option the option, for messages
 * @param text such as `0,3-5`; empty: none
 * @throws {InputError} if it is something else
 *
 * @example
 * ```ts
 * import { readRanges } from "./model.ts";
 * console.log(readRanges("layers", "0,3-5")); // [0, 3, 4, 5]
 * ```
 */
export function readRanges(option: string, text: string): number[] {
  const numbers = new Set<number>();
  for (const part of text === "" ? [] : text.split(",")) {
    const [first, last = first] = /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(part.trim())?.slice(1).map((each) =>
      each === undefined ? undefined : Number(each)
    ) ?? [];
    requireInput(
      first !== undefined && last! >= first,
      () =>
        `--${option} is "${text}"; it should be whole numbers and ranges, as in 0,3-5.`,
    );
    for (let number = first!; number <= last!; number++) numbers.add(number);
  }
  return [...numbers].sort((a, b) => a - b);
}
