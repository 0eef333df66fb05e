/**
 * The kernel with matrix units: where it can be used, and its text.
 *
 * @module
 */
import type { MatrixShape } from "../../device/capabilities.ts";
import { layoutTemplate } from "../../pyramid/layout.ts";
import { entryTemplate } from "../../lists/entry.ts";
import { expandTemplate, type TemplateParameters } from "../../wgsl/template.ts";
import {
  type AttentionDevice,
  type AttentionKernelOptions,
  sharedParameters,
  WIDEST_COLUMNS,
} from "../options.ts";
import block from "../block.wgsl" with { type: "text" };
import call from "../call.wgsl" with { type: "text" };
import { matrixDirectives } from "./directives.ts";
import kernel from "./kernel.wgsl" with { type: "text" };
import memory from "./memory.wgsl" with { type: "text" };
import output from "./output.wgsl" with { type: "text" };
import sample from "./sample.wgsl" with { type: "text" };
import steps from "./steps.wgsl" with { type: "text" };

/** Bytes of a piece, 8 halves. */
const PIECE_BYTES = 16;
/** The widest queries whose matrices fit into registers. */
const WIDEST = 128;

/** Heads whose query blocks take turns in dense causal calls: their keys, as far as they are in use at a time, fit into caches. */
const HEADS_TOGETHER = 16;
/** Heads whose query blocks take turns in dense calls that are not causal and share their last blocks. */
const DENSE_IN_TURN = 2;
/** The most pieces of rows for which a subgroup has room for the sums of all columns. */
const NARROW = 8;

/** Sizes that follow from the call. */
interface Sizes {
  /** Pieces of a row of queries and keys, padded to whole matrices; of values, padded to a matrix for each half. */
  readonly across: { readonly k: number; readonly v: number };
  /** Sixteens of rows that a subgroup has, and query rows of the workgroup. */
  readonly rowTiles: 2;
  readonly rows: number;
  /** Pieces of workgroup memory in which a subgroup exchanges scores. */
  readonly region: number;
  /** Entries of a list in a tile of 32 keys. */
  readonly tileGroups: number;
  /** Whether a subgroup makes all columns of its own keys, so that halves meet at the end alone. */
  readonly alone: boolean;
}

function sizesOf({ shape: { headDim, valueDim }, blockM, group, dense }: AttentionKernelOptions): Sizes {
  const across = {
    k: 2 * Math.ceil(headDim / 16),
    v: 4 * Math.ceil(Math.min(valueDim, WIDEST_COLUMNS) / 32),
  };
  const rows = Math.max(32, blockM);
  return {
    ...{ across, rows, rowTiles: 2, region: 192, tileGroups: dense ? 0 : 32 / group },
    alone: across.k <= NARROW && across.v <= NARROW,
  };
}

/** Bytes of workgroup memory that the kernel takes. */
export function matrixWorkgroupBytes(options: AttentionKernelOptions): number {
  const { across, region, rows, rowTiles, tileGroups, alone } = sizesOf(options);
  const subgroups = rows / rowTiles / 8, tiles = (alone ? 2 : 1) * 32 * (across.k + 1 + across.v + 1);
  return PIECE_BYTES * (tiles + subgroups * region) + 8 * (rows + 16 * tileGroups) + 32;
}

/** Whether a device runs a call with the matrix kernel. */
export function usesMatrices(device: AttentionDevice, options: AttentionKernelOptions): boolean {
  const { dtype, masked = false, shape: { headDim } } = options;
  return device.matrices !== null && !masked && dtype === "f16" && headDim <= WIDEST &&
    matrixWorkgroupBytes(options) <= device.limits.maxComputeWorkgroupStorageSize;
}

/** Whether rows are so narrow that a subgroup makes all columns of its own keys. */
export function isNarrow(options: AttentionKernelOptions): boolean {
  return sizesOf(options).alone;
}

/**
 * Heads whose query blocks take turns in dense calls that share their last blocks. Where rows are narrow that was not faster, and
 * nor was it in calls that share none (docs/matrix-limits.md#workgroups-in-step).
 */
export function headsInTurn(device: AttentionDevice, options: AttentionKernelOptions): number {
  const isWide = usesMatrices(device, options) && !isNarrow(options);
  return isWide && options.dense && options.shared === "last" ? DENSE_IN_TURN : 1;
}

/**
 * The WGSL of attention with matrices.
 *
 * @param options the properties of the call that decide
 * @param product the product that the device has: M, N and K are 8 or 16
 */
export function matrixCode(options: AttentionKernelOptions, product: MatrixShape): string {
  const template = [layoutTemplate, entryTemplate, call, block, memory, steps, sample, output, kernel].join(
    "\n",
  );
  return matrixDirectives(product) + expandTemplate(template, parametersOf(options, product));
}

/** The parameters of the kernel's template. */
function parametersOf(options: AttentionKernelOptions, { M, N, K }: MatrixShape): TemplateParameters {
  const {
    shape: { headDim, valueDim },
    blockM,
    dense,
    causal,
    partial,
    whole = true,
    full = false,
    group,
  } = options;
  const { across, rows, rowTiles, region, tileGroups, alone } = sizesOf(options);
  const threads = 4 * rows / rowTiles;
  const isFull = full && dense, shares = sharedParameters(options);
  const loads = (pieces: number) => Math.ceil(32 * pieces / threads);
  return {
    // On an H200 wide lists took .97 of the time with early keys if causal, else 1.05 (docs/matrix-limits.md#workgroups-in-step).
    ...{ ALONE: alone, BUFFERS: alone ? 2 : 1, KEYS_EARLY: dense || alone || causal },
    ...shares,
    HEADS_TOGETHER: causal ? HEADS_TOGETHER : 1,
    ...{ FULL: isFull, FOLDED: isFull && !causal && shares.SHARED > 0 },
    ...{ ONE_BIAS: whole && !partial && group === 8 },
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
    // A subgroup's 32 rows, 16 keys and columns as matrices; steps of K channels.
    ...{ M, N, K, ROW_MATRICES: 32 / M, KEY_MATRICES: 16 / N, COLUMNS: across.v * (alone ? 8 : 4) / N },
    ...{ STEPS: Math.ceil(headDim / K), REGION: region, TILE_GROUPS: tileGroups },
    ...{ Q_LOADS: Math.ceil(across.k / 4), Q_REST: across.k % 4 !== 0 },
    ...{ K_LOADS: loads(across.k), K_REST: loads(across.k) * threads > 32 * across.k },
    ...{ V_LOADS: loads(across.v), V_REST: loads(across.v) * threads > 32 * across.v },
  };
}
