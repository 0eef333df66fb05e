/**
 * For every query the blocks of keys whose gates hold a share of all, with one bound for each head, on the device: gates, the share
 * that lies before each block, the bound that keeps the density, and the bits of the keys.
 *
 * @module
 */
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { GatedBlocks } from "../../../reference/methods/rule.ts";
import type { Gpu } from "../../device/gpu.ts";
import { uploaded } from "../../device/transfer.ts";
import { bindKernel, buildKernel, spreadWorkgroups } from "../../device/work/kernel.ts";
import { buildBounds } from "../../levels/search/bound.ts";
import keysCode from "../../levels/search/keys.wgsl" with { type: "text" };
import { requireTable, requireUnit } from "./best.ts";
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import gatedCode from "./gated.wgsl" with { type: "text" };
import gatesCode from "./gates.wgsl" with { type: "text" };
import { buildScores } from "./scores.ts";

/** A block is taken from the share on that lies before it. */
const THRESHOLD = { ends: [[1, 1]], slack: 0, most: 1 } as const;

/**
 * Builds the choice of blocks by their gates.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param rule blocks, what queries see, and the pairs that a head may show
 * @throws {InputError} if tables have other lengths, or a buffer or a dispatch is beyond a limit of the device
 */
export async function buildGated(
  gpu: Gpu,
  call: KeyRuleCall,
  { unit, seen, own, first, pairs }: GatedBlocks,
): Promise<ChosenBits> {
  const { shape: { batch, heads, seqQ, seqK } } = call, all = batch * heads, words = wordsOf(seqK);
  requireUnit(unit);
  requireTable("seen", seen, seqQ);
  requireTable("own", own, seqQ);
  const { before, scores, units, group, chunks } = await buildScores(gpu, call, unit);
  const entries = gpu.createBuffer("shares of gates", { size: 4 * all * seqQ * units });
  const mask = gpu.createBuffer("bits of gated keys", { size: 4 * all * seqQ * words });
  const table = Uint32Array.from({ length: 2 * seqQ }, (_, at) => (at % 2 === 0 ? seen : own)[at >> 1] >>> 0);
  const rule = uploaded(gpu, "what queries see", table),
    keys = uploaded(gpu, "keys of queries", Uint32Array.from(seen));
  const gating = await gpu.createPipeline(gatesCode, {
    label: "shares of gates",
    constants: { UNITS: units, UNIT: unit, QUERIES: seqQ, GROUP: group, FIRST: Number(first) },
  });
  const encodes = [...before];
  for (const chunk of chunks) {
    encodes.push(
      chunk.encode,
      await bindKernel(gpu, gating, {
        label: "shares of gates",
        buffers: [rule, chunk.buffer, scores, entries],
        workgroups: [chunk.queries, group, chunk.heads],
      }),
    );
  }
  const budgets = uploaded(gpu, "pairs of heads", new Uint32Array(all).fill(Math.floor(pairs)));
  const { bounds, quotas, constants, encode } = await buildBounds(gpu, {
    ...{ entries, size: seqQ * units, heads: all, threshold: THRESHOLD, budgets, isPairs: false },
    blocks: { columns: units, unit, seen: keys },
  });
  const [x, y] = spreadWorkgroups(seqQ);
  const cut = await buildKernel(gpu, keysCode + gatedCode, {
    label: "bits of gated keys",
    constants: { ...constants, UNITS: units, UNIT: unit, QUERIES: seqQ, WORDS: words, ACROSS: x },
    buffers: [entries, quotas, bounds, keys, mask],
    workgroups: [x, y, all],
  });
  return { encodes: [...encodes, encode, cut], mask };
}
