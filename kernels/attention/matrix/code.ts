/**
 * The kernel with matrix units: where it can be used, and its text.
 *
 * @module
 */
import { layoutTemplate } from "../../pyramid/layout.ts";
import { entryTemplate } from "../../lists/entry.ts";
import { expandTemplate, type TemplateParameters } from "../../wgsl/template.ts";
import {
  type AttentionDevice,
  type AttentionKernelOptions,
  columnParts,
  WIDEST_COLUMNS,
} from "../options.ts";
import call from "../call.wgsl" with { type: "text" };
import { MATRIX_DIRECTIVES } from "./directives.ts";
import kernel from "./kernel.wgsl" with { type: "text" };
import memory from "./memory.wgsl" with { type: "text" };
import output from "./output.wgsl" with { type: "text" };
import steps from "./steps.wgsl" with { type: "text" };

/** Bytes of a piece, 8 halves. */
const PIECE_BYTES = 16;
/** The widest queries whose matrices fit into registers. */
const WIDEST = 128;

/** Sizes that follow from the call. */
interface Sizes {
  /** Pieces of a row of queries and keys, padded to whole matrices; of values, padded to a matrix for each half. */
  readonly across: { readonly k: number; readonly v: number };
  /** Matrices of 16 rows that a subgroup has, and query rows of the workgroup. */
  readonly rowTiles: number;
  readonly rows: number;
  /** Pieces of workgroup memory in which a subgroup exchanges scores. */
  readonly region: number;
  /** Entries of a list in a tile of 32 keys. */
  readonly tileGroups: number;
}

function sizesOf({ shape: { headDim, valueDim }, blockM, group, dense }: AttentionKernelOptions): Sizes {
  const across = {
    k: 2 * Math.ceil(headDim / 16),
    v: 4 * Math.ceil(Math.min(valueDim, WIDEST_COLUMNS) / 32),
  };
  const rows = Math.max(32, blockM);
  const rowTiles = across.k <= 8 && across.v <= 8 && rows >= 128 ? 4 : 2;
  return { across, rows, rowTiles, region: 96 * rowTiles, tileGroups: dense ? 0 : 32 / group };
}

/** Bytes of workgroup memory that the kernel takes. */
export function matrixWorkgroupBytes(options: AttentionKernelOptions): number {
  const { across, region, rows, rowTiles, tileGroups } = sizesOf(options), subgroups = rows / rowTiles / 8;
  const tiles = 32 * (across.k + 1 + across.v + 1);
  return PIECE_BYTES * (tiles + subgroups * region) + 8 * (rows + 16 * tileGroups) + 16;
}

/** Whether a device runs a call with the matrix kernel. */
export function usesMatrices(device: AttentionDevice, options: AttentionKernelOptions): boolean {
  const { dtype, masked = false, shape: { headDim } } = options;
  return device.matrices && !masked && dtype === "f16" && headDim <= WIDEST &&
    matrixWorkgroupBytes(options) <= device.limits.maxComputeWorkgroupStorageSize;
}

/** The WGSL of attention with matrices. */
export function matrixCode(options: AttentionKernelOptions): string {
  const template = [layoutTemplate, entryTemplate, call, memory, steps, output, kernel].join("\n");
  return MATRIX_DIRECTIVES + expandTemplate(template, parametersOf(options));
}

/** The parameters of the kernel's template. */
function parametersOf(options: AttentionKernelOptions): TemplateParameters {
  const {
    shape: { headDim, valueDim },
    blockM,
    dense,
    causal,
    partial,
    whole = true,
    full = false,
    splits = false,
    group,
  } = options;
  const { across, rows, rowTiles, region, tileGroups } = sizesOf(options);
  const threads = 4 * rows / rowTiles;
  const loads = (pieces: number) => Math.ceil(32 * pieces / threads);
  return {
    KEYS_ACCESS: dense ? "read_write" : "read",
    ...{ KEY_SPLITS: splits, COLUMN_PARTS: columnParts(valueDim) },
    ...{ FULL: full && dense, ONE_BIAS: whole && !partial && group === 8 },
    ...{ DENSE: dense, CAUSAL: causal, PARTIAL: partial, WHOLE: whole, GROUP: group },
    ...{
      BM: blockM,
      ROWS: rows,
      ROW_TILES: rowTiles,
      LANE_ROWS: rowTiles / 2,
      PARTS: 2 * rowTiles,
      THREADS: threads,
      SUBGROUPS: threads / 32,
    },
    ...{ D_PIECES: headDim / 8, V_PIECES: valueDim / 8, K_ACROSS: across.k, V_ACROSS: across.v },
    ...{ K_PITCH: across.k + 1, V_PITCH: across.v + 1 },
    ...{ STEPS: across.k / 2, COLUMNS: across.v / 4, REGION: region, TILE_GROUPS: tileGroups },
    ...{ K_LOADS: loads(across.k), K_REST: loads(across.k) * threads > 32 * across.k },
    ...{ V_LOADS: loads(across.v), V_REST: loads(across.v) * threads > 32 * across.v },
  };
}
