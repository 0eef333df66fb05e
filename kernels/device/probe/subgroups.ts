/**
 * Whether shuffles work, found out by running them: drivers accept the request for subgroups and then lack them.
 *
 * @module
 */
import type { Gpu } from "../gpu.ts";
import { download } from "../transfer.ts";

const LANES = 64;

const PROBE = `
@group(0) @binding(0) var<storage, read_write> result: array<vec2u>;
@compute @workgroup_size(${LANES}) fn main(
  @builtin(local_invocation_index) lid: u32, @builtin(subgroup_size) size: u32) {
  result[lid] = vec2u(size, subgroupShuffleXor(lid * 3u + 1u, 1u) + 65536u * subgroupShuffleXor(lid, 16u));
}`;

/** Shuffles of a device. */
export interface Shuffles {
  /** Lanes of a subgroup; 0 if kernels cannot use shuffles. */
  readonly size: number;
  /** The line that WGSL with subgroups has to begin with for this compiler. */
  readonly directive: string;
}

/** Lanes of a subgroup that the kernels are laid out for. */
const NEEDED = 32;

/**
 * Lanes of a subgroup if shuffles work over at least 32 lanes, the width that the kernels are laid out for; else 0.
 *
 * Some compilers want subgroups enabled by a directive, others do not know it: both are tried. A driver may choose another
 * width for every pipeline: where the adapter says how few lanes it may choose, that has to be enough. Where the adapter
 * does not say, the width of the probe's own pipeline is all that is known, and is taken for that of every other.
 */
export async function probeSubgroups(gpu: Gpu): Promise<Shuffles> {
  const { least } = gpu.info.subgroupSizes;
  if (least > 0 && least < NEEDED) return { size: 0, directive: "" };
  for (const directive of ["", "enable subgroups;\n"]) {
    const size = await runProbe(gpu, directive);
    if (size !== undefined) return { size, directive: size > 0 ? directive : "" };
  }
  return { size: 0, directive: "" };
}

/** Runs the probe; undefined if it does not compile. */
async function runProbe(gpu: Gpu, directive: string): Promise<number | undefined> {
  const buffer = gpu.createBuffer("subgroup probe", { size: LANES * 8 });
  try {
    const pipeline = await gpu.createPipeline(directive + PROBE, { label: "subgroup probe" });
    await gpu.scoped("subgroup probe", () => {
      const layout = pipeline.getBindGroupLayout(0);
      const group = gpu.device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer } }] });
      const encoder = gpu.device.createCommandEncoder(), pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
    });
    const result = new Uint32Array(await download(gpu, buffer));
    const size = result[0];
    const right = Array.from(
      { length: LANES },
      (_, lane) =>
        result[2 * lane] === size && result[2 * lane + 1] === (lane ^ 1) * 3 + 1 + 65536 * (lane ^ 16),
    );
    return size >= NEEDED && right.every(Boolean) ? size : 0;
  } catch {
    return undefined; // the compiler does not know subgroups, or wants another directive
  } finally {
    gpu.destroyBuffer(buffer);
  }
}
