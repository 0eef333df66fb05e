/**
 * Sparse VideoGen 2.
 *
 * @module
 */
import { headSlice, kvHeadOf } from "../../heads.ts";
import { sortedBlocks } from "../../levels/assign.ts";
import { setBit, wordsOf } from "../../masks/bits.ts";
import { type Clusters, kMeans } from "../../order/cluster.ts";
import { toFloat64 } from "../../tensor.ts";
import { headsOf, ruleSelection } from "../masks.ts";
import type { MaskMethod, MethodInputs, SelectionStatus } from "../method.ts";
import { largestThatFits } from "../bisect.ts";

/** Clusters of queries and of keys, and rounds of k-means from a cold start. */
const QUERY_CLUSTERS = 64, KEY_CLUSTERS = 128, ROUNDS = 10;

/** The clusters of a head, and the bound from which on each pair of them is read. */
interface HeadClusters {
  readonly queries: Clusters;
  readonly keys: Clusters;
  /** Tokens of every cluster. */
  readonly querySizes: Int32Array;
  readonly keySizes: Int32Array;
  /** [query clusters][key clusters]; Infinity for a cluster without tokens. */
  readonly entries: Float64Array;
}

/**
 * Sparse VideoGen 2: queries and keys of a head are clustered, and each cluster of queries reads the clusters of keys
 * whose centres get the most softmax, counted by their tokens, until they hold a share p. Published p: .9 with 300 to
 * 400 and 1000 clusters, which start from the step before; here p is bisected and k-means starts cold.
 */
export const svg2: MaskMethod = {
  name: "svg2",
  rule:
    "clusters of queries read the clusters of keys that hold most softmax, up to a share that is bisected",
  granularity: "group",
  basis: "code",
  source: "Sparse VideoGen 2",
  causal: false,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: ({ sizes: { seqQ, seqK } }) =>
    (ROUNDS + 1) * (QUERY_CLUSTERS / seqK + KEY_CLUSTERS / seqQ) / 2,
  select(inputs, density) {
    const { seqQ, seqK } = inputs.sizes, words = wordsOf(seqK);
    const heads = inputs.once("svg2 clusters", () => headsOf(inputs).map((head) => clustersOf(inputs, head)));
    let status: SelectionStatus = "ok", shown = 0;
    const bounds = heads.map((head) => {
      const bound = largestThatFits((p) => shownAt(head, p) <= density * seqQ * seqK, 1);
      if (bound === null) status = "unreachable";
      shown += shownAt(head, bound ?? 0);
      return bound ?? 0;
    });
    const fill = (bits: Uint32Array, head: number, first: number, end: number) => {
      const { queries, keys, keySizes, entries } = heads[head];
      for (let i = first; i < end; i++) {
        const row = bits.subarray((i - first) * words, (i - first + 1) * words),
          at = queries.labels[i] * keySizes.length;
        for (let j = 0; j < seqK; j++) if (entries[at + keys.labels[j]] <= bounds[head]) setBit(row, j);
      }
    };
    return ruleSelection(inputs, shown / (heads.length * seqQ * seqK), { fill, status });
  },
};

/** How many pairs of tokens a share shows. */
function shownAt({ querySizes, keySizes, entries }: HeadClusters, p: number): number {
  let shown = 0;
  entries.forEach((entry, at) => {
    const a = Math.floor(at / keySizes.length);
    if (entry <= p) shown += querySizes[a] * keySizes[at % keySizes.length];
  });
  return shown;
}

/** Clusters and entries of a head. */
function clustersOf({ qkv: { q, k }, scale }: MethodInputs, head: number): HeadClusters {
  const dim = q.shape[3],
    cluster = (points: Float64Array, most: number) => {
      const tokens = points.length / dim, count = Math.min(most, tokens);
      const start = Int32Array.from({ length: count }, (_, c) => Math.floor(c * tokens / count));
      return kMeans(points, { dim, start, iterations: ROUNDS });
    };
  const queries = cluster(toFloat64(headSlice(q, head)).data, QUERY_CLUSTERS);
  const keys = cluster(toFloat64(headSlice(k, kvHeadOf({ q, k }, head))).data, KEY_CLUSTERS);
  const querySizes = sizesOf(queries, dim), keySizes = sizesOf(keys, dim), columns = keySizes.length;
  const entries = new Float64Array(querySizes.length * columns).fill(Infinity);
  for (let a = 0; a < querySizes.length; a++) {
    const shares = sharesOf(queries.centres.subarray(a * dim, (a + 1) * dim), keys.centres, {
      scale,
      keySizes,
    });
    let before = 0;
    for (const b of sortedBlocks(shares)) {
      if (keySizes[b] === 0) continue;
      entries[a * columns + b] = Math.min(1, before);
      before += shares[b];
    }
  }
  return { queries, keys, querySizes, keySizes, entries };
}

/** Tokens of every cluster. */
function sizesOf({ labels, centres }: Clusters, dim: number): Int32Array {
  const sizes = new Int32Array(centres.length / dim);
  for (const label of labels) sizes[label]++;
  return sizes;
}

/** The softmax of a centre over all clusters of keys, each as often as it has tokens. */
function sharesOf(
  query: Float64Array,
  centres: Float64Array,
  { scale, keySizes }: { readonly scale: number; readonly keySizes: Int32Array },
): Float64Array {
  const dim = query.length;
  const scores = Float64Array.from(keySizes, (size, b) => {
    let dot = 0;
    for (let c = 0; c < dim; c++) dot += query[c] * centres[b * dim + c];
    return scale * dot + Math.log(size);
  });
  const most = scores.reduce((a, b) => Math.max(a, b)),
    shares = scores.map((score) => Math.exp(score - most));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}
