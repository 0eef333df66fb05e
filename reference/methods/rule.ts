/**
 * Choices as data: what a method chose in its own words, so that kernels can make the same choice.
 *
 * @module
 */
import type { ImportanceConfig, PsaConfig, Shares } from "../config/config.ts";
import type { Family, Rest } from "../config/tuned.ts";
import type { Mask } from "../masks/mask.ts";
import type { Tensor } from "../tensor.ts";

/** The part of a released configuration that decides levels. */
export type ReleasedQuotas = Pick<PsaConfig, "assignment" | "similarityThresholds" | "textLength">;

/**
 * The work of `finish` as data, for kernels: `means`, that every row of a query block becomes (1 - sum of weights) * out + sum of
 * weight * mean value of the key block, with the weights of docs/methods.md [batch, heads, query blocks, key blocks];
 * `first-order`, that the term of PISA is added for all blocks that are read as a mean.
 */
export type Correction =
  | { readonly kind: "means"; readonly weights: Tensor<Float64Array> }
  | { readonly kind: "first-order" };

/** A choice of keys as data, for kernels that make the mask. */
export type KeyRule = NearestCodes | BestKeys | ListedKeys | EitherMask | GatedBlocks | ChangedKeys;

/** The keys of the nearest codes. */
export interface NearestCodes {
  /** Codes are compared. */
  readonly kind: "nearest";
  /** Three ascending thresholds of every head, [heads][3]. */
  readonly thresholds: Float64Array;
  /** How many keys, from the first on, a query may see. */
  readonly seen: Int32Array;
  /** How many of them it takes. */
  readonly counts: Int32Array;
}

/** The keys, or the blocks of keys, of the largest query . key or query . mean key. */
export interface BestKeys {
  /** Scores are compared. */
  readonly kind: "best";
  /** Keys of a block; 1: keys are taken one by one. */
  readonly unit: number;
  /** Whether the query heads of a key head add up the softmax of their scores and choose together. */
  readonly together: boolean;
  /** How many keys, from the first on, each query may see. */
  readonly seen: Int32Array;
  /** How many blocks it takes. */
  readonly counts: Int32Array;
  /** The block that it takes first; -1: none. */
  readonly own: Int32Array;
  /** Whether those that take a block first take the first of all too. */
  readonly first: boolean;
}

/** One list of keys for all queries of a head: those that receive most of the softmax of some queries together. */
export interface ListedKeys {
  /** A head has one list. */
  readonly kind: "listed";
  /** The queries whose softmax is added up; null: all. */
  readonly probes: Int32Array | null;
  /** Whether what a key receives counts times the norm of its value. */
  readonly weighted: boolean;
  /** How many keys a head takes. */
  readonly count: number;
}

/** One list of keys for all queries of a head, frame by frame of a video: the keys that change most, more in frames that change more. */
export interface ChangedKeys {
  /** Frames are compared. */
  readonly kind: "changed";
  /** How many frames there are. */
  readonly frames: number;
  /** The token of the call at every place of the video, in raster order. */
  readonly tokenAt: Int32Array;
  /** How many keys a head keeps at most. */
  readonly count: number;
}

/** For each head the better of two masks: the one under which some rows err less, the first if they err alike. */
export interface EitherMask {
  /** Masks are tried. */
  readonly kind: "either";
  /** Both masks, of one head, [1, 1, query tokens, key tokens]. */
  readonly masks: readonly [Mask, Mask];
  /** The queries whose rows are tried. */
  readonly probes: Int32Array;
}

/** For every query the blocks of keys of the largest gates, up to a share of them: one bound for each head, that keeps a number of pairs. */
export interface GatedBlocks {
  /** Shares of gates are compared. */
  readonly kind: "gated";
  /** Keys of a block. */
  readonly unit: number;
  /** How many keys, from the first on, each query may see. */
  readonly seen: Int32Array;
  /** The block that it takes first; -1: none. */
  readonly own: Int32Array;
  /** Whether those that take a block first take the first of all too. */
  readonly first: boolean;
  /** How many pairs of a query and a key a head may show. */
  readonly pairs: number;
}

/** A choice of levels as data, for kernels that make it. */
export interface LevelRule {
  /** Levels are chosen. */
  readonly kind: "levels";
  /** How key blocks are scored. */
  readonly importance: ImportanceConfig;
  /** Index of the first head in the whole call: sampled tokens are drawn by it. */
  readonly firstHead: number;
  /** How scores become levels. */
  readonly cut: LevelCut;
  /** The correction that follows attention; kernels make its weights. */
  readonly correction?: Correction["kind"];
}

/** How the scores of key blocks become levels. */
export type LevelCut = RankedCut | ThresholdCut | PairsCut | QuotaCut;

/** The best blocks of every row first. */
export interface RankedCut {
  /** Blocks go by rank. */
  readonly kind: "ranked";
  /** The share of the density that each level gets. */
  readonly shares: Shares;
  /** The replacement of blocks that get no level. */
  readonly rest: Rest;
  /** The density to spend, in (0, 1]. */
  readonly density: number;
}

/** A threshold for each head, the largest that keeps the density. */
export interface ThresholdCut {
  /** Blocks go by their share of a row's importance. */
  readonly kind: "threshold";
  /** The method whose shares and ends they are. */
  readonly family: Exclude<Family, "ranked">;
  /** The density to stay under, in (0, 1]. */
  readonly density: number;
}

/** The best pairs of a query block and a key block of a whole head; a row that is left with none gets its best. */
export interface PairsCut {
  /** Pairs of a head are compared. */
  readonly kind: "pairs";
  /** How many a head takes. */
  readonly count: number;
}

/** The quotas of a released configuration. */
export interface QuotaCut {
  /** Rows are cut as the configuration says. */
  readonly kind: "quotas";
  /** Key rows that a kernel processes at once, to which quotas are aligned. */
  readonly tile: number;
  /** Its levels, its similarity cap and its text. */
  readonly quotas: ReleasedQuotas;
}

/** A choice that does not depend on the tokens of a call, or that its source makes beforehand: kernels need not choose. */
export interface FixedRule {
  /** Nothing is chosen. */
  readonly kind: "fixed";
}
