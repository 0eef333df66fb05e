/**
 * How long work takes on the device: by timestamps where there are some, else by the clock on the wall.
 *
 * @module
 */
import type { Gpu } from "./gpu.ts";
import { type Encode, encodePass } from "./pass.ts";
import { download } from "./transfer.ts";

/** One measured piece of work. */
export interface Timing {
  /** Milliseconds of each repetition, in order; those whose timestamps went backwards are left out. */
  readonly milliseconds: readonly number[];
  /** Where the figures come from. */
  readonly source: "timestamp" | "wall";
}

/** How work is timed. */
export interface TimingOptions {
  /** A name for error messages. */
  readonly label: string;
  /** Timed repetitions; default 1. */
  readonly repetitions?: number;
  /** Milliseconds of the same work that go before in the same submission, so that clocks are up; default 0. */
  readonly warmUp?: number;
}

const MOST_WARM_UPS = 400;

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

/** Times by the clock on the wall, many repetitions a submission, since waiting for one costs 10 ms. */
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
    }).then(() => gpu.device.queue.onSubmittedWorkDone());
  await submit(Math.max(1, warmUps));
  const begin = performance.now();
  await submit(repetitions);
  return { milliseconds: [(performance.now() - begin) / repetitions], source: "wall" };
}

const SPIN = `
@group(0) @binding(0) var<storage, read_write> result: array<f32>;
const ROUNDS = 16384u; // software Vulkan stops a loop after 65535 rounds
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = f32(id.x);
  for (var i = 0u; i < ROUNDS; i++) { x = fma(x, 0.9999, 0.5); }
  result[id.x & 63u] = x;
}`;

/**
 * Nanoseconds a tick. Timestamps can come as raw ticks, so work that is long enough for the clock on the wall to
 * measure is timed by both; what lies near 1 is nanoseconds already.
 */
export async function calibrateTimestamps(gpu: Gpu): Promise<number> {
  const buffer = gpu.createBuffer("calibration", { size: 256 });
  try {
    const pipeline = await gpu.createPipeline(SPIN, { label: "calibration" });
    const layout = pipeline.getBindGroupLayout(0);
    const group = gpu.device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
    for (let rows = 1; rows <= 32768; rows *= 8) {
      const begin = performance.now();
      const [ticks] = await submitWithTimestamps(
        gpu,
        "calibration",
        (encoder, writes) =>
          encodePass(encoder, (pass) => {
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, group);
            pass.dispatchWorkgroups(512, rows);
          }, writes(0)),
        1,
      );
      const wall = (performance.now() - begin) * 1e6;
      if (wall < 150e6) continue;
      if (!(ticks > 0)) return 0;
      const ratio = wall / ticks;
      return ratio > 0.5 && ratio < 2 ? 1 : ratio;
    }
    return 0;
  } finally {
    gpu.destroyBuffer(buffer);
  }
}
