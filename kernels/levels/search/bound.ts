/**
 * The bound of every head: the first entry that a budget does not pay for any more.
 *
 * @module
 */
import type { Threshold } from "../../../reference/levels/thresholds.ts";
import type { Gpu } from "../../device/gpu.ts";
import { uploaded } from "../../device/transfer.ts";
import { buildKernel } from "../../device/work/kernel.ts";
import type { Encode } from "../../device/work/pass.ts";
import scanCode from "../../wgsl/scan.wgsl" with { type: "text" };
import boundCode from "./bound.wgsl" with { type: "text" };
import keysCode from "./keys.wgsl" with { type: "text" };

/** Options of {@link buildBounds}. */
export interface BoundOptions {
  /** Shares, or scores of pairs, float32 [heads][size]. */
  readonly entries: GPUBuffer;
  /** Entries of a head. */
  readonly size: number;
  /** Heads of all batch entries. */
  readonly heads: number;
  /** Levels and their ends. */
  readonly threshold: Pick<Threshold, "ends" | "slack" | "most">;
  /** What each head may spend, uint32 [heads]. */
  readonly budgets: GPUBuffer;
  /** Whether entries are scores, of which the largest are taken. */
  readonly isPairs: boolean;
  /** Blocks of single queries, an entry each, which cost the keys that the query sees; left out: entries cost alike. */
  readonly blocks?: {
    /** Blocks of a query, and keys of a block. */
    readonly columns: number;
    readonly unit: number;
    /** Keys that queries see, uint32 [queries]. */
    readonly seen: GPUBuffer;
  };
}

/** The search for bounds, and what kernels need to cut entries at them. */
export interface Bounds {
  /** Key and place of the bound of every head, [heads]. */
  readonly bounds: GPUBuffer;
  /** The levels as keys.wgsl reads them. */
  readonly quotas: GPUBuffer;
  /** The overrides of keys.wgsl. */
  readonly constants: Readonly<Record<string, number>>;
  /** The dispatch. */
  readonly encode: Encode;
}

/**
 * Builds the search for the bounds of heads.
 *
 * @param gpu the device, to which the buffers belong
 * @param options entries, costs, budgets
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildBounds(
  gpu: Gpu,
  { entries, size, heads, threshold, budgets, isPairs, blocks }: BoundOptions,
): Promise<Bounds> {
  const quotas = uploaded(gpu, "quotas of a search", quotaTable(threshold));
  const bounds = gpu.createBuffer("bounds of heads", { size: 8 * heads });
  const constants = {
    ...{ ENTRIES: size, QUOTAS: threshold.ends.length, PAIRS: Number(isPairs) },
    ...{ SLACK: threshold.slack, MOST: threshold.most },
  };
  const seen = blocks?.seen ?? uploaded(gpu, "no costs of their own", new Uint32Array(1));
  const encode = await buildKernel(gpu, scanCode + keysCode + boundCode, {
    label: "bounds of heads",
    constants: { ...constants, UNIT: blocks?.unit ?? 0, COLUMNS: blocks?.columns ?? 1 },
    buffers: [entries, quotas, budgets, bounds, seen],
    workgroups: [heads],
  });
  return { bounds, quotas, constants, encode };
}

/** Units of cost of a block in full: at every level the cost is a whole number of them. */
export function unitsOf({ ends }: Pick<Threshold, "ends">): number {
  return ends.reduce((most, [level]) => Math.max(most, level), 1);
}

/** Level, end, and what a block costs more than at the next level. */
function quotaTable(threshold: Pick<Threshold, "ends">): DataView<ArrayBuffer> {
  const { ends } = threshold, table = new DataView(new ArrayBuffer(12 * ends.length));
  const units = unitsOf(threshold), costOf = (i: number) => i < ends.length ? units / ends[i][0] : 0;
  ends.forEach(([level, end], i) => {
    table.setInt32(12 * i, level, true);
    table.setFloat32(12 * i + 4, end, true);
    table.setUint32(12 * i + 8, costOf(i) - costOf(i + 1), true);
  });
  return table;
}
