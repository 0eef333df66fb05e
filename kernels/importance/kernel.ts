/**
 * Chooses the kernel of the scores of importance and its WGSL from the call and the capabilities of the device: the
 * one with matrix units (matrix/) if the device has them and tokens are float16, else scores.wgsl. Only this file decides.
 *
 * @module
 */
import type { Capabilities } from "../device/capabilities.ts";
import { expandTemplate, type TemplateParameters } from "../wgsl/template.ts";
import { packedTemplate, preshift } from "../wgsl/packed.ts";
import blocksTemplate from "./blocks.wgsl" with { type: "text" };
import { matrixScoreCode, type MatrixScoreOptions, matrixSpan, usesMatrixScores } from "./matrix/code.ts";
import scoresTemplate from "./scores.wgsl" with { type: "text" };

/** Bytes of a chunk of 128 rows or columns in workgroup memory. */
const CHUNK_BYTES = 8192;
/** Columns that a workgroup makes at most, one tile after the other, if there are enough of them. */
const MOST_COLUMNS = 1024;
/** Workgroups that keep a large device busy. */
const ENOUGH_WORKGROUPS = 1024;

/** Bytes of workgroup memory that the kernel of scores needs: two chunks of queries and two of keys. */
export const SCORE_WORKGROUP_BYTES = 4 * CHUNK_BYTES;

/** The properties of a call that decide the WGSL of the score kernel. */
export interface ScoreKernelOptions extends MatrixScoreOptions {
  /** Element type of queries and keys. */
  readonly dtype: "f16" | "f32";
  /** Whether the product is unrolled in the text. */
  readonly unroll: boolean;
}

/** The capabilities of a device that decide the WGSL of the score kernel. */
export type ScoreDevice = Pick<Capabilities, "matrices" | "limits">;

/** The parameters of the template scores.wgsl. */
function scoreParameters({ limits }: ScoreDevice, options: ScoreKernelOptions): TemplateParameters {
  const { headDim, dtype, parts, unroll } = options, f16 = dtype === "f16";
  const pieces = headDim / (f16 ? 8 : 4), chunks = Math.ceil(pieces / 4), steps = parts * chunks;
  return {
    F16: f16,
    UNROLL: unroll,
    PIECES: pieces,
    CHUNKS: chunks,
    PARTS: parts,
    STEPS: steps,
    STAYS: CHUNK_BYTES * (2 + steps) <= limits.maxComputeWorkgroupStorageSize,
    AT_ONCE: unroll && steps % 2 === 0 && (f16 || parts === 1) ? 2 : 1,
    FLUSH: steps > 4,
    PRESHIFT: preshift(dtype, headDim * parts),
  };
}

/** Whether scores are computed with matrix units. */
function isMatrix(device: ScoreDevice, options: ScoreKernelOptions): boolean {
  return options.dtype === "f16" && usesMatrixScores(device, options);
}

/** The WGSL of the kernel of scores. */
export function scoreCode(device: ScoreDevice, options: ScoreKernelOptions): string {
  if (isMatrix(device, options)) return matrixScoreCode(options, device.matrices!);
  return expandTemplate(
    [packedTemplate, scoresTemplate, blocksTemplate].join("\n"),
    scoreParameters(device, options),
  );
}

/** How a kernel of scores runs. */
export interface ScoreKernel {
  /** Its text. */
  readonly code: string;
  /** Values of overrides that depend on which kernel it is. */
  readonly constants: Readonly<Record<string, number>>;
  /** Workgroups for the columns of a row tile. */
  readonly workgroups: number;
}

/**
 * The kernel of scores of one product.
 *
 * @param device the capabilities that decide
 * @param options the properties of the call that decide
 * @param sizes columns of a head, and row tiles that are made at once
 */
export function scoreKernel(
  device: ScoreDevice,
  options: ScoreKernelOptions,
  { columnCount, rowTiles, tilesOfHead, factor }: {
    readonly columnCount: number;
    readonly rowTiles: number;
    /** Tiles of 128 rows of a head. */
    readonly tilesOfHead: number;
    /** Factor on a product. */
    readonly factor: number;
  },
): ScoreKernel {
  const code = scoreCode(device, options), { headDim, dtype, parts, sums, columns } = options;
  const matrix = isMatrix(device, options), width = matrix ? matrixSpan(options) : 128;
  const pieces = Math.ceil(columnCount / width),
    each = piecesEach(pieces, { rowTiles, most: MOST_COLUMNS / width });
  const constants: Record<string, number> = matrix
    ? { ROW_TILES_OF_HEAD: tilesOfHead, SPANS: each, FACTOR: factor }
    : {
      ...{ ROW_TILES: tilesOfHead, TILES: each, LOG_SUM: Number(sums), BLOCK_COLUMNS: columns },
      FACTOR: factor * 2 ** preshift(dtype, headDim * parts),
    };
  return { code, constants, workgroups: Math.ceil(pieces / each) };
}

/** How many pieces of the columns a workgroup makes: as many as leave enough workgroups. */
function piecesEach(
  pieces: number,
  { rowTiles, most }: { readonly rowTiles: number; readonly most: number },
): number {
  let each = most;
  while (each > 1 && Math.ceil(pieces / each) * rowTiles < ENOUGH_WORKGROUPS) each /= 2;
  return each;
}
