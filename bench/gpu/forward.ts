/**
 * The whole method on the device against dense attention: order, pyramid, importance, levels, work lists, attention.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa } from "../../kernels/psa.ts";
import type { MedianEstimate } from "../timing/statistics.ts";
import { checkBlock, lastBlock } from "./check.ts";
import { type BenchTiming, timeTogether } from "./measure.ts";
import { inputsOf, makeData, type StageBench } from "./data.ts";

/** The measurements of a whole call. */
export interface ForwardTimes {
  /** The density that the configuration reached. */
  readonly density: number;
  /** Milliseconds of the whole method. */
  readonly forward: MedianEstimate;
  /** Milliseconds of dense attention by our own dense kernel. */
  readonly dense: MedianEstimate;
}

/**
 * Times the whole method and dense attention on the same inputs, interleaved, after the last query block of both has
 * been compared with the reference, and again afterwards.
 *
 * @param gpu the device
 * @param bench sizes, configuration, element type
 * @param timing the known call, warm-up, when to end
 * @throws {Error} if an output is wrong
 */
export async function timeForward(gpu: Gpu, bench: StageBench, timing: BenchTiming): Promise<ForwardTimes> {
  const { shape, config, dtype, name = "the call" } = bench;
  using psa = await createPsa(gpu, { shape, config, dtype });
  const data = makeData(bench), inputs = inputsOf(shape, data);
  const { levels, density } = await psa.forward(inputs);
  const selected = lastBlock(psa, { name, data, levels }),
    all = lastBlock(psa, { name, data, levels: "dense" });
  const check = async () => {
    await psa.run(inputs);
    await checkBlock(gpu, psa, selected);
    await psa.run(inputs, { levels: "dense" });
    await checkBlock(gpu, psa, all);
  };
  await check();
  const [forward, dense] = await timeTogether([
    (options) => psa.time(options),
    (options) => psa.time({ ...options, levels: "dense" }),
  ], timing);
  await check();
  return { density, forward, dense };
}
