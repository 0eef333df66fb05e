/**
 * One list of keys for all queries of a head, on the device: the keys that receive most of the softmax of some queries together.
 *
 * @module
 */
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { ListedKeys } from "../../../reference/methods/rule.ts";
import type { Gpu } from "../../device/gpu.ts";
import { uploaded } from "../../device/transfer.ts";
import { bindKernel } from "../../device/work/kernel.ts";
import { buildChoice } from "./best.ts";
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import receivedCode from "./received.wgsl" with { type: "text" };
import { buildScores, gatherQueries } from "./scores.ts";
import reducedCode from "../../wgsl/reduced.wgsl" with { type: "text" };
import softenCode from "./soften.wgsl" with { type: "text" };

/** Keys of a workgroup of received.wgsl. */
const KEYS = 64;

/**
 * Builds the choice of one list of keys for each head.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param rule the queries that count, and how many keys are taken
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildListed(
  gpu: Gpu,
  call: KeyRuleCall,
  { probes, weighted, count }: ListedKeys,
): Promise<ChosenBits> {
  const { shape: { batch, heads, seqK, valueDim }, dtype, v } = call, all = batch * heads;
  const gathered = probes === null ? null : await gatherQueries(gpu, call, probes);
  const scores = await buildScores(gpu, gathered?.call ?? call, 1), { units, group } = scores;
  const sums = gpu.createBuffer("what keys receive", { size: 4 * all * units });
  const softening = await gpu.createPipeline(reducedCode + softenCode, {
    label: "softmax of scores",
    constants: { UNITS: units, GROUP: group },
  });
  const receiving = await gpu.createPipeline(receivedCode, {
    label: "what keys receive",
    constants: {
      ...{ UNITS: units, GROUP: group, WEIGHTED: Number(weighted) },
      ...{ F16: Number(dtype === "f16"), VALUE_DIM: valueDim },
    },
  });
  const encodes = [...gathered === null ? [] : [gathered.encode], ...scores.before];
  for (const { buffer, encode, queries, heads: own } of scores.chunks) {
    encodes.push(
      encode,
      await bindKernel(gpu, softening, {
        label: "softmax of scores",
        buffers: [buffer, scores.scores],
        workgroups: [queries, group, own],
      }),
      await bindKernel(gpu, receiving, {
        label: "what keys receive",
        buffers: [buffer, scores.scores, v, sums],
        workgroups: [Math.ceil(units / KEYS), group, own],
      }),
    );
  }
  const mask = gpu.createBuffer("bits of listed keys", { size: 4 * all * wordsOf(seqK) });
  const chunk = { firstHead: 0, heads: all / group, firstQuery: 0, queries: 1 };
  const choice = await buildChoice(gpu, {
    ...{ units, unit: 1, group, queries: 1, maskWords: wordsOf(seqK), together: false, first: false },
    ...{
      rows: all,
      scores: sums,
      mask,
      table: uploaded(gpu, "how many keys", Uint32Array.of(seqK, count, NONE, 0)),
    },
  });
  const whole = uploaded(gpu, "all heads", Uint32Array.of(0, 0, 1, 0));
  encodes.push(await choice({ ...chunk, buffer: whole }));
  return { encodes, mask, isShared: true };
}

/** No key is taken first. */
const NONE = 0xffffffff;
