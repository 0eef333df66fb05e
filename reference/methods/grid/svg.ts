/**
 * Sparse VideoGen.
 *
 * @module
 */
import { headSlice, kvHeadOf } from "../../heads.ts";
import { attendRows } from "../../masks/attention.ts";
import { setBit, setRange, wordsOf } from "../../masks/bits.ts";
import { buildMask } from "../../masks/mask.ts";
import { headsOf } from "../masks.ts";
import type { EitherMask, MaskMethod, MaskSelection, MethodInputs, SelectionStatus } from "../method.ts";
import { inRaster, type Places, placeSelection, placesOf } from "./places.ts";

/** Rows that the two masks of a head are tried on. */
const ROWS = 64;

/** A band in one of two orders: raster, or all frames of a position before the next position. */
interface Band {
  /** Tokens to each side. */
  readonly width: number;
  /** Keys at the beginning of the order that all see. */
  readonly sink: number;
  /** Whether the order is that of positions. */
  readonly byPosition: boolean;
}

/**
 * Sparse VideoGen: a band around every token, in raster order for heads that look at their frame, or in the order of
 * positions for heads that look over time. Each head gets the band that errs less on 64 rows.
 */
export const svg: MaskMethod = {
  name: "svg",
  rule: "a band in raster order or in the order of positions, whichever errs less on 64 rows of the head",
  granularity: "query",
  basis: "code",
  source: "Sparse VideoGen",
  causal: false,
  usesImportance: false,
  usesGrid: true,
  needsAllRows: true,
  selectionCost: ({ sizes: { seqQ } }) => ROWS / seqQ,
  select(inputs, density) {
    const places = placesOf(inputs);
    const width = Math.floor(places.tokens * (1 - Math.sqrt(1 - density)) + 1e-9);
    return bandSelection(inputs, places, { width, sink: 0 });
  },
};

/** {@link svg} with the first frame of the order seen by all; the width follows from counting. */
export const svgSink: MaskMethod = {
  ...svg,
  name: "svg-sink",
  rule: "svg, and a frame's worth of keys at the beginning of the order",
  select(inputs, density) {
    const places = placesOf(inputs), { tokens, frame: sink } = places;
    const fits = (width: number) => densityOf({ width, sink, byPosition: false }, tokens) <= density;
    let low = 0, high = tokens;
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      if (fits(middle)) low = middle;
      else high = middle;
    }
    const width = fits(tokens) ? tokens : low;
    return bandSelection(inputs, places, { width, sink }, fits(0) ? "ok" : "unreachable");
  },
};

/** The share of pairs that a band shows. */
function densityOf({ width, sink }: Band, tokens: number): number {
  let pairs = 0;
  for (let i = 0; i < tokens; i++) {
    const from = Math.max(0, i - width), end = Math.min(tokens, i + width + 1);
    pairs += end - from + Math.min(sink, from) + Math.max(0, sink - end);
  }
  return pairs / tokens ** 2;
}

/** Each head's better band of a width. */
function bandSelection(
  inputs: MethodInputs,
  places: Places,
  { width, sink }: Pick<Band, "width" | "sink">,
  status: SelectionStatus = "ok",
): MaskSelection {
  const inFrames = { width, sink, byPosition: false }, inTime = { width, sink, byPosition: true };
  const chosen = headsOf(inputs).map((head) => {
    const [frames, time] = bandErrors(inputs, places, { head, bands: [inFrames, inTime] });
    return time < frames ? inTime : inFrames;
  });
  const rowOf = (head: number, place: number) => rowAt(chosen[head], place, places);
  const selection = placeSelection(inputs, places, {
    density: densityOf(inFrames, places.tokens),
    rowOf,
    status,
  });
  return { ...selection, rule: ruleOf(inputs, places, [inFrames, inTime]) };
}

/** The choice as a rule: both bands as masks of one head, and the rows that they are tried on. */
function ruleOf(inputs: MethodInputs, places: Places, bands: readonly [Band, Band]): EitherMask {
  const { seqQ, seqK } = inputs.sizes, words = wordsOf(seqK);
  const maskOf = (band: Band) =>
    buildMask([1, 1, seqQ, seqK], {
      fill: (bits, _, first, end) => {
        for (let i = first; i < end; i++) {
          const row = bits.subarray((i - first) * words, (i - first + 1) * words);
          rowAt(band, places.placeOf[i], places).forEach((seen, place) =>
            seen === 1 && setBit(row, places.tokenAt[place])
          );
        }
      },
    });
  const probes = Int32Array.from(triedRows(places), (place) => places.tokenAt[place]);
  return { kind: "either", masks: [maskOf(bands[0]), maskOf(bands[1])], probes };
}

/** The places of the rows that bands are tried on. */
function triedRows({ tokens }: Places): number[] {
  return Array.from({ length: ROWS }, (_, i) => Math.floor(i * tokens / ROWS));
}

/** The keys that a place sees, in raster order. */
function rowAt(
  { width, sink, byPosition }: Band,
  place: number,
  { frames, frame, tokens }: Places,
): Uint8Array {
  const row = new Uint8Array(tokens);
  const toOrder = (raster: number) =>
    byPosition ? raster % frame * frames + Math.floor(raster / frame) : raster;
  const own = toOrder(place);
  for (let other = 0; other < tokens; other++) {
    const at = toOrder(other);
    if (at < sink || Math.abs(at - own) <= width) row[other] = 1;
  }
  return row;
}

/** The squared errors of bands on some rows of a head, all in raster order. */
function bandErrors(
  { qkv: { q, k, v }, scale }: MethodInputs,
  places: Places,
  { head, bands }: { readonly head: number; readonly bands: readonly Band[] },
): number[] {
  const { tokens } = places, dim = q.shape[3], kvHead = kvHeadOf({ q, k }, head), words = wordsOf(tokens);
  const sorted = (x: typeof q, index: number) => inRaster(headSlice(x, index).data, x.shape[3], places);
  const queries = sorted(q, head), keys = sorted(k, kvHead), values = sorted(v, kvHead);
  const rows = triedRows(places);
  const some = new Float64Array(ROWS * dim), all = new Uint32Array(ROWS * words);
  rows.forEach((place, i) => {
    some.set(queries.subarray(place * dim, (place + 1) * dim), i * dim);
    setRange(all.subarray(i * words, (i + 1) * words), 0, tokens);
  });
  const attend = (bits: Uint32Array) => attendRows({ q: some, k: keys, dim, bits, words, scale }, values).out;
  const full = attend(all);
  return bands.map((band) => {
    const bits = new Uint32Array(ROWS * words);
    rows.forEach((place, i) => {
      const row = bits.subarray(i * words, (i + 1) * words);
      rowAt(band, place, places).forEach((seen, other) => seen === 1 && setBit(row, other));
    });
    return attend(bits).reduce((sum, value, at) => sum + (value - full[at]) ** 2, 0);
  });
}
