/**
 * Clocks of calls on the device: one measurement is a submission that is long enough to stand out from noise.
 *
 * @module
 */
import { makeWorkload } from "../../fixtures/workloads.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import type { Timing, TimingOptions } from "../../kernels/device/work/timing.ts";
import { createPsa } from "../../kernels/psa.ts";
import { medianOf } from "./statistics.ts";

/** Milliseconds that one measurement takes at least, and the most repetitions that it is made of. */
const MEASUREMENT = 20, MOST_REPETITIONS = 50;
/** Milliseconds of work in which the clock rate of a GPU at rest rises: a data centre's card rests at a fifth of it. */
const RISE = 800;
/**
 * Measurements with a whole warm-up: one alone may still be slow. Those behind them end their warm-up once runs are as fast, and wait for that so
 * many times as long.
 */
const WHOLE = 2, LONGER = 3;

/** Work that can be timed: a prepared call, a stage. */
export type Timed = (options: Omit<TimingOptions, "label">) => Promise<Timing>;

/** A clock of one piece of work. */
export interface Clock {
  /** Measures once: the median of the repetitions of one submission, in milliseconds. */
  readonly measure: () => Promise<number>;
  /** Where the milliseconds come from; known after the first measurement. */
  readonly source: () => Timing["source"];
}

/** Milliseconds of warm-up on a device, for {@link clockOf}: what a GPU needs; in software, which has no clock rate of its own, the default. */
export function warmUpOf({ info }: Pick<Gpu, "info">): number | undefined {
  return info.subgroupSize === 0 ? undefined : RISE;
}

/**
 * The clock of a piece of work. What runs before a measurement ends as soon as the work is as fast as in the measurements before.
 *
 * @param time times the work
 * @param options milliseconds of warm-up ({@link warmUpOf}): default 20 for work that is shorter than that, else none
 *
 * @example
 * ```ts
 * import { clockOf } from "./clock.ts";
 * const clock = clockOf(() => Promise.resolve({ milliseconds: [3, 1, 2], source: "wall" }));
 * console.log(await clock.measure(), clock.source()); // 2 wall
 * ```
 */
export function clockOf(time: Timed, { warmUp }: { readonly warmUp?: number } = {}): Clock {
  let source: Timing["source"] = "timestamp", expected = NaN, least = Infinity, count = 0;
  const measure = async () => {
    const own = warmUp ?? (expected < MEASUREMENT ? MEASUREMENT : 0), isKnown = count++ >= WHOLE;
    const repetitions = Math.ceil(Math.min(MOST_REPETITIONS, Math.max(1, MEASUREMENT / expected))) || 1;
    const timing = await time({
      repetitions,
      ...(isKnown ? { warmUp: LONGER * own, expected: least } : { warmUp: own }),
    });
    source = timing.source;
    expected = medianOf(timing.milliseconds);
    if (expected < least) least = expected; // it is no number if the device gave no time
    return expected;
  };
  return { measure, source: () => source };
}

/** A small call that is always the same: where it is slow, the machine is. */
export interface Probe extends Disposable {
  /** Times it, in milliseconds. */
  readonly measure: () => Promise<number>;
}

/**
 * Opens the probe of a device: dense attention of 512 tokens.
 *
 * @param gpu the device
 *
 * @example
 * ```ts
 * import { openGpu } from "../../mod.ts";
 * import { openProbe } from "./clock.ts";
 * using gpu = await openGpu();
 * using probe = await openProbe(gpu);
 * console.log(await probe.measure() > 0); // true
 * ```
 */
export async function openProbe(gpu: Gpu): Promise<Probe> {
  const { qkv } = makeWorkload("gaussian", { seqQ: 512, headDim: 64 });
  const shape = { batch: 1, heads: 1, kvHeads: 1, seqQ: 512, seqK: 512, headDim: 64, valueDim: 64 };
  const assignment = { mode: "density", density: 1 } as const, importance = { kind: "pooled" } as const;
  const psa = await createPsa(gpu, {
    shape,
    config: { blockM: 128, blockN: 64, tile: 64, importance, assignment },
    ready: ["dense"],
  });
  await psa.run(qkv, { levels: "dense" });
  const { measure } = clockOf((timing) => psa.time({ ...timing, levels: "dense" }), {
    warmUp: warmUpOf(gpu),
  });
  return { measure, [Symbol.dispose]: () => psa[Symbol.dispose]() };
}
