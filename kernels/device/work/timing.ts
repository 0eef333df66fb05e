/**
 * Times work on the device, with timestamps if it has them, else with wall-clock time.
 *
 * @module
 */
import type { Gpu } from "../gpu.ts";
import { type Encode, encodePass } from "./pass.ts";
import { download } from "../transfer.ts";

/** The times of one piece of work, in milliseconds. */
export interface Timing {
  /** Milliseconds of each repetition, in order; those whose timestamps went backwards are left out. */
  readonly milliseconds: readonly number[];
  /** The source of the times. */
  readonly source: "timestamp" | "wall";
}

/** How work is timed. */
export interface TimingOptions {
  /** A name for error messages. */
  readonly label: string;
  /** Timed repetitions; default 1. */
  readonly repetitions?: number;
  /** Milliseconds of the same work before it in the same submission, to raise clock rates; default 0. */
  readonly warmUp?: number;
}

/** Passes of a warm-up at most: enough for .1 s of work that takes 30 microseconds. */
const MOST_WARM_UPS = 4000;

/**
 * Times a piece of work. Warm-up and repetitions are one submission, since clocks fall between submissions.
 *
 * @param gpu the device
 * @param encode encodes the work once
 * @param options repetitions and warm-up
 */
export async function timeWork(gpu: Gpu, encode: Encode, options: TimingOptions): Promise<Timing> {
  const { repetitions = 1, warmUp = 0 } = options;
  let warmUps = 0;
  if (warmUp > 0) {
    const [once] = (await submitTimed(gpu, encode, { ...options, repetitions: 1, warmUps: 0 })).milliseconds;
    warmUps = Math.min(MOST_WARM_UPS, Math.ceil(warmUp / Math.max(once ?? warmUp, 1e-3)));
  }
  return await submitTimed(gpu, encode, { ...options, repetitions, warmUps });
}

/** Submits warm-ups and repetitions, a pass each, and reads the times. */
async function submitTimed(
  gpu: Gpu,
  encode: Encode,
  { label, repetitions, warmUps }: { label: string; repetitions: number; warmUps: number },
): Promise<Timing> {
  if (gpu.info.nanosecondsPerTick === 0) return await wallTimed(gpu, encode, { label, repetitions, warmUps });
  const ticks = await submitWithTimestamps(gpu, label, (encoder, writes) => {
    for (let i = 0; i < warmUps; i++) encodePass(encoder, encode);
    for (let i = 0; i < repetitions; i++) encodePass(encoder, encode, writes(i));
  }, repetitions);
  const milliseconds = ticks.filter((delta) => delta >= 0).map((delta) =>
    delta * gpu.info.nanosecondsPerTick / 1e6
  );
  return { milliseconds, source: "timestamp" };
}

/** Submits passes with timestamps around them; the ticks that each took. */
export async function submitWithTimestamps(
  gpu: Gpu,
  label: string,
  record: (encoder: GPUCommandEncoder, writes: (i: number) => GPUComputePassTimestampWrites) => void,
  count: number,
): Promise<number[]> {
  const querySet = gpu.device.createQuerySet({ type: "timestamp", count: 2 * count });
  const resolved = gpu.createBuffer("timestamps", {
    size: 16 * count,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  try {
    await gpu.scoped(label, () => {
      const encoder = gpu.device.createCommandEncoder();
      record(
        encoder,
        (i) => ({ querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 }),
      );
      encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
      gpu.device.queue.submit([encoder.finish()]);
    });
    const stamps = new BigUint64Array(await download(gpu, resolved, { size: 16 * count }));
    return Array.from({ length: count }, (_, i) => Number(stamps[2 * i + 1] - stamps[2 * i]));
  } finally {
    querySet.destroy();
    gpu.destroyBuffer(resolved);
  }
}

/** Wall-clock times: many repetitions a submission, since waiting for one costs 10 ms. */
async function wallTimed(
  gpu: Gpu,
  encode: Encode,
  { label, repetitions, warmUps }: { label: string; repetitions: number; warmUps: number },
): Promise<Timing> {
  const submit = (passes: number) =>
    gpu.scoped(label, () => {
      const encoder = gpu.device.createCommandEncoder();
      for (let i = 0; i < passes; i++) encodePass(encoder, encode);
      gpu.device.queue.submit([encoder.finish()]);
    }).then(() => gpu.wait(gpu.device.queue.onSubmittedWorkDone(), { label }));
  await submit(Math.max(1, warmUps));
  const begin = performance.now();
  await submit(repetitions);
  return { milliseconds: [(performance.now() - begin) / repetitions], source: "wall" };
}
