/**
 * The effect of the released kernel's tile merge on a configuration: some simulated rows beside the right ones.
 *
 * @module
 */
import { Machine } from "../../fixtures/conformance/deviations/machine.ts";
import { MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { makeWorkload, nearestCube } from "../../fixtures/workloads.ts";
import { attentionRows } from "../../reference/attention/some_rows.ts";
import type { PsaConfig } from "../../reference/config/config.ts";
import { modelTokens } from "../../reference/config/model_shapes.ts";
import { type ModelName, presetConfig } from "../../reference/config/presets.ts";
import { blockImportance } from "../../reference/importance/by_config.ts";
import { compare } from "../../reference/judge/metrics.ts";
import { levelDensity } from "../../reference/levels/density.ts";
import { levelsFromImportance } from "../../reference/levels/by_config.ts";
import { arrangeTokens } from "../../reference/order/arrange.ts";
import type { Qkv, Tensor } from "../../reference/tensor.ts";
import { DEFAULT_RATIOS } from "../gpu/stages.ts";
import type { FaultRow } from "./rows.ts";

/** The mistake that gives what the captures of the released kernel hold. */
const MISTAKE = "tile merge joins only two pooled blocks and goes on with the next two";
/** Heads of the workload `model`, query blocks of each, and rows of a block that are looked at. */
const HEADS = 6, BLOCKS = 2, ROWS = 8, DIM = 128;

/** The released default: quotas of the blocks, key blocks of 64 tokens. */
function defaultConfig(tokens: number): PsaConfig {
  return {
    ...{ blockM: 128, blockN: 64, tile: 32, importance: { kind: "sampled", seed: 0 } },
    assignment: { mode: "topk", ratios: DEFAULT_RATIOS },
    order: { kind: "gilbert", box: nearestCube(tokens), variant: "released" },
  };
}

/** Some query blocks of every head, whole, with all keys. */
function someBlocks({ q, k, v }: Qkv, blockM: number): Qkv {
  const [, heads, tokens, dim] = q.shape, M = Math.floor(tokens / blockM), size = blockM * dim;
  const data = new Float32Array(heads * BLOCKS * size);
  for (let head = 0; head < heads; head++) {
    for (let b = 0; b < BLOCKS; b++) {
      const from = head * tokens * dim + Math.floor((b + 0.5) * M / BLOCKS) * size;
      data.set(q.data.subarray(from, from + size), (head * BLOCKS + b) * size);
    }
  }
  return { q: { data, shape: [1, heads, BLOCKS * blockM, dim] }, k, v };
}

/**
 * Measures the fault.
 *
 * @param of a released model, or null for the released default
 * @param tokens how many; default those of the model
 *
 * @example
 * ```ts
 * import { measureFault } from "./fault.ts";
 * const { right, released } = measureFault(null, 1024);
 * console.log(right < 1, released > 0.1); // true true
 * ```
 */
export function measureFault(of: ModelName | null, tokens: number = modelTokens(of!).tokens): FaultRow {
  const box = of === null ? nearestCube(tokens) : modelTokens(of).grid;
  const config = of === null ? defaultConfig(tokens) : presetConfig(of, { box });
  const made = makeWorkload("model", { seqQ: tokens, heads: HEADS, headDim: DIM, seed: 1, grid: box });
  const qkv = someBlocks(arrangeTokens(made.qkv, config).qkv, config.blockM),
    { blockM, blockN, tile } = config;
  const sizes = { seqQ: qkv.q.shape[2], seqK: tokens }, options = { blockM, blockN, tile };
  const { order: _, ...unordered } = config;
  const levels = levelsFromImportance(blockImportance(qkv, config), unordered, sizes);
  const rows = Array.from(
    { length: BLOCKS * ROWS },
    (_, i) => Math.floor(i / ROWS) * blockM + Math.floor((i % ROWS + 0.5) * blockM / ROWS),
  );
  const call = { qkv, levels, options }, mistake = MISTAKES.find(({ name }) => name === MISTAKE)!;
  const right = outputs(new Machine(call), rows), released = outputs(new Machine(call, mistake.hooks), rows);
  const dense = attentionRows(qkv, null, Array.from({ length: HEADS }, () => rows));
  const truth = tensorOf(dense.flatMap(({ out }) => [...out]));
  return {
    part: "fault",
    config: of ?? "the released default",
    ...{ blockN, tokens, density: levelDensity(levels, { blockM, blockN, ...sizes }) },
    right: compare(right, truth).relL2,
    released: compare(released, right).relL2,
    releasedDense: compare(released, truth).relL2,
  };
}

/** The outputs of a kernel for some rows of every head. */
function outputs(machine: Machine, rows: readonly number[]): Tensor<Float64Array> {
  const all = Array.from({ length: HEADS }, (_, head) => rows.map((row) => machine.row({ head, row }).out));
  return tensorOf(all.flat().flatMap((out) => [...out]));
}

function tensorOf(data: readonly number[]): Tensor<Float64Array> {
  return { data: Float64Array.from(data), shape: [data.length] };
}
