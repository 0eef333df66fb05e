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
import output from "./tiled/output.wgsl" with { type: "text" };
import softmax from "./tiled/softmax.wgsl" with { type: "text" };
import tiles from "./tiled/tiles.wgsl" with { type: "text" };
import values from "./tiled/values.wgsl" with { type: "text" };

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

/**
 * Whether the tiled kernel can walk the last tile of a list only as far as it is filled. In float16 its text is slower by more than that
 * saves, and causal calls were not tried.
 */
export function walksLastInPart(
  { dtype, dense, causal, masked = false }: Pick<
    AttentionKernelOptions,
    "dtype" | "dense" | "causal" | "masked"
  >,
): boolean {
  return dtype === "f32" && !dense && !causal && !masked;
}

/** Columns of values that one workgroup of the tiled kernel makes. */
function columnsAtOnce(valueDim: number): 64 | 128 {
  return valueDim <= 64 ? 64 : 128;
}

/** The WGSL of attention for one call on one device. */
export function attentionCode(device: AttentionDevice, options: AttentionKernelOptions): string {
  if (usesMatrices(device, options)) return matrixCode(options, device.matrices!);
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
    softmax,
    values,
    output,
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
  } = options;
  const subgroups = device.subgroupSize > 0, group = dense ? 8 : options.group;
  const f16 = dtype === "f16", perPiece = f16 ? 8 : 4, threads = 2 * blockM, loads = 512 / threads;
  const columns = columnsAtOnce(valueDim), split = columns === 64, units = f16 ? 4 : 8;
  const chunks = Math.ceil(headDim / perPiece / 4);
  const fits = attentionWorkgroupBytes(blockM, 4) <= device.limits.maxComputeWorkgroupStorageSize;
  const buffers = fits ? 4 : 2, last = lastTiles(options, { split, subgroups });
  const paired = subgroups && fits && chunks % 2 === 0, both = last.WHOLE_TILES && last.LAST_TILES;
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
    },
    ...last,
    ...sharedParameters(options),
    HEADS_TOGETHER: 1,
    ...{ SPLIT: split, PRESHIFT: preshift(dtype, headDim), GROUP: group, PER_LANE: 8 / group },
    ...{ BM: blockM, TY: blockM / 8, THREADS: threads, CHUNKS: chunks },
    ...{ D_PIECES: headDim / perPiece, V_PIECES: valueDim / perPiece, COLUMN_PIECES: columns / perPiece },
    ...chunksAtOnce(options, { split, paired, both }),
    KEYS_ACCESS: subgroups && !f16 ? "read_write" : "read",
    ...{ LOADS: loads, K_GROUPS: Math.max(1, 256 / threads), V_GROUPS: f16 ? loads / 2 : loads },
    ...{ V_ACROSS: columns / perPiece, PART_KEYS: buffers * (f16 ? 2 : 1), UNITS: units },
    ...{ PBUF: buffers, PARTS: units / buffers, V_CHUNKS: buffers / (split ? 2 : 1) },
    Q_WAITS: split && buffers === 2,
  };
}

/**
 * Which tiles have a text of their own, and how many steps of a product it unrolls: whole tiles, and the last tile of a list, of which only
 * what is filled is walked. Where the longest lists are shared, all tiles have the short text of last ones. Without subgroups, which
 * is in software, calls have one text: compiling took nearly twice as long with that of last tiles.
 */
function lastTiles(
  options: AttentionKernelOptions,
  { split, subgroups }: { readonly split: boolean; readonly subgroups: boolean },
) {
  const inPart = walksLastInPart(options), short = inPart && options.shared === "longest";
  const both = inPart && !short && split && subgroups && options.shortLists === true;
  return {
    ...{ WHOLE_TILES: !short, STEPS: subgroups ? 16 : 1 },
    ...{ LAST_TILES: short || both, NEST: short || both },
  };
}

/** How many chunks of each product are unrolled at once: the fastest number, where `paired` allows two; `both`: whole and last tiles have a text each. */
function chunksAtOnce(
  { dtype, dense }: AttentionKernelOptions,
  { split, paired, both }: { readonly split: boolean; readonly paired: boolean; readonly both: boolean },
): TemplateParameters {
  const f16 = dtype === "f16";
  return {
    SCORES_AT_ONCE: paired && (f16 || dense || !split) ? 2 : 1,
    VALUES_AT_ONCE: paired && !both && (!f16 || dense && split) ? 2 : 1,
  };
}
