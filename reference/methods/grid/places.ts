/**
 * The places of tokens in the video, in any order: methods of the grid work in raster order and transfer their
 * choice to the order of the call.
 *
 * @module
 */
import { setBit, wordsOf } from "../../masks/bits.ts";
import { ruleSelection } from "../masks.ts";
import type { MaskSelection, MethodInputs, SelectionStatus } from "../method.ts";

/** The video of a call and the places of its tokens in raster order. */
export interface Places {
  /** Frames. */
  readonly frames: number;
  /** Rows of a frame. */
  readonly rows: number;
  /** Columns of a frame. */
  readonly columns: number;
  /** Tokens of a frame. */
  readonly frame: number;
  /** All tokens. */
  readonly tokens: number;
  /** The place in raster order of every token of the call. */
  readonly placeOf: Int32Array;
  /** The token of the call at every place. */
  readonly tokenAt: Int32Array;
}

/** The places of a call, whose grid has been checked. */
export function placesOf({ grid, places, sizes: { seqK } }: MethodInputs): Places {
  const { width, height, depth } = grid!, placeOf = places ?? Int32Array.from({ length: seqK }, (_, i) => i);
  const tokenAt = new Int32Array(seqK);
  placeOf.forEach((place, token) => tokenAt[place] = token);
  return {
    frames: depth,
    rows: height,
    columns: width,
    frame: height * width,
    tokens: seqK,
    placeOf,
    tokenAt,
  };
}

/**
 * A selection of a rule on places.
 *
 * @param inputs the call
 * @param places where its tokens lie
 * @param options the density; for a head and a place in raster order 1 for every place that the query there sees; and
 * whether the density was kept
 */
export function placeSelection(
  inputs: MethodInputs,
  { placeOf, tokenAt }: Places,
  { density, rowOf, status }: {
    readonly density: number;
    readonly rowOf: (head: number, place: number) => Uint8Array;
    readonly status?: SelectionStatus;
  },
): MaskSelection {
  const words = wordsOf(tokenAt.length);
  const fill = (bits: Uint32Array, head: number, first: number, end: number) => {
    for (let i = first; i < end; i++) {
      const row = bits.subarray((i - first) * words, (i - first + 1) * words), seen = rowOf(head, placeOf[i]);
      for (let place = 0; place < seen.length; place++) if (seen[place] === 1) setBit(row, tokenAt[place]);
    }
  };
  return ruleSelection(inputs, density, { fill, status });
}

/** The tokens of a head in raster order, [tokens][dim]. */
export function inRaster(data: ArrayLike<number>, dim: number, { tokenAt }: Places): Float64Array {
  const sorted = new Float64Array(tokenAt.length * dim);
  for (let place = 0; place < tokenAt.length; place++) {
    for (let c = 0, from = tokenAt[place] * dim; c < dim; c++) sorted[place * dim + c] = data[from + c];
  }
  return sorted;
}
