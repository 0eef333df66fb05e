/**
 * Chooses the attention kernel and its WGSL from the call and the capabilities of the device: the one with matrix
 * units (matrix/) if the device has them and the call is float16, else the tiled one. Only this file decides.
 *
 * @module
 */
import { entryTemplate } from "../lists/entry.ts";
import { layoutTemplate } from "../pyramid/layout.ts";
import { packedTemplate, preshift } from "../wgsl/packed.ts";
import { expandTemplate, type TemplateParameters } from "../wgsl/template.ts";
import block from "./block.wgsl" with { type: "text" };
import call from "./call.wgsl" with { type: "text" };
import { matrixCode, usesMatrices } from "./matrix/code.ts";
import { type AttentionDevice, type AttentionKernelOptions, sharedParameters } from "./options.ts";
import masked from "./masked/masked.wgsl" with { type: "text" };
import strange from "./tiled/strange.wgsl" with { type: "text" };
import kernel from "./tiled/kernel.wgsl" with { type: "text" };
import scores from "./tiled/scores.wgsl" with { type: "text" };
import steps from "./tiled/steps.wgsl" with { type: "text" };
import tiles from "./tiled/tiles.wgsl" with { type: "text" };

export type { AttentionDevice, AttentionKernelOptions } from "./options.ts";

/** Bytes of one of the buffers that hold 16 keys' weights, for each row of threads. */
const WEIGHT_BUFFER_BYTES = 512;
/** Bytes of the two chunks of keys or values. */
const CHUNK_BYTES = 2 * 8192;

/**
 * Bytes of workgroup memory that the kernel takes: two chunks of keys, and buffers of weights.
 *
 * @param blockM query block size in tokens
 * @param buffers buffers of weights; default 2, the fewest
 */
export function attentionWorkgroupBytes(blockM: number, buffers = 2): number {
  return CHUNK_BYTES + buffers * WEIGHT_BUFFER_BYTES * blockM / 8;
}

/** Columns of values that one workgroup of the tiled kernel makes. */
function columnsAtOnce(valueDim: number): 64 | 128 {
  return valueDim <= 64 ? 64 : 128;
}

/** The WGSL of attention for one call on one device. */
export function attentionCode(device: AttentionDevice, options: AttentionKernelOptions): string {
  if (usesMatrices(device, options)) return matrixCode(options);
  const directive = device.subgroupSize > 0 ? device.subgroupDirective : "";
  const template = [
    packedTemplate,
    layoutTemplate,
    entryTemplate,
    call,
    block,
    strange,
    masked,
    tiles,
    scores,
    steps,
    kernel,
  ]
    .join("\n");
  return directive + expandTemplate(template, tiledParameters(device, options));
}

/** The parameters of the tiled kernel's template. */
function tiledParameters(device: AttentionDevice, options: AttentionKernelOptions): TemplateParameters {
  const {
    shape: { headDim, valueDim },
    blockM,
    dtype,
    dense,
    causal,
    masked = false,
    partial,
    whole = true,
    careful = true,
    shared = "none",
  } = options;
  const subgroups = device.subgroupSize > 0, group = dense ? 8 : options.group;
  const f16 = dtype === "f16", perPiece = f16 ? 8 : 4, threads = 2 * blockM, loads = 512 / threads;
  const columns = columnsAtOnce(valueDim), split = columns === 64, units = f16 ? 4 : 8;
  const chunks = Math.ceil(headDim / perPiece / 4);
  const short = shared === "some" && !f16 && !causal;
  const fits = attentionWorkgroupBytes(blockM, 4) <= device.limits.maxComputeWorkgroupStorageSize;
  const buffers = fits ? 4 : 2;
  return {
    ...{
      F16: f16,
      DENSE: dense,
      CAUSAL: causal,
      MASK: masked,
      CAREFUL: (causal || masked) && careful,
      PARTIAL: partial,
      WHOLE: whole,
      SUBGROUPS: subgroups,
      UNROLL: short ? 4 : subgroups ? 16 : 1,
      NEST: short,
    },
    ...sharedParameters(options),
    HEADS_TOGETHER: 1,
    ...{ SPLIT: split, PRESHIFT: preshift(dtype, headDim), GROUP: group, PER_LANE: 8 / group },
    ...{ BM: blockM, TY: blockM / 8, THREADS: threads, CHUNKS: chunks },
    ...{ D_PIECES: headDim / perPiece, V_PIECES: valueDim / perPiece, COLUMN_PIECES: columns / perPiece },
    ...chunksAtOnce(options, { split, paired: subgroups && fits && chunks % 2 === 0 }),
    KEYS_ACCESS: subgroups && !f16 ? "read_write" : "read",
    ...{ LOADS: loads, K_GROUPS: Math.max(1, 256 / threads), V_GROUPS: f16 ? loads / 2 : loads },
    ...{ V_ACROSS: columns / perPiece, PART_KEYS: buffers * (f16 ? 2 : 1), UNITS: units },
    ...{ PBUF: buffers, PARTS: units / buffers, V_CHUNKS: buffers / (split ? 2 : 1) },
    Q_WAITS: split && buffers === 2,
  };
}

/** How many chunks of each product are unrolled at once: the fastest number, where `paired` allows two. */
function chunksAtOnce(
  { dtype, dense }: AttentionKernelOptions,
  { split, paired }: { readonly split: boolean; readonly paired: boolean },
): TemplateParameters {
  const f16 = dtype === "f16";
  return {
    SCORES_AT_ONCE: paired && (f16 || dense || !split) ? 2 : 1,
    VALUES_AT_ONCE: paired && (!f16 || dense && split) ? 2 : 1,
  };
}
