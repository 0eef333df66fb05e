/**
 * The kernel of scores with matrix units: where it can be used, and its text.
 *
 * @module
 */
import { matrixDirectives } from "../../attention/matrix/directives.ts";
import type { Capabilities, MatrixShape } from "../../device/capabilities.ts";
import { expandTemplate, type TemplateParameters } from "../../wgsl/template.ts";
import kernel from "./kernel.wgsl" with { type: "text" };
import memory from "./memory.wgsl" with { type: "text" };
import steps from "./steps.wgsl" with { type: "text" };

/** The properties of a call that decide the WGSL of the kernel. */
export interface MatrixScoreOptions {
  /** Channels of a token. */
  readonly headDim: number;
  /** Tokens concatenated to one row. */
  readonly parts: number;
  /** Columns of a key block: a power of two up to 128. */
  readonly columns: number;
  /** Log-sum-exps of scores instead of maxima. */
  readonly sums: boolean;
}

/** The capabilities of a device that decide whether the kernel can run. */
export type MatrixScoreDevice = Pick<Capabilities, "matrices" | "limits">;

/** The widest queries whose matrices stay in registers, in pieces of 8 channels; wider ones than NARROW have two tiles of keys on their way. */
const WIDEST = 16, NARROW = 8;
/** Pieces in which a subgroup hands 32 rows of scores to its lanes. */
const EXCHANGE = 192;
/** Rows of a workgroup. */
const ROWS = 128;

/** The parameters of the kernel's template. */
function parametersOf({ headDim, parts, columns, sums }: MatrixScoreOptions) {
  const pieces = headDim / 8, padded = 2 * Math.ceil(pieces / 2), stays = parts === 1 && padded <= WIDEST;
  const stepsOfToken = Math.ceil(pieces / 4), across = stays ? padded : 4, pitch = across + 1;
  const groups = stays ? 1 : 2, columnTiles = stays ? 1 : 4, threads = ROWS * groups;
  const keyRows = 16 * columnTiles * groups, buffer = (stays ? keyRows : ROWS + keyRows) * pitch;
  const rows = threads / across, isEven = Number.isInteger(rows) && keyRows % rows === 0;
  return {
    ...{
      STAYS: stays,
      LOG_SUM: sums,
      PARTS: parts,
      BLOCK_COLUMNS: columns,
      CHUNKS: Math.max(1, columns / 16),
    },
    ...{ D_PIECES: pieces, ACROSS: stays ? padded : 4 * stepsOfToken, BUFFER_ACROSS: across, PITCH: pitch },
    ...{
      THREADS: threads,
      GROUPS: groups,
      COLUMN_TILES: columnTiles,
      SETS: stays && padded > NARROW ? 2 : 1,
    },
    ...{ STEPS_OF_TOKEN: stepsOfToken, TILE_STEPS: stays ? 1 : parts * stepsOfToken },
    ...{ KEY_ROWS: keyRows, BUFFER: buffer, SPAN: 128 * groups },
    ...{ EXCHANGE: stays ? 2 * buffer : 0, MEMORY: 2 * buffer + (stays ? threads / 32 * EXCHANGE : 0) },
    OWN_OFFSETS: stays && isEven && (rows % 16 === 0 || 16 % rows === 0) && columns <= 32,
    OFFSET_ROWS: Math.max(1, 16 / rows),
    ...{ LOAD_ROWS: isEven ? rows : 0, Q_LOADS: stays ? 0 : ROWS / rows },
    K_LOADS: Math.ceil(keyRows * across / threads),
  } satisfies TemplateParameters;
}

/** Columns of scores in whose multiples a workgroup walks. */
export function matrixSpan(options: MatrixScoreOptions): number {
  return parametersOf(options).SPAN;
}

/** Whether a device computes the scores of float16 tokens with the matrix kernel. */
export function usesMatrixScores(
  { matrices, limits }: MatrixScoreDevice,
  options: MatrixScoreOptions,
): boolean {
  return matrices !== null && 16 * parametersOf(options).MEMORY <= limits.maxComputeWorkgroupStorageSize;
}

/**
 * The WGSL of the kernel.
 *
 * @param options the properties of the call that decide
 * @param product the product that the device has: M, N and K are 8 or 16
 */
export function matrixScoreCode(options: MatrixScoreOptions, { M, N, K }: MatrixShape): string {
  const parameters = { ...parametersOf(options), M, N, K, STEPS: Math.ceil(options.headDim / K) };
  return matrixDirectives({ M, N, K }) + expandTemplate([memory, steps, kernel].join("\n"), parameters);
}
