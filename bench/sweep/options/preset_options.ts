/**
 * The options that stand for a released model: shape, blocks, order, importance, methods. Options that are given
 * explicitly win.
 *
 * @module
 */
import type { Box } from "../../../reference/config/config.ts";
import { MODEL_SHAPES, modelTokens } from "../../../reference/config/model_shapes.ts";
import { type ModelName, presets } from "../../../reference/config/presets.ts";
import { InputError, requireInput } from "../../../reference/errors.ts";
import type { OptionReader } from "../../options/reader.ts";

/** Options that a model decides. */
export interface PresetOptions {
  /** Values of options by name, as on a command line. */
  readonly values: Readonly<Record<string, unknown>>;
  /** Text tokens at the end. */
  readonly textLength: number;
}

/** The methods of a sweep of a model: beside the default ones its own quotas. */
const METHODS = "dense,psa,block-topk,psa-released";

/**
 * The options that a model stands for.
 *
 * @param model the model
 * @param options what was given: `grid` and `seq` change its tokens, `input` replaces them
 * @throws {InputError} if tokens and grid do not fit
 *
 * @example
 * ```ts
 * import { OptionReader } from "../../options/reader.ts";
 * import { presetOptions } from "./preset_options.ts";
 * const { values } = presetOptions("Wan2.1-1.3B", { read: new OptionReader({}), grid: null });
 * console.log(values.seq, values["block-n"]); // 64800 128
 * ```
 */
export function presetOptions(
  model: ModelName,
  { read, grid: asked }: {
    readonly read: OptionReader;
    readonly grid: readonly [number, number, number] | null;
  },
): PresetOptions {
  const { heads, kvHeads, headDim } = MODEL_SHAPES[model], { config } = presets[model];
  const grid = asked === null ? undefined : { depth: asked[0], height: asked[1], width: asked[2] };
  const isVideo = presets[model].video !== undefined;
  requireInput(
    isVideo || grid === undefined,
    () => `--preset ${model} takes no video; --grid should be left out.`,
  );
  const tokens = read.given.seq === undefined ? undefined : read.count("seq", 0);
  const call = tokensOf(model, { grid, tokens });
  const files = read.texts("input").length > 0, some = read.given.heads !== undefined;
  return {
    textLength: call.textLength,
    values: {
      ...(files ? {} : {
        ...{ workload: isVideo ? "model" : "sinks", seq: call.tokens, dim: headDim, heads },
        ...(some ? {} : { "kv-heads": kvHeads }),
      }),
      ...(call.grid === undefined
        ? {}
        : { grid: `${call.grid.depth},${call.grid.height},${call.grid.width}` }),
      ...{ "block-m": config.blockM, "block-n": config.blockN, tile: config.tile },
      ...{ order: config.order?.kind ?? "raster", importance: config.importance.kind, methods: METHODS },
      causal: config.causal ? "true" : "input",
    },
  };
}

/** The tokens of a call, or what is wrong with those that were asked for, with the names of options. */
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
 * Whole numbers and ranges of them, in ascending order.
 *
 * @param option the option, for messages
 * @param text such as `0,3-5`; empty: none
 * @throws {InputError} if it is something else
 *
 * @example
 * ```ts
 * import { readRanges } from "./preset_options.ts";
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
