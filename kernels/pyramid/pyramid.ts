/**
 * The pyramid on the device: all levels of keys or values in one pass (docs/definition.md#pyramid).
 *
 * @module
 */
import type { Gpu } from "../device/gpu.ts";
import { prepareKernel, spreadWorkgroups } from "../device/kernel.ts";
import type { Encode } from "../device/pass.ts";
import { upload } from "../device/transfer.ts";
import code from "./pyramid.wgsl" with { type: "text" };
import { packSections, type Sections } from "./layout.ts";
import { expandTemplate } from "../wgsl/template.ts";

/** What {@link preparePyramid} needs to know. */
export interface PyramidStageOptions {
  /** Heads of all batch entries. */
  readonly heads: number;
  /** Tokens of a head. */
  readonly tokens: number;
  /** Channels of a token. */
  readonly dim: number;
  /** Element type. */
  readonly dtype: "f32" | "f16";
  /** What the last, partial block pools. */
  readonly tail: "exact" | "replicate";
}

/** The WGSL of the pyramid kernel, for levels up to the largest in use. */
export function pyramidCode(
  sections: Sections,
  { heads, dim, dtype, tail }: Omit<PyramidStageOptions, "tokens">,
): string {
  const wanted = sections.sections.flatMap(({ level, tokens }) =>
    level > 1 && tokens > 0 ? [Math.log2(level)] : []
  );
  return expandTemplate(code, {
    F16: dtype === "f16",
    REPLICATE: tail === "replicate",
    PIECES: dim / (dtype === "f16" ? 8 : 4),
    HEADS: heads,
    TOP: Math.max(...wanted),
    WANTED: `,${wanted.join(",")},`,
  });
}

/**
 * Prepares the pyramid of one buffer, in which level 1 lies already.
 *
 * @param gpu the device
 * @param buffer keys or values, laid out as `sections` says
 * @param options sections, sizes, element type, tail
 * @returns encodes the pass; nothing if level 1 is the only one
 */
export async function preparePyramid(
  gpu: Gpu,
  buffer: GPUBuffer,
  options: PyramidStageOptions & { readonly sections: Sections },
): Promise<Encode> {
  const { sections, heads, tokens, dim, dtype } = options;
  const pooled = sections.sections.filter((section) => section.level > 1 && section.tokens > 0);
  if (pooled.length === 0) return () => {};
  const run = Math.max(...pooled.map(({ level }) => level));
  const runs = Math.max(...pooled.map((section) => Math.ceil(section.tokens * section.level / run)));
  const uniform = gpu.createBuffer("pyramid call", {
    size: 16 + 128,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  upload(gpu, uniform, { data: Uint32Array.from([tokens, runs, 0, 0, ...packSections(sections)]) });
  const pieces = dim / (dtype === "f16" ? 8 : 4);
  return await prepareKernel(gpu, pyramidCode(sections, options), {
    label: "pyramid",
    buffers: [uniform, buffer],
    workgroups: spreadWorkgroups(Math.ceil(heads * runs * pieces / 64)),
  });
}
