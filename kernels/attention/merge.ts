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
import { partialPitch } from "./options.ts";
import type { KeyParts } from "./splits.ts";

/** Bytes of the partial results of one workgroup: outputs, and maximum and sum of each row. */
export function partialBytes(
  { valueDim }: Pick<AttentionShape, "valueDim">,
  { blockM }: { readonly blockM: number },
): number {
  return 16 * blockM * partialPitch(valueDim);
}

/** The partial results of shared blocks, and the pass that adds them up. */
export interface Merge {
  /** The buffer that attention writes in place of the outputs of these blocks. */
  readonly partial: GPUBuffer;
  /** Adds it up. */
  readonly encode: Encode;
}

/**
 * Builds the merge of a call.
 *
 * @param gpu the device
 * @param options which query blocks are shared by how many workgroups, and where the results go
 */
export async function buildMerge(
  gpu: Gpu,
  { parts, shape, blockM, causal, dtype, lists, headsInTurn, call: uniform, out, lse }: {
    readonly parts: KeyParts;
    readonly shape: AttentionShape;
    readonly blockM: number;
    readonly causal: boolean;
    readonly dtype: "f32" | "f16";
    /** The order in which blocks are taken; left out: that of dense attention. */
    readonly lists?: { readonly offsets: GPUBuffer };
    /** Heads whose blocks are taken in turn. */
    readonly headsInTurn: number;
    /** The numbers of the call. */
    readonly call: GPUBuffer;
    readonly out: GPUBuffer;
    readonly lse: GPUBuffer;
  },
): Promise<Merge> {
  const f16 = dtype === "f16", pieces = shape.valueDim / 4;
  const partial = gpu.createBuffer("partial results", {
    size: parts.rows * parts.parts * partialBytes(shape, { blockM }),
  });
  const rows = Math.min(blockM, shape.seqQ);
  const parameters = {
    ...{ F16: f16, DENSE: lists === undefined, CAUSAL: causal, BM: blockM, ROWS: rows },
    ...{
      SHARED_LAST: parts.first > 0,
      HEADS_IN_TURN: headsInTurn,
      PIECES: pieces,
      PITCH: partialPitch(shape.valueDim),
    },
  };
  const text = [layoutTemplate, call, merge].join("\n");
  const encode = await buildKernel(gpu, expandTemplate(text, parameters), {
    label: "attention merge",
    buffers: [uniform, partial, out, lse, ...(lists ? [lists.offsets] : [])],
    workgroups: spreadWorkgroups(Math.ceil(parts.rows * rows * pieces / (f16 ? 2 : 1) / 64)),
  });
  return { partial, encode };
}
