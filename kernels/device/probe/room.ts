/**
 * How many workgroups of attention a device runs at once, found out by counting them: no implementation of WebGPU tells it.
 *
 * @module
 */
import type { Gpu } from "../gpu.ts";
import { buildKernel } from "../work/kernel.ts";
import { submitPass } from "../work/pass.ts";
import { download, upload } from "../transfer.ts";

/** Invocations of a workgroup of attention, and numbers that an invocation has in registers: more than half of those it can have. */
const THREADS = 256, NUMBERS = 200;
/** Workgroups that are begun, more than large devices have room for, and rounds that each of them works. */
const WORKGROUPS = 1024, ROUNDS = 100;
/** Counts, of which the largest is taken. */
const COUNTS = 2;
/** The default where nothing could be counted: the room of a large device. */
const USUAL = 128;

/** Bytes of the counts: workgroups at work, the most that were, rounds, and what keeps compilers from leaving the work out. */
const COUNT_BYTES = 16;

const numbers = (line: (i: number) => string) =>
  Array.from({ length: NUMBERS }, (_, i) => `  ${line(i)}`).join("\n");

// Each workgroup counts itself in, works for a while with as many registers as attention has, and counts itself out.
const PROBE = `
@group(0) @binding(0) var<storage, read_write> counts: array<atomic<u32>, 4>;
@compute @workgroup_size(${THREADS}) fn main(@builtin(local_invocation_index) lid: u32) {
  let rounds = atomicLoad(&counts[2]);
  if (lid == 0u) { atomicMax(&counts[1], atomicAdd(&counts[0], 1u) + 1u); }
  workgroupBarrier();
  var y = f32(lid);
${numbers((i) => `var x${i} = f32(lid) + f32(rounds) * ${i}.5;`)}
  for (var i = 0u; i < rounds; i++) {
    y = fma(y, 0.999, 0.5);
${numbers((i) => `x${i} = fma(x${i}, 0.999, x${(i + 7) % NUMBERS} * y);`)}
  }
${numbers((i) => `y += x${i} * ${i + 1}.25;`)}
  if (y == 12345.678) { atomicAdd(&counts[3], 1u); }
  workgroupBarrier();
  if (lid == 0u) { atomicSub(&counts[0], 1u); }
}`;

/**
 * Counts the workgroups of 256 invocations with many registers that are at work at the same time. How calls are split follows from it, so
 * it should be the same each time: a count can miss some that begin late, and never counts too many, so the largest of several is
 * taken, and made even, since multiprocessors come in pairs. On an H200 each of 48 counts was 132.
 *
 * @param gpu the device
 * @returns the most that were at work, made even, or 128 where they cannot be counted
 */
export async function probeRoom(gpu: Gpu): Promise<number> {
  const buffer = gpu.createBuffer("room probe", { size: COUNT_BYTES });
  try {
    const label = "room probe";
    const encode = await buildKernel(gpu, PROBE, { label, buffers: [buffer], workgroups: [WORKGROUPS] });
    upload(gpu, buffer, { data: Uint32Array.of(0, 0, ROUNDS, 0) });
    await submitPass(gpu, Array(COUNTS).fill(encode), { label }); // one after the other: each leaves none at work
    const [left, most] = new Uint32Array(await download(gpu, buffer));
    return left === 0 && most > 0 ? 2 * Math.ceil(most / 2) : USUAL;
  } catch {
    return USUAL;
  } finally {
    gpu.destroyBuffer(buffer);
  }
}
