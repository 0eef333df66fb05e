/**
 * Work lists of a mask whose bits lie on the device.
 *
 * @module
 */
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { AttentionShape } from "../../../reference/tensor.ts";
import type { Gpu } from "../../device/gpu.ts";
import { buildKernel } from "../../device/work/kernel.ts";
import type { Stage } from "../../device/work/stage.ts";
import type { ListBuffers } from "../../lists/build.ts";
import { entryTemplate, offsetsLength, requireNumbered, TILE_TOKENS, turnsOf } from "../../lists/entry.ts";
import offsetsCode from "../../lists/scan.wgsl" with { type: "text" };
import scanTemplate from "../../wgsl/scan.wgsl" with { type: "text" };
import turnCode from "../../lists/turn.wgsl" with { type: "text" };
import type { ListsPlan } from "../../plan.ts";
import type { ChosenBits } from "./bits.ts";
import groupsCode from "./groups.wgsl" with { type: "text" };

/** Keys of a group, and groups of a tile. */
const GROUP = 8, TILE = TILE_TOKENS / GROUP;

/** The stage, and what attention needs to know of its lists. */
export interface MaskGroups {
  /** Makes the lists. */
  readonly stage: Stage;
  /** The lists and their room. */
  readonly lists: ListBuffers & ListsPlan;
  /** The bits of the rows of each entry. */
  readonly rowMasks: GPUBuffer;
}

/**
 * Builds the work lists of a mask. They have room for all keys: how many groups there are is known on the device alone.
 *
 * @param gpu the device, to which the buffers belong
 * @param chosen bits [heads of all batch entries][query tokens][words of the keys], or one row for all queries of a head
 * @param options sizes, and the query block size in tokens
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildMaskGroups(
  gpu: Gpu,
  { mask, isShared = false }: Pick<ChosenBits, "mask" | "isShared">,
  { shape: { batch, heads, seqQ, seqK }, blockM }: {
    readonly shape: AttentionShape;
    readonly blockM: number;
  },
): Promise<MaskGroups> {
  requireNumbered(seqK, GROUP);
  const all = batch * heads,
    M = Math.ceil(seqQ / blockM),
    rows = all * M,
    tiles = Math.ceil(seqK / TILE_TOKENS),
    turns = turnsOf(all, M);
  const entries = (rows * tiles + 1) * TILE; // who reads the first tile of a row that has none reads nothing beyond
  const list = gpu.createBuffer("work lists of a mask", { size: 4 * entries });
  const offsets = gpu.createBuffer("offsets of a mask's work lists", { size: 4 * offsetsLength(rows) });
  const rowMasks = gpu.createBuffer("rows of a mask", { size: entries * blockM });
  const walk = (label: string, count: boolean) =>
    buildKernel(gpu, entryTemplate + scanTemplate + groupsCode + turnCode, {
      label,
      constants: {
        ...{ COUNT: Number(count), M, BLOCK: blockM, QUERIES: seqQ, MASK_WORDS: wordsOf(seqK) },
        ...{ ROWS_ALONE: turns.alone, ROWS_TOGETHER: turns.together, SHARED: Number(isShared) },
      },
      buffers: [mask, offsets, list, rowMasks],
      workgroups: [M, all],
    });
  const encodes = [
    await walk("groups of a mask: lengths", true),
    await buildKernel(gpu, offsetsCode, {
      ...{ label: "groups of a mask: offsets", constants: { ROWS: rows } },
      ...{ buffers: [offsets], workgroups: [1] },
    }),
    await walk("groups of a mask", false),
  ];
  const room = {
    group: GROUP,
    listBytes: 4 * entries,
    tiles: { most: tiles, mean: tiles },
    masked: true,
  } as const;
  return {
    stage: {
      name: "lists",
      encode: (pass) => encodes.forEach((encode) => encode(pass)),
      outputs: { list, offsets, rowMasks },
    },
    lists: { list, offsets, ...room },
    rowMasks,
  };
}
