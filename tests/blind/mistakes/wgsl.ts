/**
 * Runs the WGSL kernels of the blind sets, with a mistake in them, on exported cases.
 *
 * @module
 */
import { type Gpu, openGpu } from "../../../mod.ts";
import { type CaseParameters, type RawCase, rawCases } from "./kernel.ts";
import { SETS, type WgslName } from "./numpy.ts";

// Read at once: a worker that imports this would lose messages while it waits.
const codeOf = (name: string) => Deno.readTextFileSync(new URL(name, import.meta.url));

/** A kernel in WGSL. */
export interface WgslKernel {
  readonly code: string;
  /** How many workgroups a call takes. */
  readonly groups: (parameters: CaseParameters) => number;
}

/**
 * The kernels: `rows` of the first set has an invocation a row, `tiled` of the tenth a workgroup for 64 rows of a block,
 * `lanes` of the eleventh a workgroup a row, `eights` of the twelfth a workgroup for 8 rows of a block, `subgroups` of the
 * thirteenth a workgroup a row, `blocks` of the fourteenth a workgroup for a query block,
 * `sixteens` of the fifteenth an invocation a row.
 */
export const WGSL_KERNELS: Readonly<Record<WgslName, WgslKernel>> = {
  rows: { code: codeOf("kernel.wgsl"), groups: (p) => Math.ceil(p.batch * p.heads * p.seqQ / 64) },
  tiled: {
    code: codeOf("numpy/tenth/tiled.wgsl"),
    groups: (p) => p.batch * p.heads * Math.ceil(p.seqQ / p.blockM) * Math.ceil(p.blockM / 64),
  },
  lanes: { code: codeOf("numpy/eleventh/lanes.wgsl"), groups: (p) => p.batch * p.heads * p.seqQ },
  eights: {
    code: codeOf("numpy/twelfth/eights.wgsl"),
    groups: (p) => p.batch * p.heads * Math.ceil(p.seqQ / p.blockM) * Math.ceil(p.blockM / 8),
  },
  subgroups: { code: codeOf("numpy/thirteenth/subgroups.wgsl"), groups: (p) => p.batch * p.heads * p.seqQ },
  blocks: {
    code: codeOf("numpy/fourteenth/blocks.wgsl"),
    groups: (p) => p.batch * p.heads * Math.ceil(p.seqQ / p.blockM),
  },
  sixteens: {
    code: codeOf("numpy/fifteenth/sixteens.wgsl"),
    groups: (p) => Math.ceil(p.batch * p.heads * p.seqQ / 64),
  },
};

/** The kernel in which a mistake lies; 0, none, is that of the first set. */
function kernelOf(mistake: number): WgslName {
  return SETS.find(({ wgsl }) => wgsl?.mistakes.includes(mistake))?.wgsl?.kernel ?? "rows";
}

/** The bytes of a tensor of a case, as many as are there. */
const bytesOf = (folder: string, stem: string, name: string) =>
  Deno.readFile(`${folder}/${stem}.${name}.bin`);

/** The order of a case, or every token in its place. */
async function orderOf(folder: string, { stem, ordered, parameters: p }: RawCase): Promise<Uint8Array> {
  if (ordered) return await bytesOf(folder, stem, "order");
  return new Uint8Array(Int32Array.from({ length: Math.max(p.seqQ, p.seqK) }, (_, n) => n).buffer);
}

/** The sizes of a call as the kernel reads them. */
function callBytes({ parameters: p }: RawCase): Uint8Array {
  const sizes = [p.batch, p.heads, p.kvHeads, p.seqQ, p.seqK, p.headDim, p.valueDim, p.blockM, p.blockN];
  const words = Uint32Array.from([...sizes, Number(p.causal), Number(p.tail === "replicate"), 0]);
  new Float32Array(words.buffer)[11] = p.scale ?? 1 / Math.sqrt(p.headDim);
  return new Uint8Array(words.buffer);
}

/** A buffer on the device with these bytes. */
function upload({ device }: Gpu, bytes: Uint8Array): GPUBuffer {
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC;
  const buffer = device.createBuffer({ size: Math.max(16, bytes.length), usage, mappedAtCreation: true });
  new Uint8Array(buffer.getMappedRange()).set(bytes);
  buffer.unmap();
  return buffer;
}

/** The first bytes of a buffer. */
async function download({ device }: Gpu, buffer: GPUBuffer, size: number): Promise<Uint8Array> {
  const read = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, read, 0, size);
  device.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const bytes = new Uint8Array(read.getMappedRange()).slice();
  read.unmap();
  read.destroy();
  return bytes;
}

/** A device, a kernel, and its mistake. */
interface Ready {
  readonly gpu: Gpu;
  readonly kernel: WgslKernel;
  readonly mistake: number;
}

/** Runs one case and writes its outputs. */
async function runCase({ gpu, kernel, mistake }: Ready, one: RawCase, paths: Paths): Promise<void> {
  const { device } = gpu, { parameters: p, stem } = one, rows = p.batch * p.heads * p.seqQ;
  const pipeline = await gpu.createPipeline(kernel.code, { label: "blind", constants: { MISTAKE: mistake } });
  const inputs = await Promise.all(["q", "k", "v", "levels"].map((name) => bytesOf(paths.cases, stem, name)));
  const poison = (count: number) => new Uint8Array(new Float32Array(count).fill(NaN).buffer);
  const order = await orderOf(paths.cases, one), lengths = { out: rows * p.valueDim, lse: rows };
  const all = [callBytes(one), ...inputs, order, poison(lengths.out), poison(lengths.lse)];
  const buffers = all.map((bytes) => upload(gpu, bytes));
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const encoder = device.createCommandEncoder(), pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(kernel.groups(p));
  pass.end();
  device.queue.submit([encoder.finish()]);
  const shapes = { out: [p.batch, p.heads, p.seqQ, p.valueDim], lse: [p.batch, p.heads, p.seqQ] };
  for (const [n, name] of (["out", "lse"] as const).entries()) {
    const bytes = await download(gpu, buffers[6 + n], lengths[name] * 4);
    const numbers = new Float32Array(bytes.buffer);
    if (name === "lse") numbers.forEach((x, i) => numbers[i] = x < -2e38 ? -Infinity : x);
    await Deno.writeFile(`${paths.outputs}/${stem}.${name}.bin`, bytes);
  }
  for (const buffer of buffers) buffer.destroy();
  const tensors = Object.fromEntries(
    Object.entries(shapes).map((
      [name, shape],
    ) => [name, { file: `${stem}.${name}.bin`, dtype: "f32", shape }]),
  );
  await Deno.writeTextFile(`${paths.outputs}/${stem}.json`, JSON.stringify({ tensors }));
}

/** Where cases are, and where outputs go. */
export interface Paths {
  readonly cases: string;
  readonly outputs: string;
}

/** Runs a WGSL kernel on all cases of attention of a folder: the one in which the mistake lies, or the one that is named. */
export async function runAllWgsl(
  mistake: number,
  { kernel = kernelOf(mistake), ...paths }: Paths & {
    readonly kernel?: keyof typeof WGSL_KERNELS;
  },
): Promise<void> {
  using gpu = await openGpu();
  await Deno.mkdir(paths.outputs, { recursive: true });
  const ready = { gpu, kernel: WGSL_KERNELS[kernel], mistake };
  for (const one of await rawCases(paths.cases)) await runCase(ready, one, paths);
}
