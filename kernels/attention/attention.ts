/**
 * Attention over the pyramid on the device (docs/definition.md#attention).
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import type { Stage } from "../device/work/stage.ts";
import { upload } from "../device/transfer.ts";
import type { ListBuffers } from "../lists/build.ts";
import { LAYOUT_BYTES, packLayout, type PyramidLayout } from "../pyramid/layout.ts";
import { preshift } from "../wgsl/packed.ts";
import { buildChoice, hasChoice, type Indirect } from "./choice.ts";
import { headsInTurn, usesMatrices } from "./matrix/code.ts";
import { buildMerge } from "./merge.ts";
import { columnParts } from "./options.ts";
import { areShort, type KeyParts, type TileCount } from "./splits.ts";
import { attentionCode, type AttentionKernelOptions } from "./variant.ts";

/** Options of one attention call, and the buffers that it reads and writes. */
export interface AttentionOptions extends
  Omit<
    AttentionKernelOptions,
    "shape" | "dense" | "masked" | "partial" | "whole" | "careful" | "group" | "shared" | "shortLists"
  > {
  /** The sizes of the call. */
  readonly shape: AttentionShape;
  /** Factor on q . k. */
  readonly scale: number;
  /** Which tokens the last, partial key block pools: its real ones, or its last token repeated. */
  readonly tail: "exact" | "replicate";
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Places of the levels in keys and values; it has at least the levels that occur. */
  readonly layout: PyramidLayout;
  /** Queries, keys, values, outputs, log-sum-exps. */
  readonly buffers: Readonly<Record<"q" | "k" | "v" | "out" | "lse", GPUBuffer>>;
  /** Work lists, and the pooled tokens of their groups; left out: dense attention. */
  readonly lists?: ListBuffers & { readonly group: 4 | 8; readonly tiles?: TileCount };
  /** Which tokens of each group each query row sees (masked/lists.ts); left out: all rows of a query block see all tokens. */
  readonly rowMasks?: GPUBuffer;
  /** How workgroups share the keys of query blocks; default not at all. */
  readonly parts?: KeyParts | null;
}

/** Bytes of the numbers of a call. */
export const CALL_BYTES = 64 + LAYOUT_BYTES;

/** The buffers that the stage writes: outputs in the element type, log-sum-exps in float32. */
export type AttentionOutputs = Readonly<Record<"out" | "lse", GPUBuffer>>;

/**
 * Builds attention for one call.
 *
 * @param gpu the device
 * @param options shape, block sizes, buffers, lists
 */
export async function buildAttention(gpu: Gpu, options: AttentionOptions): Promise<Stage<AttentionOutputs>> {
  const { shape, blockM, lists, rowMasks, parts = null, buffers: { q, k, v, out, lse } } = options;
  const { batch, heads, seqQ, valueDim } = shape,
    blocks = Math.ceil(seqQ / blockM),
    rows = batch * heads * blocks;
  const facts = {
    ...options,
    dense: lists === undefined,
    masked: rowMasks !== undefined,
    partial: lists !== undefined && hasPartialTokens(options),
    whole: hasWholeGroups(options),
    full: shape.seqK % 32 === 0,
    group: lists?.group ?? 8,
    shortLists: areShort(lists?.tiles),
    shared: sharedOf(parts, rows),
  } as const;
  const kernel = { ...facts, headsInTurn: headsInTurn(gpu.info, facts) };
  const matrices = usesMatrices(gpu.info, kernel), call = uploadCall(gpu, { ...options, parts, matrices });
  const workgroups = parts === null
    ? [blocks, batch * heads, columnParts(valueDim)] as const
    : [rows + parts.rows * (parts.parts - 1), 1, columnParts(valueDim)] as const;
  const merge = parts === null ? undefined : await buildMerge(gpu, { ...kernel, parts, call, out, lse });
  const build = (careful: boolean, indirect?: Indirect) =>
    buildKernel(gpu, attentionCode(gpu.info, { ...kernel, careful }), {
      label: "attention",
      constants: matrices ? { SCALE: options.scale * Math.LOG2E } : undefined,
      buffers: [
        call,
        q,
        k,
        v,
        ...(kernel.shared === "all" ? [] : [out, lse]),
        ...(merge ? [merge.partial] : []),
        ...(lists ? [lists.list, lists.offsets] : []),
        ...(rowMasks ? [rowMasks] : []),
      ],
      ...{ workgroups, indirect },
    });
  const outputs = { out, lse };
  if (matrices || !hasChoice(options.causal || kernel.masked, shape)) {
    return stageOf([await build(true), merge?.encode], outputs);
  }
  const choice = await buildChoice(gpu, { ...options, v, workgroups });
  const [plain, careful] = await Promise.all([build(false, choice.plain), build(true, choice.careful)]);
  return stageOf([choice.encode, plain, careful, merge?.encode], outputs);
}

/** Which of some query blocks are shared. */
function sharedOf(parts: KeyParts | null, rows: number): AttentionKernelOptions["shared"] {
  if (parts === null) return "none";
  return parts.first > 0 ? "last" : parts.rows < rows ? "longest" : "all";
}

/** The stage that runs kernels one after the other. */
function stageOf(
  kernels: readonly (Encode | undefined)[],
  outputs: AttentionOutputs,
): Stage<AttentionOutputs> {
  return { name: "attention", encode: (pass) => kernels.forEach((encode) => encode?.(pass)), outputs };
}

/** Whether some pooled token stands for fewer tokens than its level. */
function hasPartialTokens({ shape: { seqK }, tail, layout }: AttentionOptions): boolean {
  const coarsest = Math.max(...layout.levels.map(({ level, tokens }) => tokens > 0 ? level : 1));
  return tail === "exact" && seqK % coarsest !== 0;
}

/** Whether all tokens of all groups exist and are of one block, so that an entry's mask has all of them. */
function hasWholeGroups({ shape: { seqK }, blockN, lists, layout }: AttentionOptions): boolean {
  if (lists === undefined) return seqK % 8 === 0;
  return layout.levels.every(({ level, tokens }) =>
    tokens === 0 || blockN / level >= lists.group && tokens % lists.group === 0
  );
}

/** The numbers of a call, as the kernel reads them. */
function uploadCall(gpu: Gpu, options: AttentionOptions & { readonly matrices: boolean }): GPUBuffer {
  const { shape: { batch, headDim, heads, kvHeads, seqQ, seqK }, dtype, lists, scale, tail, blockM, blockN } =
    options;
  const { layout, matrices, parts } = options;
  const uniform = gpu.createBuffer("attention call", {
    size: CALL_BYTES,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  const end = tail === "replicate" && lists ? Math.ceil(seqK / blockN) * blockN : seqK;
  const call = new DataView(new ArrayBuffer(CALL_BYTES)), blocks = Math.ceil(seqQ / blockM);
  const halvings = matrices ? 0 : preshift(dtype, headDim);
  call.setFloat32(0, scale * Math.LOG2E * 2 ** halvings, true);
  call.setFloat32(4, -Infinity, true);
  const { rows = 0, parts: count = 1, share = 1, first = 0 } = parts ?? {};
  [
    ...[seqQ, end, seqK - seqQ, heads, kvHeads, 1, ...packLayout(layout)],
    ...[batch * heads * blocks, blocks, rows, count, share, first],
  ].forEach((each, i) => call.setInt32(8 + 4 * i, each, true));
  upload(gpu, uniform, { data: call });
  return uniform;
}
