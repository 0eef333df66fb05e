/**
 * Levels of key blocks on the device (docs/definition.md#levels and #cap): ranks, quotas, text, causal pattern, similarity cap.
 *
 * Where the number of blocks of each level does not depend on importance (`topk`, `density`), the reference computes
 * it, and the device is handed a table: there is one source of truth.
 *
 * @module
 */
import { budgetEnds } from "../../reference/levels/budget.ts";
import { causalBlocks } from "../../reference/levels/causal.ts";
import type { AssignmentConfig, PsaConfig } from "../../reference/config/config.ts";
import { requireInput } from "../../reference/errors.ts";
import { alignment, assignLevels } from "../../reference/levels/assign.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { prepareKernel } from "../device/kernel.ts";
import type { Encode } from "../device/pass.ts";
import { upload } from "../device/transfer.ts";
import levelsCode from "./levels.wgsl" with { type: "text" };
import similarityCode from "./similarity.wgsl" with { type: "text" };

/** Quotas that levels.wgsl has room for. */
const MOST_QUOTAS = 16;

/** What {@link prepareLevels} needs to know. */
export interface LevelsOptions {
  /** The sizes of the call. */
  readonly shape: Omit<AttentionShape, "valueDim">;
  /** Block sizes, tile, how importance becomes levels, text, causal, similarity thresholds. */
  readonly config: Omit<PsaConfig, "importance" | "order" | "scale" | "tail">;
  /** Element type of the keys. */
  readonly dtype: "f16" | "f32";
}

/** Levels as a stage of the pipeline. */
export interface LevelsStage {
  /** int32 [batch, heads, query blocks, key blocks], once the stage has run. */
  readonly levels: GPUBuffer;
  /** The most groups of 8 pooled tokens that any query block can have. */
  readonly mostGroups: number;
  /** Encodes the stage into a pass. */
  readonly encode: Encode;
}

/** How sorted rows are cut. */
interface Quotas {
  /** In the order in which they are served. */
  readonly quotas: readonly { readonly level: number; readonly unit: number; readonly energy: number }[];
  /** Where each quota ends, for every query block or once for all; empty if importance decides. */
  readonly ends: readonly (readonly number[])[];
  /** Blocks that level 1 gets at least if importance decides. */
  readonly minFull: number;
}

/**
 * Prepares levels for one shape and configuration.
 *
 * @param gpu the device
 * @param inputs importance, float32 [batch, heads, query blocks, key blocks], and keys, which only the similarity cap reads
 * @param options sizes, configuration, element type
 * @returns the buffer of levels and what fills it; buffers belong to `gpu`
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device, or there are more than 16 quotas
 */
export async function prepareLevels(
  gpu: Gpu,
  inputs: { readonly importance: GPUBuffer; readonly k: GPUBuffer },
  { shape, config, dtype }: LevelsOptions,
): Promise<LevelsStage> {
  const { batch, heads, kvHeads, seqQ, seqK } = shape;
  const { blockM, blockN, textLength = 0, causal = false } = config;
  const M = Math.ceil(seqQ / blockM), N = Math.ceil(seqK / blockN);
  const { quotas, ends, minFull } = quotasOf(config, { M, N, seqQ, seqK });
  requireInput(
    quotas.length <= MOST_QUOTAS,
    () => `\`assignment\` has ${quotas.length} levels; the device has room for ${MOST_QUOTAS}.`,
  );
  const capped = Object.keys(config.similarityThresholds ?? {}).length > 0;
  const cap = await prepareCap(gpu, inputs.k, { shape, config, dtype });
  const levels = gpu.createBuffer("levels", { size: 4 * batch * heads * M * N });
  const table = (label: string, numbers: readonly number[]) => {
    const buffer = gpu.createBuffer(label, { size: 4 * numbers.length });
    upload(gpu, buffer, { data: Uint32Array.from(numbers) });
    return buffer;
  };
  const packed = quotas.flatMap(({ level, unit, energy }) => [level, unit, energy]);
  const assign = await prepareKernel(gpu, levelsCode, {
    label: "levels",
    constants: {
      ...{ N, M, QUOTAS: quotas.length, END_ROWS: Math.max(1, ends.length), MIN_FULL: minFull },
      ...{ THRESHOLD: Number(ends.length === 0), TEXT: Math.ceil(textLength / blockN) },
      ...{ PIN_CAUSAL: Number(causal && config.assignment.mode === "density") },
      ...{ CAUSAL: Number(causal), CAPPED: Number(capped), GROUP: heads / kvHeads },
      ...{ BLOCK_M: blockM, BLOCK_N: blockN, SEQ_Q: seqQ, SEQ_K: seqK },
    },
    buffers: [
      inputs.importance,
      table("quotas", packed),
      table("ends of quotas", ends.flat()),
      cap.caps,
      levels,
    ],
    workgroups: [M, batch * heads],
  });
  return {
    levels,
    mostGroups: mostGroupsOf({ quotas, ends }, { blockM, blockN, textLength, causal, capped, N }),
    encode: (pass) => {
      for (const each of capped ? [cap.encode, assign] : [assign]) each(pass);
    },
  };
}

