/**
 * Radial Attention.
 *
 * @module
 */
import { halved } from "../bisect.ts";
import type { MaskMethod, SelectionStatus } from "../method.ts";
import { type Places, placeSelection, placesOf } from "./places.ts";

/** Halvings of the search for the width, its least value, and the frames' worth of tokens that it may reach. */
const HALVINGS = 26, LEAST = 1e-3, MOST = 16;

/**
 * Radial Attention: the further two frames are apart, the narrower the band of positions that see each other; where
 * the band would be narrower than one token, the same position of every so many frames.
 */
export const radial: MaskMethod = {
  name: "radial",
  rule: "a band of positions that narrows with the distance of frames; its width is bisected",
  granularity: "query",
  basis: "paper",
  source: "Radial Attention, the paper's formula",
  causal: false,
  usesImportance: false,
  usesGrid: true,
  needsAllRows: true,
  selectionCost: () => 0,
  select(inputs, density) {
    const places = placesOf(inputs), { frame, frames } = places;
    const fits = (width: number) => densityOf(visibleOffsets(width, places), places) <= density;
    const reached = fits(LEAST), status: SelectionStatus = reached ? "ok" : "unreachable";
    const ends = { low: LEAST, high: Math.max(MOST, frames) * frame, times: HALVINGS };
    const seen = visibleOffsets(reached ? halved(fits, ends) : LEAST, places);
    const rowOf = (_: number, place: number) => rowAt(seen, place, places);
    const selection = placeSelection(inputs, places, { density: densityOf(seen, places), rowOf, status });
    return { ...selection, rule: { kind: "fixed" } }; // places alone decide
  },
};

/** Whether places that are so many frames and so many positions apart see each other: [frames][frame]. */
function visibleOffsets(width: number, { frames, frame }: Places): Uint8Array {
  return Uint8Array.from({ length: frames * frame }, (_, at) => {
    const dt = Math.floor(at / frame), dp = at % frame, g = 2 ** Math.floor(Math.log2(Math.max(dt, 1)));
    const inBand = g <= width && dp + 1 <= width / g;
    return inBand || (dp === 0 && dt % Math.ceil(g / width) === 0) ? 1 : 0;
  });
}

/** The share of pairs that see each other. */
function densityOf(seen: Uint8Array, { frames, frame, tokens }: Places): number {
  let pairs = 0;
  for (let dt = 0, at = 0; dt < frames; dt++) {
    for (let dp = 0; dp < frame; dp++, at++) {
      const twice = (dt > 0 ? 2 : 1) * (dp > 0 ? 2 : 1);
      pairs += seen[at] * twice * (frames - dt) * (frame - dp);
    }
  }
  return pairs / tokens ** 2;
}

/** The keys that a place sees. */
function rowAt(seen: Uint8Array, place: number, { frames, frame, tokens }: Places): Uint8Array {
  const row = new Uint8Array(tokens), t = Math.floor(place / frame), p = place % frame;
  for (let other = 0, at = 0; other < frames; other++) {
    const from = Math.abs(other - t) * frame;
    for (let position = 0; position < frame; position++, at++) row[at] = seen[from + Math.abs(position - p)];
  }
  return row;
}
