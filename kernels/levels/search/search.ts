/**
 * Levels by a bound that the device searches for each head: thresholds on the share of a row's importance, and the best pairs of
 * a head.
 *
 * @module
 */
import type { PsaConfig } from "../../../reference/config/config.ts";
import { causalBlocks } from "../../../reference/levels/causal.ts";
import { type Threshold, THRESHOLDS } from "../../../reference/levels/thresholds.ts";
import type { ThresholdCut } from "../../../reference/methods/rule.ts";
import { requireInput } from "../../../reference/errors.ts";
import type { AttentionShape } from "../../../reference/tensor.ts";
import type { Gpu } from "../../device/gpu.ts";
import { uploaded } from "../../device/transfer.ts";
import { buildKernel } from "../../device/work/kernel.ts";
import type { Encode } from "../../device/work/pass.ts";
import type { Stage } from "../../device/work/stage.ts";
import { ranksCode } from "../ranks.ts";
import { buildBounds, unitsOf } from "./bound.ts";
import cutCode from "./cut.wgsl" with { type: "text" };
import entriesCode from "./entries.wgsl" with { type: "text" };
import keysCode from "./keys.wgsl" with { type: "text" };

/** Entries that two digits of a place can number. */
const MOST_PAIRS = 1 << 22;

/** The search for the levels of heads. */
export type LevelSearch = ThresholdSearch | PairsSearch;

/** The largest threshold of each head that keeps its density. */
export interface ThresholdSearch extends Pick<ThresholdCut, "kind" | "family"> {
  /** The density of each head, or one for all. */
  readonly asked: readonly number[];
}

/** The best pairs of blocks of each head. */
export interface PairsSearch {
  /** Pairs are compared. */
  readonly kind: "pairs";
  /** How many a head takes. */
  readonly count: number;
}

/** Options of {@link buildSearch}. */
export interface SearchOptions {
  /** float32 [batch, heads, query blocks, key blocks]. */
  readonly importance: GPUBuffer;
  /** The sizes of the call. */
  readonly shape: Pick<AttentionShape, "batch" | "heads" | "seqQ" | "seqK">;
  /** Block sizes and causality. */
  readonly config: Pick<PsaConfig, "blockM" | "blockN" | "causal">;
  /** The search. */
  readonly search: LevelSearch;
}

/** Levels that a search can choose, ascending. */
export function searchedLevels(search: LevelSearch): number[] {
  return search.kind === "pairs" ? [1] : THRESHOLDS[search.family].ends.map(([level]) => level);
}

/**
 * Builds the search for one shape.
 *
 * @param gpu the device, to which the buffers belong
 * @param options importance, sizes, what is searched
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device, or a head has too many pairs
 */
export async function buildSearch(
  gpu: Gpu,
  options: SearchOptions,
): Promise<Stage<Readonly<Record<"levels", GPUBuffer>>>> {
  const { importance, shape: { batch, heads, seqQ, seqK }, config: { blockM, blockN }, search } = options;
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN), all = batch * heads;
  const isPairs = search.kind === "pairs";
  requireInput(
    !isPairs || M * N <= MOST_PAIRS,
    () => `A head has ${M} x ${N} blocks; the best pairs are searched among ${MOST_PAIRS} at most.`,
  );
  const threshold = isPairs ? PAIRS : THRESHOLDS[search.family];
  const levels = gpu.createBuffer("levels", { size: 4 * all * M * N });
  const budgets = uploaded(gpu, "budgets of a search", budgetTable(options, threshold));
  const made = isPairs ? null : await buildEntries(gpu, options, threshold);
  const entries = made?.entries ?? importance;
  const { bounds, quotas, constants, encode: bound } = await buildBounds(gpu, {
    ...{ entries, size: M * N, heads: all, threshold, budgets, isPairs },
  });
  const cut = await buildKernel(gpu, keysCode + cutCode, {
    ...{ label: "levels within bounds", constants: { ...constants, N, M }, workgroups: [M, all] },
    buffers: [entries, quotas, bounds, levels],
  });
  const encodes = [...made === null ? [] : [made.encode], bound, cut];
  return {
    name: "levels",
    encode: (pass) => encodes.forEach((encode) => encode(pass)),
    outputs: { levels },
  };
}

/** Pairs are taken at level 1, at any score. */
const PAIRS: Omit<Threshold, "importance"> = {
  ...{ ends: [[1, 1]], slack: 0, most: 1, share: "before", always: "best", pinned: false },
};

/** The shares of all blocks, float32 [heads, query blocks, key blocks]. */
async function buildEntries(
  gpu: Gpu,
  { importance, shape: { batch, heads, seqQ, seqK }, config: { blockM, blockN, causal = false } }:
    SearchOptions,
  { share, always, pinned }: Pick<Threshold, "share" | "always" | "pinned">,
): Promise<{ readonly entries: GPUBuffer; readonly encode: Encode }> {
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN), all = batch * heads;
  const entries = gpu.createBuffer("shares of key blocks", { size: 4 * all * M * N });
  const encode = await buildKernel(gpu, ranksCode(N, { energy: true }) + entriesCode, {
    label: "shares of key blocks",
    constants: {
      ...{ N, M, BLOCK_M: blockM, BLOCK_N: blockN, SEQ_Q: seqQ, SEQ_K: seqK, THRESHOLD: 1 },
      ...{ PIN_CAUSAL: Number(causal && pinned), CAUSAL: Number(causal) },
      ...{ WITH: Number(share === "with"), ALWAYS_BEST: Number(always === "best") },
    },
    buffers: [importance, entries],
    workgroups: [M, all],
  });
  return { entries, encode };
}

/** What each head may spend: a share of the blocks that can be seen, or a number of pairs. */
function budgetTable(
  { shape: { batch, heads, seqQ, seqK }, config: { blockM, blockN, causal = false }, search }: SearchOptions,
  threshold: Pick<Threshold, "ends">,
): Uint32Array<ArrayBuffer> {
  if (search.kind === "pairs") return new Uint32Array(batch * heads).fill(search.count);
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN);
  const { isFuture } = causalBlocks({ blockM, blockN, seqQ, seqK });
  let seen = M * N;
  if (causal) { for (let at = 0; at < M * N; at++) if (isFuture(Math.floor(at / N), at % N)) seen--; }
  const { asked } = search, most = seen * unitsOf(threshold);
  return Uint32Array.from(
    { length: batch * heads },
    (_, head) => Math.floor(asked[head % asked.length] * most * (1 + 1e-12)),
  );
}
