/**
 * Times choices on a device.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa } from "../../kernels/psa.ts";
import type { OrderName, TunedCall } from "../../reference/config/tuned.ts";
import { attentionShape, type Qkv } from "../../reference/tensor.ts";
import { clockOf, warmUpOf } from "../timing/clock.ts";
import { medianOf } from "../timing/statistics.ts";
import { wholeCall } from "./forward.ts";
import type { TuneInput } from "./inputs.ts";
import type { Recall } from "./measure.ts";
import { ChoiceTimes, type TimeChoice, tunedCall } from "./times.ts";

/** Options of {@link choiceTimes}. */
export interface ChoiceTimesOptions {
  /** Query block size and key block size in tokens. */
  readonly blockM: number;
  readonly blockN: number;
  /** The density of `psa` whose time is the budget. */
  readonly density: number;
  /** Orders, of which the first is that of the budget; default raster. */
  readonly orders?: readonly OrderName[];
  /** Seed of what is drawn; default 1. */
  readonly seed?: number;
  /** Keeps measurements. */
  readonly recall: Recall;
}

/**
 * Times of choices on the numbers of an input.
 *
 * @param gpu the device
 * @param input the input
 * @param options blocks, budget, and what keeps measurements
 */
export async function choiceTimes(
  gpu: Gpu,
  input: TuneInput,
  options: ChoiceTimesOptions,
): Promise<ChoiceTimes> {
  const { blockM, blockN, density, orders = ["raster"], seed = 1, recall } = options, { shape } = input;
  const time = timesOnDevice(gpu, await wholeCall(input), { shape, blockM, blockN, seed, recall });
  return new ChoiceTimes(time, { density, order: orders[0], causal: shape.causal });
}

/** Measurements of a call, of which the median counts. */
const TIMES = 5;

/**
 * Times choices on a device, on the numbers of one input.
 *
 * @param gpu the device
 * @param qkv all heads of the input, each with a key head of its own
 * @param about sizes, block sizes, seed, and what keeps measurements
 */
function timesOnDevice(
  gpu: Gpu,
  qkv: Qkv<Float32Array>,
  { shape, recall, ...about }: Pick<TunedCall, "blockM" | "blockN" | "seed" | "shape"> & {
    readonly recall: Recall;
  },
): TimeChoice {
  return (choice, density) =>
    recall(`ms ${JSON.stringify(choice)} ${density}`, async () => {
      using psa = await createPsa(gpu, {
        shape: attentionShape(qkv),
        tuned: tunedCall(shape, about, shape.heads.map(() => ({ choice, asked: density }))),
      });
      await psa.load(qkv);
      const clock = clockOf((timing) => psa.time(timing), { warmUp: warmUpOf(gpu) });
      const times: number[] = [];
      for (let i = 0; i < TIMES; i++) times.push(await clock.measure());
      return medianOf(times.slice(1)); // the first tells how often to repeat
    });
}
