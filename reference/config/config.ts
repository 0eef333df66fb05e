/**
 * One configuration for the whole method, for both released paths (docs/definition.md).
 *
 * @module
 */

/** A pooling ratio: a power of two that divides the key block, or 0 for a skipped block. */
export type Level = number;

/** One quota of docs/definition.md#levels: [level, start, end], fractions of the row; only `end` is used. */
export type Ratio = readonly [level: Level, start: number, end: number];

/** How key blocks are scored (docs/definition.md#importance). `full` is `sampled` with every token taken. */
export type ImportanceConfig =
  | { readonly kind: "sampled"; readonly seed: number }
  | { readonly kind: "full" }
  | { readonly kind: "antidiagonal"; readonly stride: number }
  | { readonly kind: "pooled" };

/** How scores become levels: the released modes (docs/definition.md#levels), or a budget of density. */
export type AssignmentConfig =
  | { readonly mode: "topk"; readonly ratios: readonly Ratio[] }
  | { readonly mode: "threshold"; readonly ratios: readonly Ratio[]; readonly minFullRatio?: number }
  | { readonly mode: "density"; readonly density: number; readonly shares?: Shares };

/** Shares of a density budget: level to share, in ascending order of level; the shares sum to 1. */
export type Shares = ReadonlyMap<Level, number> | Readonly<Record<Level, number>>;

/** The order of the tokens from which blocks are cut (docs/definition.md#orders). */
export type OrderConfig =
  | { readonly kind: "raster" }
  | { readonly kind: "gilbert"; readonly box: Box; readonly variant: "released" | "curve" }
  | { readonly kind: "tile"; readonly box: Box; readonly tile: Box }
  | {
    readonly kind: "semantic";
    readonly clusters: number;
    readonly seed: number;
    readonly iterations: number;
  };

/** A box of video tokens; x (width) runs fastest in raster order, then y (height), then t (depth). */
export interface Box {
  /** Tokens along x. */
  readonly width: number;
  /** Tokens along y. */
  readonly height: number;
  /** Frames. */
  readonly depth: number;
}

/** All parameters of PSA apart from q, k and v. Fields that are left out have the values of the definition. */
export interface PsaConfig {
  /** Query block size in tokens: 16, 32, 64 or 128. */
  readonly blockM: number;
  /** Key block size in tokens: 16, 32, 64 or 128. */
  readonly blockN: number;
  /** Key rows a kernel processes at once; a power of two up to `blockN`. Only the alignment of quotas depends on it. */
  readonly tile: number;
  /** How key blocks are scored. */
  readonly importance: ImportanceConfig;
  /** How scores become levels. */
  readonly assignment: AssignmentConfig;
  /** Thresholds of the similarity cap by level (docs/definition.md#cap); left out: no cap. */
  readonly similarityThresholds?: Readonly<Record<Level, number>>;
  /** Text tokens at the end of the keys, always read in full; default 0. */
  readonly textLength?: number;
  /** Whether a query sees only keys up to its own position, aligned bottom-right; default false. */
  readonly causal?: boolean;
  /** Factor on q . k; default 1 / sqrt(head dimension). */
  readonly scale?: number;
  /** How the last, partial key block is pooled (docs/definition.md#pyramid); default `exact`. */
  readonly tail?: "exact" | "replicate";
  /** The order of the tokens; default raster, which does not move them. */
  readonly order?: OrderConfig;
}
