/**
 * Methods: how to choose what attention reads, so that methods can be compared at equal density. A method is
 * data and one function. It chooses levels of blocks, or a mask that says of every query which keys it sees; attention
 * over the choice is computed by the harness, never by the method.
 *
 * @module
 */
import type { AttentionResult } from "../attention/attention.ts";
import type { CausalSizes } from "../levels/causal.ts";
import type { Box, ImportanceConfig } from "../config/config.ts";
import type { Mask } from "../masks/mask.ts";
import type { AttentionShape, Qkv, Tensor } from "../tensor.ts";
import type { Correction, FixedRule, KeyRule, LevelRule, ReleasedQuotas } from "./rule.ts";
export type * from "./rule.ts";

/**
 * The unit that a method chooses for: blocks of queries (these have levels, and run on the kernels), single queries, whole heads
 * (one list of keys for all queries), or groups of queries that it makes itself.
 */
export type Granularity = "block" | "query" | "head" | "group";

/**
 * The source of a rule: official code; a paper's formula; summaries of a paper; guesses in place of formulas that were
 * not available; PSA without a part; this project; or a control for comparison.
 */
export type Basis = "code" | "paper" | "summary" | "stand-in" | "ablation" | "own" | "control";

/** Whether the requested density could be kept: `unreachable` if forced blocks alone exceed it. */
export type SelectionStatus = "ok" | "unreachable";

/** One attention call as methods see it; what several of them need is computed once. See `methodInputs`. */
export interface MethodInputs {
  /** Queries, keys and values, in the order of the blocks. */
  readonly qkv: Qkv;
  /** Block sizes and sequence lengths. */
  readonly sizes: CausalSizes;
  /** Whether a query sees only keys up to its own position. */
  readonly causal: boolean;
  /** Factor on q . k. */
  readonly scale: number;
  /** Seed of methods that draw. */
  readonly seed: number;
  /** Key rows that a kernel processes at once, for rules that align to it. */
  readonly tile: number;
  /** The importance that `--importance` chooses. */
  readonly importance: ImportanceConfig;
  /** Index of the first head in the whole call: random draws differ by head. */
  readonly firstHead: number;
  /** The quotas of a released model in place of the released default. */
  readonly released?: ReleasedQuotas;
  /** The size of the video in tokens, if known. */
  readonly grid?: Box;
  /** The place of every token in raster order (t, y, x), that is in the grid; left out: tokens are in that order. */
  readonly places?: Int32Array;
  /** Importance [batch, heads, query blocks, key blocks], each kind computed once. */
  readonly importanceOf: (config: ImportanceConfig) => Tensor<Float64Array>;
  /** The true softmax mass of the blocks, computed once. */
  readonly mass: () => Tensor<Float64Array>;
  /** Dense attention, computed once. */
  readonly dense: () => AttentionResult;
  /** Log-sum-exp of dense attention [batch, heads, query tokens], computed once. */
  readonly denseLse: () => Tensor<Float64Array>;
  /** Anything else that is computed once for these inputs, under a name. */
  readonly once: <Value>(name: string, compute: () => Value) => Value;
}

/** The fields of every choice. */
export interface Chosen {
  /** Whether the density was kept. */
  readonly status: SelectionStatus;
  /** The density that was reached (docs/definition.md#density), with what `finish` adds. */
  readonly density: number;
}

/** A choice of levels: attention over them is the output, unless there is something to `finish`. */
export interface BlockSelection extends Chosen {
  /** Int32 [batch, heads, query blocks, key blocks]. */
  readonly levels: Tensor<Int32Array>;
  /** Turns attention's output [batch, heads, query tokens, value dimension] into the output of the method. */
  readonly finish?: (out: Tensor) => Tensor<Float64Array>;
  /** The same for kernels, if there is one; without it a method that finishes has no time. */
  readonly correction?: Correction;
  /** The same choice as a rule, if kernels can make it. */
  readonly rule?: LevelRule | FixedRule;
  /** Where `finish` lets something stand for blocks that `levels` skip: levels that say so. Dropped mass follows them. */
  readonly represented?: Tensor<Int32Array>;
}

/** A choice that no levels express: attention over the mask is the output. */
export interface MaskSelection extends Chosen {
  /** Which keys every query sees. */
  readonly mask: Mask;
  /** The same as a rule, if kernels can make the mask. */
  readonly rule?: KeyRule | FixedRule;
}

/** The choice of a method: levels, or a mask. */
export type Selection = BlockSelection | MaskSelection;

/** The properties of a call that decide whether a method can run on it. */
export interface CallFacts extends Pick<AttentionShape, "seqQ" | "seqK" | "headDim"> {
  /** Whether a query sees only keys up to its own position. */
  readonly causal: boolean;
  /** The size of the video in tokens, if known. */
  readonly grid?: Box;
}

/** The properties of a call that decide the cost of choosing. */
export interface CostFacts extends Pick<MethodInputs, "sizes" | "importance"> {
  /** Head dimension; default 64. */
  readonly headDim?: number;
}

/** The fields of every method. */
export interface MethodFacts {
  /** Its name: lower case, words joined by hyphens. */
  readonly name: string;
  /** The rule in one line. */
  readonly rule: string;
  /** The source of the rule. */
  readonly basis: Basis;
  /** The paper, code or section that it follows. */
  readonly source: string;
  /** Whether it has a causal form. */
  readonly causal: boolean;
  /** Whether its choice depends on the importance axis. */
  readonly usesImportance: boolean;
  /** Whether it has a fixed density of its own. */
  readonly ownDensity?: boolean;
  /** Whether it needs the scores or the outputs of all queries: it cannot run with the truth of sampled rows. */
  readonly needsAllRows?: boolean;
  /** A method of the video's grid cuts it into these tiles, a block each, and ignores the order axis. */
  readonly gridTile?: Box;
  /** Whether it uses the places of tokens in the video, in any order of the call. */
  readonly usesGrid?: boolean;
  /** Why the method cannot run on a call, for reasons beyond causality and a missing grid: the end of a sentence. */
  readonly lacks?: (call: CallFacts) => string | null;
  /** The cost of choosing: floating-point operations relative to dense attention, 4 Lq Lk D. */
  readonly selectionCost: (inputs: CostFacts) => number;
}

/** A method that chooses levels. */
export interface BlockMethod extends MethodFacts {
  /** Levels are chosen for blocks. */
  readonly granularity: "block";
  /** Chooses at a density in (0, 1]. */
  readonly select: (inputs: MethodInputs, density: number) => BlockSelection;
}

/** A method that chooses keys for every query, for whole heads, or for groups of queries. */
export interface MaskMethod extends MethodFacts {
  /** The unit that it chooses for. */
  readonly granularity: Exclude<Granularity, "block">;
  /** Chooses at a density in (0, 1]. */
  readonly select: (inputs: MethodInputs, density: number) => MaskSelection;
}

/** A way to choose what attention reads. */
export type Method = BlockMethod | MaskMethod;
