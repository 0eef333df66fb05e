/**
 * How long a tick of a timestamp is, found out by timing work with both clocks.
 *
 * @module
 */
import type { Gpu } from "../gpu.ts";
import { encodePass } from "../work/pass.ts";
import { submitWithTimestamps } from "../work/timing.ts";

const SPIN = `
@group(0) @binding(0) var<storage, read_write> result: array<f32>;
const ROUNDS = 16384u; // software Vulkan stops a loop after 65535 rounds
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = f32(id.x);
  for (var i = 0u; i < ROUNDS; i++) { x = fma(x, 0.9999, 0.5); }
  result[id.x & 63u] = x;
}`;

/** Workgroups of the first try, and how many times as many each further one has. */
const FIRST = 64, MORE = 8, TRIES = 7;
/** Nanoseconds of work after which a ratio near 1 is believed, and after which any other is. */
const SHORT = 50e6, LONG = 150e6;

/**
 * Nanoseconds per tick. Timestamps can come as raw ticks, so work that is long enough for wall-clock time to
 * measure is timed by both; a ratio near 1 means nanoseconds.
 */
export async function probeTick(gpu: Gpu): Promise<number> {
  const buffer = gpu.createBuffer("calibration", { size: 256 });
  try {
    const pipeline = await gpu.createPipeline(SPIN, { label: "calibration" });
    const layout = pipeline.getBindGroupLayout(0);
    const group = gpu.device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
    for (let i = 0, workgroups = FIRST; i < TRIES; i++, workgroups *= MORE) {
      const begin = performance.now();
      const [ticks] = await submitWithTimestamps(
        gpu,
        "calibration",
        (encoder, writes) =>
          encodePass(encoder, (pass) => {
            pass.setPipeline(pipeline);
            pass.setBindGroup(0, group);
            pass.dispatchWorkgroups(Math.min(workgroups, 512), Math.max(1, workgroups / 512));
          }, writes(0)),
        1,
      );
      const wall = (performance.now() - begin) * 1e6;
      const ratio = wall / ticks;
      if (wall > SHORT && ratio > 0.5 && ratio < 2) return 1; // waiting makes a ratio larger, never smaller
      if (wall > LONG) return ticks > 0 ? ratio : 0;
    }
    return 0;
  } finally {
    gpu.destroyBuffer(buffer);
  }
}
