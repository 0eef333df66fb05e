/**
 * Sliding tile attention.
 *
 * @module
 */
import type { Box } from "../../config/config.ts";
import { forEachWeightRows } from "../../judge/mass.ts";
import { evenUp, multiplyRows, ROWS, transpose } from "../../attention/rows.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import type { BlockMethod, MethodInputs } from "../method.ts";
import { levelShape, selectionOf } from "../select.ts";

const TILE = { width: 4, height: 4, depth: 4 };

/**
 * Sliding tile attention: a query tile sees the key tiles in a window around its own, which is moved inside at the
 * border. Each head has a window of its own: of all odd or full windows at or under the density, the one with the least
 * error against dense attention, as the official search chooses it. That search is done beforehand and not counted.
 */
export const sta: BlockMethod = {
  name: "sta",
  rule:
    "4 x 4 x 4 tiles; a window of tiles around the query's, the best of each head at or under the density",
  granularity: "block",
  basis: "code",
  source: "Sliding Tile Attention (FastVideo)",
  causal: false,
  usesImportance: false,
  needsAllRows: true,
  gridTile: TILE,
  selectionCost: () => 0,
  select(inputs, density) {
    const tiles = tilesOf(inputs.grid!), masks = windowMasks(tiles);
    const errors = inputs.once("sta errors", () => windowErrors(inputs, masks));
    const shape = levelShape(inputs), size = shape[2] * shape[3];
    const data = new Int32Array(shape[0] * shape[1] * size);
    const fitting = masks.map((_, index) => index).filter((index) => shareOf(masks[index]) <= density);
    const candidates = fitting.length > 0 ? fitting : [0]; // the smallest window comes first
    for (let head = 0; head < shape[0] * shape[1]; head++) {
      const best = candidates.reduce((a, b) => errors[head][b] < errors[head][a] ? b : a);
      data.set(masks[best], head * size);
    }
    const selection = selectionOf(inputs, { data, shape }, fitting.length > 0 ? "ok" : "unreachable");
    return { ...selection, rule: { kind: "fixed" } }; // windows are searched beforehand
  },
};

/** The number of tiles along each axis. */
function tilesOf({ width, height, depth }: Box): Box {
  return { width: width / TILE.width, height: height / TILE.height, depth: depth / TILE.depth };
}

/** Which of n tiles each tile sees in a window of w: [n][n]. */
function axisWindow(n: number, w: number): boolean[][] {
  const half = Math.floor(w / 2);
  const centre = (at: number) => Math.min(Math.max(at, half), n - 1 - half);
  const numbers = Array.from({ length: n }, (_, i) => i);
  return numbers.map((query) => numbers.map((key) => w >= n || Math.abs(key - centre(query)) <= half));
}

/** The masks [query tiles, key tiles] of all windows whose sides are odd or full. */
function windowMasks({ width, height, depth }: Box): Int32Array[] {
  const windows = (n: number) => {
    const sides = Array.from({ length: n }, (_, i) => i + 1).filter((w) => w % 2 === 1 || w === n);
    return sides.map((w) => axisWindow(n, w));
  };
  const masks: Int32Array[] = [], count = width * height * depth;
  const place = (tile: number) => ({
    x: tile % width,
    y: Math.floor(tile / width) % height,
    t: Math.floor(tile / (width * height)),
  });
  for (const inT of windows(depth)) {
    for (const inY of windows(height)) {
      for (const inX of windows(width)) {
        masks.push(Int32Array.from({ length: count * count }, (_, at) => {
          const query = place(Math.floor(at / count)), key = place(at % count);
          return inT[query.t][key.t] && inY[query.y][key.y] && inX[query.x][key.x] ? 1 : 0;
        }));
      }
    }
  }
  return masks;
}

/** The share of pairs that a mask shows. */
function shareOf(mask: Int32Array): number {
  return mask.reduce((sum, level) => sum + level, 0) / mask.length;
}

/** The squared error of every mask against dense attention, for each head. */
function windowErrors(inputs: MethodInputs, masks: readonly Int32Array[]): Float64Array[] {
  const { qkv } = inputs, heads = qkv.q.shape[0] * qkv.q.shape[1];
  return Array.from({ length: heads }, (_, head) => headErrors(inputs, head, masks));
}

/**
 * The squared errors of masks on one head, from one pass over all pairs: what a mask shows is a sum of what its key
 * blocks contribute, and each contribution is computed once.
 */
function headErrors(
  { qkv: { q, k, v }, scale, sizes: { blockM, blockN, seqK } }: MethodInputs,
  head: number,
  masks: readonly Int32Array[],
): Float64Array {
  const kvHead = kvHeadOf({ q, k }, head), columns = seqK / blockN, dim = v.shape[3];
  const channels = transpose(toFloat64(headSlice(v, kvHead)).data, { rows: seqK, columns: dim });
  const size = evenUp(dim) * ROWS,
    sums = new Float64Array(columns * size),
    masses = new Float64Array(columns * ROWS);
  const errors = new Float64Array(masks.length);
  const visit = (first: number, weights: Float64Array) => {
    masses.fill(0);
    for (let at = 0; at < seqK * ROWS; at++) {
      masses[Math.floor(at / ROWS / blockN) * ROWS + at % ROWS] += weights[at];
    }
    for (let j = 0; j < columns; j++) {
      const rows = weights.subarray(j * blockN * ROWS, (j + 1) * blockN * ROWS);
      const out = sums.subarray(j * size, (j + 1) * size);
      multiplyRows(rows, channels.subarray(j * blockN), { inner: blockN, stride: seqK, count: dim, out });
    }
    const m = Math.floor(first / blockM), parts = { sums, masses, size, length: dim * ROWS };
    const full = shownRows(parts, new Int32Array(columns).fill(1));
    masks.forEach((mask, index) => {
      const shown = shownRows(parts, mask.subarray(m * columns, (m + 1) * columns));
      for (let at = 0; at < full.length; at++) errors[index] += (shown[at] - full[at]) ** 2;
    });
  };
  forEachWeightRows(toFloat64(headSlice(q, head)), toFloat64(headSlice(k, kvHead)), {
    scale,
    causal: false,
    visit,
  });
  return errors;
}

/** The contributions of key blocks to four rows: weighted values [key blocks][value dimension][4] and weights. */
interface Contributions {
  readonly sums: Float64Array;
  readonly masses: Float64Array;
  /** The length of one key block's part of `sums`. */
  readonly size: number;
  /** How much of that part is in use. */
  readonly length: number;
}

/** Four rows of attention to some key blocks. */
function shownRows({ sums, masses, size, length }: Contributions, shown: Int32Array): Float64Array {
  const out = new Float64Array(length), mass = new Float64Array(ROWS);
  for (let j = 0; j < shown.length; j++) {
    if (shown[j] === 0) continue;
    for (let r = 0; r < ROWS; r++) mass[r] += masses[j * ROWS + r];
    for (let at = 0; at < length; at++) out[at] += sums[j * size + at];
  }
  for (let at = 0; at < length; at++) out[at] /= mass[at % ROWS];
  return out;
}
