/**
 * SharpV's keys.
 *
 * @module
 */
import { setBit, wordsOf } from "../../masks/bits.ts";
import { markLargest } from "../../masks/largest.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import { largestThatFits } from "../bisect.ts";
import { headsOf, listSelection } from "../masks.ts";
import type { MaskMethod, MethodInputs } from "../method.ts";
import { inRaster, type Places, placesOf } from "./places.ts";

/** Scores of the keys of a head in raster order, and the share of every frame at a factor of 1. */
interface FrameScores {
  readonly scores: Float64Array;
  readonly shares: Float64Array;
}

/**
 * One list of keys for all queries of a head, frame by frame: keys are taken for features of an image, and those stay
 * that differ most from the mean of their frame and from the same position one frame before. A frame that changes more
 * keeps more.
 */
export const sharpvKeys: MaskMethod = {
  name: "sharpv-keys",
  rule:
    "one list of keys per head: in each frame those that differ most from its mean and from the frame before",
  granularity: "head",
  basis: "summary",
  source: "SharpV (Sharp Eyes and Memory)",
  causal: false,
  usesImportance: false,
  usesGrid: true,
  selectionCost: ({ sizes: { seqQ } }) => 2 / seqQ,
  needsAllRows: true,
  select(inputs, density) {
    const places = placesOf(inputs), { tokens } = places;
    const lists = headsOf(inputs).map((head) => {
      const known = scoresOf(inputs, head, places);
      const keptAt = (factor: number) => countsAt(known.shares, factor, places);
      const fits = (factor: number) =>
        keptAt(factor).reduce((sum, count) => sum + count, 0) <= density * tokens;
      return listOf(known.scores, keptAt(largestFactor(fits, known.shares)), places);
    });
    const { frames, tokenAt } = places;
    return {
      ...listSelection(inputs, lists),
      rule: { kind: "changed", frames, tokenAt, count: Math.floor(density * tokens) },
    };
  },
};

/** The largest factor that fits. */
function largestFactor(fits: (factor: number) => boolean, shares: Float64Array): number {
  const positive = shares.filter((share) => share > 0);
  const most = positive.length === 0 ? 1 : 1 / positive.reduce((a, b) => Math.min(a, b)) + 1;
  return largestThatFits(fits, most) ?? 0;
}

/** How many keys every frame keeps. */
function countsAt(shares: Float64Array, factor: number, { frame }: Places): number[] {
  return Array.from(shares, (share) => Math.min(frame, Math.round(factor * share * frame)));
}

/** The bits of the keys that stay. */
function listOf(
  scores: Float64Array,
  counts: readonly number[],
  { frame, tokens, tokenAt }: Places,
): Uint32Array {
  const bits = new Uint32Array(wordsOf(tokens));
  counts.forEach((count, t) => {
    const own = scores.subarray(t * frame, (t + 1) * frame);
    markLargest(own, count, (p) => setBit(bits, tokenAt[t * frame + p]));
  });
  return bits;
}

/** Scores and shares of a head. */
function scoresOf({ qkv: { q, k } }: MethodInputs, head: number, places: Places): FrameScores {
  const { frames, frame, tokens } = places, dim = k.shape[3];
  const keys = inRaster(headSlice(k, kvHeadOf({ q, k }, head)).data, dim, places), units = keys.slice();
  for (let i = 0; i < tokens; i++) toUnit(units.subarray(i * dim, (i + 1) * dim));
  const scores = new Float64Array(tokens), shares = new Float64Array(frames);
  for (let t = 0; t < frames; t++) {
    const centre = new Float64Array(dim), begin = t * frame * dim;
    for (let at = 0; at < frame * dim; at++) centre[at % dim] += keys[begin + at];
    toUnit(centre);
    let squares = 0;
    for (let p = 0; p < frame; p++) {
      const token = units.subarray(begin + p * dim, begin + (p + 1) * dim);
      const apart = distance(token, centre), before = begin - (frame - p) * dim;
      const moved = t === 0 ? 0 : distance(token, units.subarray(before, before + dim));
      scores[t * frame + p] = apart + moved;
      squares += (t === 0 ? apart : moved) ** 2;
    }
    shares[t] = Math.sqrt(squares / frame) / 2;
  }
  return { scores, shares };
}

/** Divides a vector by its norm, in place; zeros stay. */
function toUnit(x: Float64Array): void {
  const norm = Math.hypot(...x);
  if (norm > 0) { for (let c = 0; c < x.length; c++) x[c] /= norm; }
}

/** The distance of two vectors. */
function distance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += (a[c] - b[c]) ** 2;
  return Math.sqrt(sum);
}