/** How an assignment cuts the sorted rows. */
function quotasOf(
  { assignment, blockM, blockN, tile, causal = false }: LevelsOptions["config"],
  { M, N, seqQ, seqK }: { M: number; N: number; seqQ: number; seqK: number },
): Quotas {
  const quota = (level: number) => ({ level, unit: alignment(level, { blockN, tile }), energy: 0 });
  switch (assignment.mode) {
    case "density": {
      const blocks = causal ? causalBlocks({ blockM, blockN, seqQ, seqK }) : null;
      const rows = budgetEnds(assignment.density, {
        ...{ rows: M, columns: N, shares: assignment.shares, blocks },
      });
      const [first] = rows;
      return {
        quotas: first.map(({ level }) => quota(level)),
        ends: rows.map((row) => row.map(({ end }) => end)),
        minFull: 0,
      };
    }
    case "topk": {
      const levels = assignment.ratios.map(([level]) => level);
      return {
        quotas: levels.map(quota),
        ends: [topkEnds(assignment, { blockN, tile, N })],
        minFull: 0,
      };
    }
    case "threshold": {
      const { minFullRatio = 0.06 } = assignment;
      const quotas = assignment.ratios.toSorted((a, b) => a[2] - b[2]).map(([level, , end]) => ({
        ...quota(level),
        energy: Math.floor((end + 1e-6) * 2 ** 31),
      }));
      return { quotas, ends: [], minFull: Math.floor(N * minFullRatio) + 1 };
    }
  }
}

/**
 * The most groups of 8 pooled tokens that a row can have, so that work lists need not have room for all keys at level
 * 1. A cap can bring every block that is not skipped to level 1; text, the diagonal and the first block are level 1.
 */
function mostGroupsOf(
  { quotas, ends }: Pick<Quotas, "quotas" | "ends">,
  { blockM, blockN, textLength, causal, capped, N }: {
    readonly blockM: number;
    readonly blockN: number;
    readonly textLength: number;
    readonly causal: boolean;
    readonly capped: boolean;
    readonly N: number;
  },
): number {
  const full = blockN / 8;
  const groups = quotas.map(({ level }) => level === 0 ? 0 : capped ? full : Math.ceil(full / level));
  const diagonal = causal ? Math.ceil(blockM / blockN) + 2 : 0;
  const forced = full * (Math.ceil(textLength / blockN) + diagonal);
  const ofQuotas = ends.map((row) =>
    row.reduce((sum, end, i) => sum + (end - (i === 0 ? 0 : row[i - 1])) * groups[i], 0)
  );
  const most = ofQuotas.reduce((most, groups) => Math.max(most, groups), ends.length === 0 ? Infinity : 0);
  return Math.min(N * full, most + forced);
}

/** Where the quotas of `topk` end: the reference's levels of a row whose importance descends. */
function topkEnds(
  { ratios }: Extract<AssignmentConfig, { mode: "topk" }>,
  { blockN, tile, N }: { blockN: number; tile: number; N: number },
): number[] {
  const descending = { data: Float64Array.from({ length: N }, (_, j) => N - j), shape: [1, 1, 1, N] };
  const { data } = assignLevels(descending, { mode: "topk", ratios, blockN, tile });
  let end = 0;
  return ratios.map(([level]) => {
    while (end < N && data[end] === level) end++;
    return end;
  });
}

/** The similarity cap as a stage. */
export interface CapStage {
  /** uint32 [batch, key heads, key blocks], once the stage has run. */
  readonly caps: GPUBuffer;
  /** Encodes the stage into a pass. */
  readonly encode: Encode;
}

/** What {@link prepareCap} needs to know. */
export interface CapOptions extends Pick<LevelsOptions, "dtype"> {
  /** The sizes of the call. */
  readonly shape: Pick<AttentionShape, "batch" | "kvHeads" | "seqK" | "headDim">;
  /** Key block size and thresholds. */
  readonly config: Pick<PsaConfig, "blockN" | "similarityThresholds">;
}

/**
 * Prepares the similarity cap (docs/definition.md#cap), or where no level has a threshold a stand-in that is not read.
 *
 * @param gpu the device
 * @param k the keys
 * @param options sizes, thresholds, element type
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function prepareCap(
  gpu: Gpu,
  k: GPUBuffer,
  { shape, config: { blockN, similarityThresholds = {} }, dtype }: CapOptions,
): Promise<CapStage> {
  const { batch, kvHeads, seqK, headDim } = shape, N = Math.ceil(seqK / blockN);
  const listed = Object.entries(similarityThresholds);
  const caps = gpu.createBuffer("similarity cap", {
    size: listed.length === 0 ? 4 : 4 * batch * kvHeads * N,
  });
  if (listed.length === 0) return { caps, encode: () => {} };
  const words = new ArrayBuffer(8 * listed.length), view = new DataView(words);
  listed.forEach(([level, threshold], i) => {
    view.setUint32(8 * i, Number(level), true);
    view.setFloat32(8 * i + 4, threshold, true);
  });
  const thresholds = gpu.createBuffer("similarity thresholds", { size: words.byteLength });
  upload(gpu, thresholds, { data: new Uint8Array(words) });
  const encode = await prepareKernel(gpu, similarityCode, {
    label: "similarity cap",
    constants: {
      ...{ F16: Number(dtype === "f16"), PIECES: headDim / 4, TOKENS: seqK },
      ...{ BLOCK: blockN, RATIOS: listed.length },
    },
    buffers: [k, thresholds, caps],
    workgroups: [N, batch * kvHeads],
  });
  return { caps, encode };
}
