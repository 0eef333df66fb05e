/**
 * Sizes of attention in the models that configurations were released for.
 *
 * @module
 */
import { InputError, requireInput } from "../errors.ts";
import type { Box } from "./config.ts";
import { type ModelName, presets } from "./presets.ts";

/** Sizes of one attention call of a model. */
export interface ModelShape {
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads. */
  readonly kvHeads: number;
  /** Head dimension. */
  readonly headDim: number;
  /** Layers with such a call. */
  readonly layers: number;
  /** Tokens, for a model whose configuration names no video. */
  readonly tokens?: number;
}

/** Heads and layers from the models' own configuration files (docs/presets.md). */
export const MODEL_SHAPES: Readonly<Record<ModelName, ModelShape>> = {
  "Wan2.1-1.3B": { heads: 12, kvHeads: 12, headDim: 128, layers: 30 },
  "Wan2.1-14B": { heads: 40, kvHeads: 40, headDim: 128, layers: 40 },
  "Wan2.2-5B": { heads: 24, kvHeads: 24, headDim: 128, layers: 30 },
  "Wan2.2-A14B": { heads: 40, kvHeads: 40, headDim: 128, layers: 40 },
  "CogVideoX-5B": { heads: 48, kvHeads: 48, headDim: 64, layers: 42 },
  "Qwen2.5-VL": { heads: 28, kvHeads: 4, headDim: 128, layers: 28, tokens: 32768 },
};

/** The tokens of one attention call of a model. */
export interface ModelTokens {
  /** All tokens. */
  readonly tokens: number;
  /** Text tokens among them, at the end. */
  readonly textLength: number;
  /** The video that the other tokens are. */
  readonly grid?: Box;
}

/**
 * The tokens of a model's call: those of the video of its release, or of another one.
 *
 * @param model the model
 * @param options another video in tokens, or another number of tokens
 * @throws {InputError} if there is no such model, or the tokens are not those of the video and the text
 *
 * @example
 * ```ts
 * import { modelTokens } from "./model_shapes.ts";
 * console.log(modelTokens("Wan2.1-1.3B").tokens); // 64800
 * console.log(modelTokens("Wan2.1-1.3B", { grid: { width: 52, height: 30, depth: 21 } }).tokens); // 32760
 * ```
 */
export function modelTokens(
  model: ModelName,
  { grid: asked, tokens: wanted }: { readonly grid?: Box; readonly tokens?: number } = {},
): ModelTokens {
  if (!Object.hasOwn(presets, model)) {
    throw new InputError(`The model is "${model}"; it should be one of ${Object.keys(presets).join(", ")}.`);
  }
  const { video, config: { textLength = 0 } } = presets[model];
  const grid = asked ?? (video && {
    width: Math.ceil(video.width / video.divisors.width),
    height: Math.ceil(video.height / video.divisors.height),
    depth: Math.ceil(video.frames / video.divisors.depth),
  });
  if (grid === undefined) {
    const tokens = wanted ?? MODEL_SHAPES[model].tokens ?? 0;
    requireInput(
      tokens > textLength,
      () => `${model} reads ${textLength} tokens of text in full; ${tokens} tokens should be more.`,
    );
    return { tokens, textLength };
  }
  const tokens = grid.width * grid.height * grid.depth + textLength;
  requireInput(
    wanted === undefined || wanted === tokens,
    () =>
      `There are ${wanted} tokens; the grid of ${model}, ${grid.depth},${grid.height},${grid.width}, ${
        textLength > 0 ? `and ${textLength} tokens of text ` : ""
      }hold${textLength > 0 ? "" : "s"} ${tokens}: leave the number out, or give another grid.`,
  );
  return { tokens, textLength, grid };
}
