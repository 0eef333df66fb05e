/**
 * Work lists on the device: from levels to the groups of pooled tokens that each row of levels asks for.
 *
 * @module
 */
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Stage } from "../device/work/stage.ts";
import listsCode from "./build.wgsl" with { type: "text" };
import { type CausalRows, entryTemplate, offsetsLength, type TurnOptions, turnsOf } from "./entry.ts";
import offsetsCode from "./scan.wgsl" with { type: "text" };
import scanTemplate from "../wgsl/scan.wgsl" with { type: "text" };
import turnCode from "./turn.wgsl" with { type: "text" };

/** Invocations of a workgroup, which makes the list of a row. */
const THREADS = 256;

/** Work lists of all rows of levels on the device. */
export interface ListBuffers {
  /** The lists, one entry per group, in the order of the keys. */
  readonly list: GPUBuffer;
  /** Where each row begins, the order in which rows are taken, and what they need to know: {@link WorkLists.offsets}. */
  readonly offsets: GPUBuffer;
}

/** The outputs of the stage. */
export type ListOutputs = Readonly<Record<"list" | "offsets", GPUBuffer>>;

/** Options of {@link buildLists}. */
export interface ListsOptions {
  /** int32 [heads of all batch entries, query blocks, key blocks]. */
  readonly levels: GPUBuffer;
  /** Heads of all batch entries. */
  readonly heads: number;
  /** Query blocks and key blocks of a head. */
  readonly blocks: { readonly M: number; readonly N: number };
  /** Key tokens of a head. */
  readonly seqK: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** How the last, partial block is pooled. */
  readonly tail: "exact" | "replicate";
  /** Pooled tokens of a group ({@link groupTokens}). */
  readonly group: 4 | 8;
  /** Bytes that the lists may take. */
  readonly listBytes: number;
  /** How rows are ordered ({@link turnsOf}). */
  readonly turns?: TurnOptions;
  /** Causal calls: where rows lie among the keys, so that records tell how many entries all queries of a row see. */
  readonly causal?: CausalRows;
}

/**
 * Builds work lists for one shape.
 *
 * @param gpu the device, to which the buffers belong
 * @param options levels, sizes, tail policy
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildLists(gpu: Gpu, options: ListsOptions): Promise<Stage<ListOutputs>> {
  const { levels, heads, blocks: { M, N }, seqK, blockN, tail, group, listBytes, causal } = options;
  const rows = heads * M, turns = turnsOf(heads, M, options.turns);
  const list = gpu.createBuffer("work lists", { size: listBytes });
  const offsets = gpu.createBuffer("offsets of work lists", { size: 4 * offsetsLength(rows) });
  const walk = (label: string, count: boolean) =>
    buildKernel(gpu, entryTemplate + scanTemplate + listsCode + turnCode, {
      label,
      constants: {
        ...{ COUNT: Number(count), N, M, BLOCK: blockN, TOKENS: seqK, GROUP: group },
        ...{ EACH: Math.min(4, Math.ceil(N / THREADS)), REPLICATE: Number(tail === "replicate") },
        ...{ ROWS_ALONE: turns.alone, ROWS_TOGETHER: turns.together, CAUSAL: Number(causal !== undefined) },
        ...{ BLOCK_M: causal?.blockM ?? 0, POSITION: causal?.position ?? 0 },
      },
      buffers: [levels, offsets, list],
      workgroups: [M, heads],
    });
  const encodes = [
    await walk("work lists: lengths", true),
    await buildKernel(gpu, offsetsCode, {
      ...{ label: "work lists: offsets", constants: { ROWS: rows } },
      ...{ buffers: [offsets], workgroups: [1] },
    }),
    await walk("work lists", false),
  ];
  return {
    name: "lists",
    encode: (pass) => encodes.forEach((encode) => encode(pass)),
    outputs: { list, offsets },
  };
}
