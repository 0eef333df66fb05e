/**
 * The conformance case of a released model: one call of its shape, with the levels that its configuration selects.
 *
 * @module
 */
import { type Case, caseName, parseCase } from "../../fixtures/cases.ts";
import { presets } from "../../reference/config/presets.ts";
import { requireInput } from "../../reference/errors.ts";
import { readModel, requirePresetOptions } from "../options/model.ts";
import type { OptionReader } from "../options/reader.ts";

/** Pairs of tokens, all heads together, up to which the truth of a case is computed: half an hour on one core. */
const MOST_PAIRS = 2 ** 32;
/** Pairs of tokens for which one core takes a minute. */
const PAIRS_A_MINUTE = 2 ** 27;

/**
 * The case that `--preset`, `--heads` and `--grid` ask for; null if there is no `--preset`.
 *
 * @param read the options
 * @param dtype the element type of its numbers
 * @throws {InputError} if they do not fit the model, `--case` or `--filter` is given too, or its truth takes too long
 *
 * @example
 * ```ts
 * import { OptionReader } from "../options/reader.ts";
 * import { modelCase } from "./model_case.ts";
 * const read = new OptionReader({ preset: "Wan2.2-5B", heads: "1", grid: "2,8,8" });
 * console.log(modelCase(read, "f32")?.mode); // threshold
 * ```
 */
export function modelCase(read: OptionReader, dtype: "f32" | "f16" | "bf16"): Case | null {
  const model = readModel(read);
  requirePresetOptions(read.given, {
    needPreset: ["heads", "grid"],
    decided: ["case", "suite", "filter"],
    reason: "--preset is one case",
  });
  if (model === null) return null;
  const { config } = presets[model.model], { values, grid, textLength } = model, { importance } = config;
  const heads = Number(values.heads), tokens = Number(values.seq), pairs = heads * tokens ** 2;
  requireInput(
    pairs <= MOST_PAIRS,
    () =>
      `--preset ${model.model} has ${
        pairs.toExponential(1)
      } pairs of tokens in ${heads} heads, whose truth takes about ${
        Math.ceil(pairs / PAIRS_A_MINUTE / 60)
      } hours; give fewer --heads or a smaller --grid.`,
  );
  return parseCase(caseName({
    ...{
      stage: "attention",
      batch: 1,
      heads,
      kvHeads: Number(values["kv-heads"]),
      seqQ: tokens,
      seqK: tokens,
    },
    headDim: Number(values.dim),
    ...{ blockM: config.blockM, blockN: config.blockN, tile: config.tile, causal: config.causal, dtype },
    ...(grid === undefined ? {} : { grid: `${grid.depth}x${grid.height}x${grid.width}` }),
    ...{ text: textLength, order: config.order?.kind === "gilbert" ? "released" : "raster" },
    importance: importance.kind,
    ...(importance.kind === "antidiagonal" ? { stride: importance.stride } : {}),
    ...{ mode: config.assignment.mode, preset: model.model, workload: String(values.workload) },
    seed: read.whole("seed", 0),
  }));
}
