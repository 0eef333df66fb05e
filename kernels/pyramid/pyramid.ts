/**
 * The pyramid on the device: all levels of keys and of values, in one pass each (docs/definition.md#pyramid).
 *
 * @module
 */
import type { Gpu } from "../device/gpu.ts";
import { buildKernel, spreadWorkgroups } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import type { Stage } from "../device/work/stage.ts";
import { upload } from "../device/transfer.ts";
import { expandTemplate } from "../wgsl/template.ts";
import { LAYOUT_BYTES, layoutTemplate, packLayout, type PyramidLayout } from "./layout.ts";
import code from "./pyramid.wgsl" with { type: "text" };

/** The options that decide the text of the pyramid kernel. */
export interface PyramidKernelOptions {
  /** The places of the levels, with all that are to be computed. */
  readonly layout: PyramidLayout;
  /** Heads of all batch entries. */
  readonly heads: number;
  /** Channels of a key and of a value. */
  readonly dims: { readonly k: number; readonly v: number };
  /** Element type. */
  readonly dtype: "f32" | "f16";
  /** How the last, partial block is pooled. */
  readonly tail: "exact" | "replicate";
}

/** Options of {@link buildPyramid}. */
export interface PyramidOptions extends PyramidKernelOptions {
  /** Keys, which begin with level 1. */
  readonly k: GPUBuffer;
  /** Values, the like. */
  readonly v: GPUBuffer;
  /** Tokens of a head. */
  readonly tokens: number;
}

/** Levels above 1 that a layout has. */
function pooledLevels({ levels }: PyramidLayout) {
  return levels.filter(({ level, tokens }) => level > 1 && tokens > 0);
}

/** The WGSL of the pyramid kernel, for levels up to the largest one of the layout. */
export function pyramidCode({ layout, heads, dims, dtype, tail }: PyramidKernelOptions): string {
  const wanted = pooledLevels(layout).map(({ level }) => Math.log2(level));
  return expandTemplate(layoutTemplate + code, {
    F16: dtype === "f16",
    REPLICATE: tail === "replicate",
    ...{ K_PIECES: piecesOf(dims.k, dtype), V_PIECES: piecesOf(dims.v, dtype) },
    HEADS: heads,
    TOP: Math.max(...wanted),
    WANTED: wanted.reduce((bits, log) => bits | 1 << log, 0),
  });
}

/**
 * Builds the pyramid of keys and values. It does nothing if level 1 is the only one.
 *
 * @param gpu the device
 * @param options buffers, layout, sizes, element type, tail
 */
export async function buildPyramid(
  gpu: Gpu,
  options: PyramidOptions,
): Promise<Stage<Readonly<Record<"k" | "v", GPUBuffer>>>> {
  const { k, v, layout } = options, isNeeded = pooledLevels(layout).length > 0;
  const encode = isNeeded ? await buildLevels(gpu, options) : () => {};
  return { name: "pyramid", encode, outputs: { k, v } };
}

/** All levels of keys and of values. */
async function buildLevels(gpu: Gpu, options: PyramidOptions): Promise<Encode> {
  const { k, v, layout, heads, tokens, dims, dtype } = options, pooled = pooledLevels(layout);
  const run = Math.max(...pooled.map(({ level }) => level));
  const runs = Math.max(...pooled.map((each) => Math.ceil(each.tokens * each.level / run)));
  const uniform = gpu.createBuffer("pyramid call", {
    size: 16 + LAYOUT_BYTES,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  upload(gpu, uniform, { data: Uint32Array.from([tokens, runs, 0, 0, ...packLayout(layout)]) });
  const pieces = piecesOf(Math.max(dims.k, dims.v), dtype);
  return await buildKernel(gpu, pyramidCode(options), {
    label: "pyramid",
    buffers: [uniform, k, v],
    workgroups: [...spreadWorkgroups(Math.ceil(heads * runs * pieces / 64)), 2],
  });
}

/** Pieces of 16 bytes of a token. */
function piecesOf(dim: number, dtype: "f32" | "f16"): number {
  return dim / (dtype === "f16" ? 8 : 4);
}
