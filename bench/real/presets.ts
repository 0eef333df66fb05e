/**
 * The released configurations at their real shapes: error, density, time.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import type { ModelName } from "../../reference/config/presets.ts";
import { timeForward } from "../gpu/forward.ts";
import { OptionReader } from "../options/reader.ts";
import { readModel } from "../options/model.ts";
import { modelCalls } from "../sweep/inputs/model_calls.ts";
import { readOptions } from "../sweep/options/options.ts";
import { planSweep } from "../sweep/plan/plan.ts";
import { runInput } from "../sweep/run/run.ts";
import { openProbe, warmUpOf } from "../timing/clock.ts";
import type { PresetRow } from "./rows.ts";

/** The request. */
export interface PresetRequest {
  readonly model: ModelName;
  /** Query heads; at most those of the model. */
  readonly heads: number;
  /** Another video in tokens. */
  readonly grid?: string;
}

/** Seconds of measuring. */
const SECONDS = 2;
/** GiB that heads may take at a time. */
const MEMORY = 64;

/**
 * Measures one model.
 *
 * @param gpu the device
 * @param request model, heads, video
 * @throws {InputError} if they do not fit, or the device has no float64 where it is needed
 */
export async function measurePreset(
  gpu: Gpu,
  { model, heads: most, grid }: PresetRequest,
): Promise<PresetRow> {
  const asked = { preset: model, ...(grid === undefined ? {} : { grid }) };
  const heads = Math.min(most, Number(readModel(new OptionReader(asked))!.values.heads)),
    given = { ...asked, heads };
  const judged = await judge(gpu, given), times = [];
  const [{ shape, config, qkv }] = await modelCalls(given);
  using probe = await openProbe(gpu);
  for (const dtype of ["f32", "f16"] as const) {
    if (dtype === "f16" && !gpu.has("shader-f16")) continue;
    const timing = { probe, warmUp: warmUpOf(gpu) ?? 0, seconds: SECONDS };
    const { forward, dense } = await timeForward(gpu, { shape, config, qkv, dtype, name: model }, timing);
    times.push({ dtype, forward: forward.median, dense: dense.median });
  }
  return {
    part: "presets",
    model,
    device: gpu.info.description,
    tokens: shape.seqQ,
    heads,
    ...judged,
    times,
  };
}

/**
 * Measures one model on sampled rows, on the CPU: without times.
 *
 * @param request model, heads, video
 * @throws {InputError} if they do not fit
 *
 * @example
 * ```ts
 * import { measurePresetRows } from "./presets.ts";
 * const { tokens, interval } = await measurePresetRows({ model: "Wan2.2-5B", heads: 1, grid: "2,8,8" });
 * console.log(tokens, interval!.length); // 128 2
 * ```
 */
export async function measurePresetRows({ model, heads: most, grid }: PresetRequest): Promise<PresetRow> {
  const asked = { preset: model, truth: "rows", ...(grid === undefined ? {} : { grid }) };
  const { values } = readModel(new OptionReader(asked))!, heads = Math.min(most, Number(values.heads));
  const device = `${navigator.hardwareConcurrency} cores`, tokens = Number(values.seq);
  const judged = await judge(null, { ...asked, heads });
  return { part: "presets", model, device, tokens, heads, ...judged, times: [] };
}

/** Error, density and verdict of the released quotas, by the sweep. */
async function judge(
  gpu: Gpu | null,
  given: Readonly<Record<string, unknown>>,
): Promise<Pick<PresetRow, "density" | "error" | "droppedMass" | "status" | "interval">> {
  const memory = Math.min(MEMORY, Deno.systemMemoryInfo().available / 2 ** 30 * 0.8);
  const methods = ["psa-released"];
  const wanted = { ...given, methods, densities: "1", seconds: "1", ...(gpu ? {} : { "no-gpu": true }) };
  const options = { ...readOptions(wanted, methods), memory };
  const { inputs: [{ source, part, cases, options: variant }] } = await planSweep(options, { gpu });
  const input = (await source.load())[part];
  const { rows: [row] } = await runInput(input, cases, { options: variant, gpu, onProgress: () => {} });
  return {
    density: row.density,
    error: row.rel_l2 ?? NaN,
    droppedMass: row.dropped_mass ?? NaN,
    status: row.status,
    ...(row.rel_l2_low === null || row.rel_l2_high === null
      ? {}
      : { interval: [row.rel_l2_low, row.rel_l2_high] as const }),
  };
}
