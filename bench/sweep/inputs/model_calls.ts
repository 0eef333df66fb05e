/**
 * Attention calls of a released model, whole: its configuration, and the numbers of a workload or of files.
 *
 * @module
 */
import type { PsaConfig } from "../../../reference/config/config.ts";
import { presetConfig } from "../../../reference/config/presets.ts";
import { requireInput } from "../../../reference/errors.ts";
import type { AttentionShape, Qkv } from "../../../reference/tensor.ts";
import { OptionReader } from "../../options/reader.ts";
import { readModel } from "../../options/model.ts";
import { inputSources } from "./inputs.ts";
import { readOptions } from "../options/options.ts";
import { variantsOf } from "../options/variants.ts";

/** One call. */
export interface ModelCall {
  /** The model, and where there are several calls, which one. */
  readonly name: string;
  /** Its sizes. */
  readonly shape: AttentionShape;
  /** The released configuration for its video. */
  readonly config: PsaConfig;
  /** Its numbers, in raster order. */
  readonly qkv: Qkv;
}

/** The options that say what the call of a model is. */
const OF_CALL = ["preset", "heads", "grid", "input", "layers", "seed"];

/** The share of the free memory that the numbers of a call may take. */
const SHARE = 0.8;

/**
 * The calls of the model that `preset` names: one of a workload, or one for each layer of files.
 *
 * @param given options by name, of which those of a call count: preset, heads, grid, input, layers, seed
 * @throws {InputError} if they do not fit the model, a file is bad, or the numbers do not fit into memory
 *
 * @example
 * ```ts
 * import { modelCalls } from "./model_calls.ts";
 * const [{ shape, config }] = await modelCalls({ preset: "Wan2.2-5B", heads: 1, grid: "2,8,8" });
 * console.log(shape.seqQ, config.blockN); // 128 32
 * ```
 */
export async function modelCalls(given: Readonly<Record<string, unknown>>): Promise<ModelCall[]> {
  const own = Object.fromEntries(Object.entries(given).filter(([name]) => OF_CALL.includes(name)));
  const model = readModel(new OptionReader(own));
  requireInput(model !== null, "--preset is missing; it should name a released model.");
  const memory = Deno.systemMemoryInfo().available / 2 ** 30 * SHARE;
  const [options] = variantsOf({ ...readOptions({ ...own, methods: "psa" }, ["psa"]), memory });
  const calls: ModelCall[] = [], sources = await inputSources(options);
  for (const source of sources) {
    const [{ name, shape, grid, groups }] = await source.load();
    requireInput(
      groups.length === 1,
      () => `--heads: all ${shape.batch * shape.heads} heads of ${name} do not fit into memory; take fewer.`,
    );
    const config = presetConfig(model!.model, { box: grid, seed: options.seed });
    calls.push({
      name: options.inputs.length > 0 ? `${model!.model} ${name}` : model!.model,
      shape,
      config: { ...config, textLength: model!.textLength },
      qkv: await groups[0].load(),
    });
  }
  return calls;
}
