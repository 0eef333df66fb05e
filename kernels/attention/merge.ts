/**
 * Partial results of workgroups that share the keys of a query block, and the kernel that adds them up.
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel, spreadWorkgroups } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import { layoutTemplate } from "../pyramid/layout.ts";
import { expandTemplate } from "../wgsl/template.ts";
import call from "./call.wgsl" with { type: "text" };
import merge from "./merge.wgsl" with { type: "text" };

/** Bytes of the partial results of one split: outputs, and maximum and sum of each row. */
export function splitBytes(
  { batch, heads, seqQ, valueDim }: AttentionShape,
): { parts: number; sums: number } {
  const rows = batch * heads * seqQ;
  return { parts: 4 * rows * valueDim, sums: 8 * rows };
}

/** The partial results of splits, and the pass that adds them up. */
export interface Merge {
  /** The buffers that attention writes in place of outputs and log-sum-exps. */
  readonly parts: GPUBuffer;
  readonly sums: GPUBuffer;
  /** Adds it up. */
  readonly encode: Encode;
}

/**
 * Builds the merge of a call.
 *
 * @param gpu the device
 * @param options how many workgroups share the keys of a query block, and where the results go
 */
export async function buildMerge(
  gpu: Gpu,
  { splits, shape, dtype, call: uniform, out, lse }: {
    readonly splits: number;
    readonly shape: AttentionShape;
    readonly dtype: "f32" | "f16";
    /** The numbers of the call. */
    readonly call: GPUBuffer;
    readonly out: GPUBuffer;
    readonly lse: GPUBuffer;
  },
): Promise<Merge> {
  const { batch, heads, seqQ, valueDim } = shape, bytes = splitBytes(shape), f16 = dtype === "f16";
  const parts = gpu.createBuffer("outputs of splits", { size: splits * bytes.parts });
  const sums = gpu.createBuffer("sums of splits", { size: splits * bytes.sums });
  const rows = batch * heads * seqQ, pieces = valueDim / 4;
  const text = [layoutTemplate, call, merge].join("\n");
  const encode = await buildKernel(gpu, expandTemplate(text, { F16: f16 }), {
    label: "attention merge",
    constants: { SPLITS: splits, ROWS: rows, PIECES: pieces },
    buffers: [uniform, parts, sums, out, lse],
    workgroups: spreadWorkgroups(Math.ceil(rows * pieces / (f16 ? 2 : 1) / 64)),
  });
  return { parts, sums, encode };
}
