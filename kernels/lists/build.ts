/**
 * Work lists on the device: from levels to the groups of pooled tokens that attention walks through.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { prepareKernel } from "../device/kernel.ts";
import type { Encode } from "../device/pass.ts";
import { requireNumbered, TILE_TOKENS } from "./naive.ts";
import listsCode from "./build.wgsl" with { type: "text" };
import scanCode from "./scan.wgsl" with { type: "text" };

/** What {@link prepareLists} needs to know. */
export interface ListsOptions {
  /** The sizes of the call. */
  readonly shape: Pick<AttentionShape, "batch" | "heads" | "seqQ" | "seqK">;
  /** Block sizes and tail policy. */
  readonly config: Pick<PsaConfig, "blockM" | "blockN" | "tail">;
  /** Pooled tokens of a group ({@link groupTokens}). */
  readonly group: 4 | 8;
  /** The most groups of 8 pooled tokens that any query block can have; default all keys at level 1. */
  readonly mostGroups?: number;
}

/** Work lists as a stage of the pipeline. */
export interface ListsStage {
  /** The lists, one u32 a group as kernels/lists/naive.ts describes it, though in the order of the keys. */
  readonly list: GPUBuffer;
  /** Where the rows of the list begin, then the order in which they are taken: {@link WorkLists.offsets}. */
  readonly offsets: GPUBuffer;
  /** Encodes the stage into a pass. */
  readonly encode: Encode;
}

/**
 * Prepares work lists for one shape and configuration.
 *
 * @param gpu the device
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param options sizes, block sizes, tail policy
 * @returns the buffers of the lists and what fills them; buffers belong to `gpu`
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function prepareLists(
  gpu: Gpu,
  levels: GPUBuffer,
  { shape: { batch, heads, seqQ, seqK }, config, group, mostGroups }: ListsOptions,
): Promise<ListsStage> {
  const { blockM, blockN, tail } = config;
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN), rows = batch * heads * M;
  requireNumbered(seqK, group);
  const most = Math.min(mostGroups ?? Infinity, N * blockN / 8) * 8;
  const size = 4 * rows * Math.ceil(most / TILE_TOKENS) * TILE_TOKENS / group;
  const list = gpu.createBuffer("work lists", { size });
  const offsets = gpu.createBuffer("offsets of work lists", { size: 4 * (2 * rows + 1) });
  const prepare = (label: string, count: boolean) =>
    prepareKernel(gpu, listsCode, {
      label,
      constants: {
        ...{ COUNT: Number(count), N, M, BLOCK: blockN, TOKENS: seqK, GROUP: group },
        REPLICATE: Number(tail === "replicate"),
      },
      buffers: [levels, offsets, list],
      workgroups: [M, batch * heads],
    });
  const stages = [
    await prepare("work lists: lengths", true),
    await prepareKernel(gpu, scanCode, {
      ...{ label: "work lists: offsets", constants: { ROWS: rows } },
      ...{ buffers: [offsets], workgroups: [1] },
    }),
    await prepare("work lists", false),
  ];
  return { list, offsets, encode: (pass) => stages.forEach((encode) => encode(pass)) };
}
