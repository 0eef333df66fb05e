/**
 * MoGA.
 *
 * @module
 */
import { headSlice, kvHeadOf } from "../../heads.ts";
import { inRaster, type Places, placeSelection, placesOf } from "../grid/places.ts";
import { headsOf } from "../masks.ts";
import type { MaskMethod, MethodInputs, SelectionStatus } from "../method.ts";
import { limitedClusters } from "./limited_clusters.ts";

/** Sides of a window in a frame; frames of a window at high and at low densities, and the density between them. */
const WINDOW = 8, LONG = 4, SHORT = 2, LOW = 0.15;

/**
 * Mixture of groups attention: tokens attend within groups, those that a router makes of tokens that are alike, and
 * fixed ones that lie together in space and time, in one softmax over both. The real router is learned; clusters of
 * queries and keys with a limit on their size stand in for it.
 */
export const moga: MaskMethod = {
  name: "moga",
  rule: "clusters of alike tokens with a limit on their size that is bisected, and windows of the video",
  granularity: "group",
  basis: "stand-in",
  source: "MoGA (from summaries; the router is learned there)",
  causal: false,
  usesImportance: false,
  usesGrid: true,
  needsAllRows: true,
  selectionCost: () => 0,
  select(inputs, density) {
    const places = placesOf(inputs), { tokens } = places, fixed = fixedGroups(places, density);
    const alone = densityOf(fixed, null);
    const status: SelectionStatus = alone > density ? "unreachable" : "ok";
    let sum = 0;
    const labels = headsOf(inputs).map((head) => {
      const points = pointsOf(inputs, head, places), dim = points.length / tokens;
      const at = (limit: number) => limitedClusters(points, { dim, limit });
      let low = Math.max(1, Math.floor((density - alone) * tokens)), high = Math.floor(density * tokens) + 1;
      let best = at(low);
      for (let found = densityOf(fixed, best); high - low > 1;) {
        const middle = Math.floor((low + high) / 2), tried = at(middle), reached = densityOf(fixed, tried);
        if (reached > density) high = middle;
        else {
          low = middle;
          if (reached >= found) [best, found] = [tried, reached];
        }
      }
      sum += densityOf(fixed, best);
      return best;
    });
    const rowOf = (head: number, place: number) => rowAt(fixed, labels[head], place);
    return placeSelection(inputs, places, { density: sum / labels.length, rowOf, status });
  },
};

/** Groups that do not depend on the tokens: of every place the number of its group, for each kind of group. */
function fixedGroups({ frame, columns, rows, tokens }: Places, density: number): Int32Array[] {
  const isLow = density < LOW, frames = isLow ? SHORT : LONG;
  const across = Math.ceil(columns / WINDOW), down = Math.ceil(rows / WINDOW);
  const of = (group: (t: number, y: number, x: number) => number) =>
    Int32Array.from(
      { length: tokens },
      (_, place) => group(Math.floor(place / frame), Math.floor(place % frame / columns), place % columns),
    );
  const windows = of((t, y, x) =>
    (Math.floor(t / frames) * down + Math.floor(y / WINDOW)) * across + Math.floor(x / WINDOW)
  );
  return isLow ? [windows] : [windows, of((t) => t)];
}

/** The keys that a place sees: all that share a group with it. */
function rowAt(fixed: readonly Int32Array[], labels: Int32Array | null, place: number): Uint8Array {
  const kinds = labels === null ? fixed : [...fixed, labels], row = new Uint8Array(fixed[0].length);
  for (const groups of kinds) {
    const own = groups[place];
    for (let j = 0; j < row.length; j++) if (groups[j] === own) row[j] = 1;
  }
  return row;
}

/** The share of pairs that share a group, by counting groups and what they have in common. */
function densityOf(fixed: readonly Int32Array[], labels: Int32Array | null): number {
  const kinds = labels === null ? fixed : [...fixed, labels], tokens = fixed[0].length;
  let pairs = 0;
  for (let subset = 1; subset < 1 << kinds.length; subset++) {
    const taken = kinds.filter((_, i) => (subset >> i & 1) === 1), counts = new Map<string, number>();
    for (let j = 0; j < tokens; j++) {
      const key = taken.map((groups) => groups[j]).join(" ");
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const same = [...counts.values()].reduce((sum, count) => sum + count ** 2, 0);
    pairs += taken.length % 2 === 1 ? same : -same;
  }
  return pairs / tokens ** 2;
}

/** Every token's query beside its key, in raster order. */
function pointsOf({ qkv: { q, k } }: MethodInputs, head: number, places: Places): Float64Array {
  const dim = q.shape[3], queries = inRaster(headSlice(q, head).data, dim, places);
  const keys = inRaster(headSlice(k, kvHeadOf({ q, k }, head)).data, dim, places);
  const points = new Float64Array(2 * queries.length);
  for (let i = 0; i < places.tokens; i++) {
    points.set(queries.subarray(i * dim, (i + 1) * dim), 2 * i * dim);
    points.set(keys.subarray(i * dim, (i + 1) * dim), (2 * i + 1) * dim);
  }
  return points;
}
