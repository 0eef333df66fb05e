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
  /** Milliseconds for which the same work runs before it without a pause, to raise clock rates; default 0. */
  readonly warmUp?: number;
  /** Milliseconds of one run at full clock rates: warm-up ends once runs take no longer; default not known. */
  readonly expected?: number;
}

/** Milliseconds of a submission of a warm-up, the least number of them, and the most passes of one. */
const WARM_PIECE = 25, WARM_PIECES = 4, MOST_PASSES = 1000;
/** A run is as fast as expected if it takes at most so many times as long: with a clock that has not risen it takes up to five times. */
const CLOSE = 1.25;

/**
 * Times a piece of work. Clock rates rise slowly, up to a second, and fall when the device rests, so warm-up goes on until the timed
 * part is submitted: at any time a submission runs while the one before is read.
 *
 * @param gpu the device
 * @param encode encodes the work once
 * @param options repetitions and warm-up
 */
export async function timeWork(gpu: Gpu, encode: Encode, options: TimingOptions): Promise<Timing> {
  const { repetitions = 1, warmUp = 0, expected = 0, label } = options;
  if (gpu.info.nanosecondsPerTick === 0) return await wallTimed(gpu, encode, { label, repetitions, warmUp });
  const timed = () => submitTimed(gpu, encode, { label, repetitions, warmUps: 0 });
  if (warmUp === 0) return await timed();
  const begin = performance.now();
  const warm = async (warmUps: number) =>
    // the time of the last of some runs
    (await submitTimed(gpu, encode, { label, repetitions: 1, warmUps })).milliseconds[0] ?? WARM_PIECE;
  const piece = Math.min(WARM_PIECE, warmUp / WARM_PIECES);
  const passes = (each: number) => Math.min(MOST_PASSES, Math.ceil(piece / Math.max(each, 1e-3)));
  let each = await warm(0), running = warm(passes(each));
  while (performance.now() - begin < warmUp && !(each <= CLOSE * expected)) {
    const next = warm(passes(each));
    next.catch(() => {}); // it is awaited in the next turn, unless this one fails
    each = await running;
    running = next;
  }
  const [timing] = await Promise.all([timed(), running]);
  return timing;
}

/** Submits passes, of which the last ones are timed, and reads their times. */
async function submitTimed(
  gpu: Gpu,
  encode: Encode,
  { label, repetitions, warmUps }: { label: string; repetitions: number; warmUps: number },
): Promise<Timing> {
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
  { label, repetitions, warmUp }: { label: string; repetitions: number; warmUp: number },
): Promise<Timing> {
  const submit = (passes: number) =>
    gpu.scoped(label, () => {
      const encoder = gpu.device.createCommandEncoder();
      for (let i = 0; i < passes; i++) encodePass(encoder, encode);
      gpu.device.queue.submit([encoder.finish()]);
    }).then(() => gpu.wait(gpu.device.queue.onSubmittedWorkDone(), { label }));
  const since = async (begin: number, passes: number) => {
    await submit(passes);
    return performance.now() - begin;
  };
  const warmed = performance.now();
  for (let passes = 1; await since(warmed, passes) < warmUp;) passes = Math.min(MOST_PASSES, 2 * passes);
  return { milliseconds: [await since(performance.now(), repetitions) / repetitions], source: "wall" };
}
