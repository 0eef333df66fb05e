/**
 * PureKV's neighbours in space and time.
 *
 * @module
 */
import { markLargest } from "../../masks/largest.ts";
import { keysFor } from "../masks.ts";
import type { MaskMethod } from "../method.ts";
import { type Places, placeSelection, placesOf } from "./places.ts";

/**
 * Every query sees its own frame and its own position over time, widened as far as the density allows: keys are ranked
 * by the smaller of their distance in time and their distance in space.
 */
export const purekvSt: MaskMethod = {
  name: "purekv-st",
  rule: "the frame and the position over time of the query, widened to the density",
  granularity: "query",
  basis: "summary",
  source: "PureKV (inferred)",
  causal: false,
  usesImportance: false,
  usesGrid: true,
  needsAllRows: true,
  lacks: ({ grid }) =>
    grid === undefined || (grid.depth > 1 && Math.max(grid.width, grid.height) > 1)
      ? null
      : `\`grid\` is ${grid.width} wide, ${grid.height} high and ${grid.depth} deep; purekv-st needs two frames and two tokens a frame.`,
  selectionCost: () => 0,
  select(inputs, density) {
    const places = placesOf(inputs), count = keysFor(density, places.tokens);
    const rowOf = (_: number, place: number) => {
      const row = new Uint8Array(places.tokens);
      markLargest(nearness(places, place), count, (j) => row[j] = 1);
      return row;
    };
    const selection = placeSelection(inputs, places, { density: count / places.tokens, rowOf });
    return { ...selection, rule: { kind: "fixed" } }; // places alone decide
  },
};

/** The negative distance of every place from one. */
function nearness({ frames, rows, columns, frame, tokens }: Places, place: number): Float64Array {
  const near = new Float64Array(tokens),
    inSpace = new Float64Array(frame),
    side = Math.max(rows, columns) - 1;
  const t = Math.floor(place / frame), y = Math.floor(place % frame / columns), x = place % columns;
  for (let p = 0; p < frame; p++) {
    inSpace[p] = Math.max(Math.abs(Math.floor(p / columns) - y), Math.abs(p % columns - x)) / side;
  }
  for (let other = 0, at = 0; other < frames; other++) {
    const inTime = Math.abs(other - t) / (frames - 1);
    for (let p = 0; p < frame; p++, at++) near[at] = -Math.min(inTime, inSpace[p]);
  }
  return near;
}
