/**
 * Causal calls with many keys have two kernels: a plain one, and a careful one for values that are not finite. A check of the
 * values decides on the device which of them runs (tiled/choice.wgsl).
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import { upload } from "../device/transfer.ts";
import { MOST_LEVELS, type PyramidLayout } from "../pyramid/layout.ts";
import { expandTemplate } from "../wgsl/template.ts";
import choice from "./tiled/choice.wgsl" with { type: "text" };
import strange from "./tiled/strange.wgsl" with { type: "text" };

/** Keys from which on a call has two kernels: with fewer, compiling a second one costs more than it saves. */
const MANY_KEYS = 2048;
/** Workgroups that check the values. */
const LOOKERS = 1024;
/** Bytes of the table of places, and of the workgroups that are taken. */
const TABLE_BYTES = 16 + 16 * MOST_LEVELS, TAKEN_BYTES = 32;

/** Whether a call has two kernels. */
export function hasChoice(causal: boolean, { seqK }: Pick<AttentionShape, "seqK">): boolean {
  return causal && seqK >= MANY_KEYS;
}

/** Bytes that the choice takes on the device. */
export function choiceBytes(causal: boolean, shape: Pick<AttentionShape, "seqK">): number {
  return hasChoice(causal, shape) ? TABLE_BYTES + TAKEN_BYTES : 0;
}

/** The choice of a call. */
export interface Choice {
  /** Checks the values, and writes the number of workgroups of each kernel. */
  readonly encode: Encode;
  /** Buffer with the numbers of workgroups of both kernels. */
  readonly plain: Indirect;
  readonly careful: Indirect;
}

/** Workgroups that the device has counted. */
export interface Indirect {
  readonly buffer: GPUBuffer;
  /** The byte at which the three numbers begin. */
  readonly offset: number;
}

/**
 * Builds the choice of a call.
 *
 * @param gpu the device
 * @param options values, the places of those in use, and the workgroups of the chosen kernel
 */
export async function buildChoice(
  gpu: Gpu,
  { v, layout, shape: { batch, kvHeads, valueDim }, dtype, workgroups }: {
    readonly v: GPUBuffer;
    readonly layout: PyramidLayout;
    readonly shape: AttentionShape;
    readonly dtype: "f32" | "f16";
    readonly workgroups: readonly [number, number, number];
  },
): Promise<Choice> {
  const pieces = valueDim / (dtype === "f16" ? 8 : 4), heads = batch * kvHeads;
  const places = layout.levels.flatMap((
    { firstRow, tokens },
  ) => [firstRow * pieces, heads * tokens * pieces, 0, 0]);
  const table = gpu.createBuffer("choice call", {
    size: TABLE_BYTES,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  upload(gpu, table, { data: Uint32Array.from([...workgroups, 0, ...places]) });
  const taken = gpu.createBuffer("workgroups of attention call", {
    size: TAKEN_BYTES,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.INDIRECT | GPUBufferUsage.COPY_DST |
      GPUBufferUsage.COPY_SRC,
  });
  const code = expandTemplate(`${strange}\n${choice}`, { CAUSAL: true, MASK: false, F16: dtype === "f16" });
  const build = (begin: boolean) =>
    buildKernel(gpu, code, {
      label: "attention choice",
      buffers: [table, v, taken],
      workgroups: [begin ? 1 : LOOKERS],
      constants: { BEGIN: Number(begin) },
    });
  const begin = await build(true), look = await build(false);
  return {
    encode: (pass) => {
      begin(pass);
      look(pass);
    },
    plain: { buffer: taken, offset: 0 },
    careful: { buffer: taken, offset: 12 },
  };
}
