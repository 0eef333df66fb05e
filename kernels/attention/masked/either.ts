/**
 * For every head the better of two masks, on the device: some rows of attention are computed as they are and as each mask shows
 * them, and the mask whose rows are nearer is taken.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { Mask } from "../../../reference/masks/mask.ts";
import type { EitherMask } from "../../../reference/methods/rule.ts";
import type { Gpu } from "../../device/gpu.ts";
import { upload, uploaded } from "../../device/transfer.ts";
import { bindKernel, buildKernel, spreadWorkgroups } from "../../device/work/kernel.ts";
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import eitherCode from "./either.wgsl" with { type: "text" };
import reducedCode from "../../wgsl/reduced.wgsl" with { type: "text" };
import errorsCode from "./errors.wgsl" with { type: "text" };
import { buildScores, gatherQueries } from "./scores.ts";

/** Invocations of a workgroup. */
const THREADS = 256;

/**
 * Builds the choice between two masks.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param rule the masks, and the queries that they are tried on
 * @throws {InputError} if masks are for another call, or a buffer or a dispatch is beyond a limit of the device
 */
export async function buildEither(
  gpu: Gpu,
  call: KeyRuleCall,
  { masks, probes }: EitherMask,
): Promise<ChosenBits> {
  const { shape: { batch, heads, seqQ, seqK, valueDim }, dtype, v } = call, all = batch * heads;
  const words = wordsOf(seqK), size = seqQ * words, count = probes.length;
  masks.forEach((mask) => requireMask(mask, seqQ, seqK));
  const bits = gpu.createBuffer("bits of both masks", { size: 4 * 2 * size });
  const mask = gpu.createBuffer("bits of the better masks", { size: 4 * all * size });
  const errors = gpu.createBuffer("errors of masks", { size: 8 * all * count });
  uploadBits(gpu, bits, { masks, seqQ });
  const rows = masks.map((each) => Array.from(probes, (query) => each.rows(0, query, query + 1)));
  const tried = new Uint32Array(2 * count * words);
  rows.flat().forEach((row, at) => tried.set(row, at * words));
  const gathered = await gatherQueries(gpu, call, probes), scores = await buildScores(gpu, gathered.call, 1);
  const { group, units } = scores, table = uploaded(gpu, "bits of some rows", tried);
  const trying = await gpu.createPipeline(reducedCode + errorsCode, {
    label: "errors of masks",
    constants: {
      ...{ UNITS: units, GROUP: group, QUERIES: count, WORDS: words },
      ...{ F16: Number(dtype === "f16"), VALUE_DIM: valueDim },
    },
  });
  const encodes = [gathered.encode, ...scores.before];
  for (const { buffer, encode, queries, heads: own } of scores.chunks) {
    encodes.push(
      encode,
      await bindKernel(gpu, trying, {
        label: "errors of masks",
        buffers: [buffer, scores.scores, v, table, errors],
        workgroups: [queries, group, own],
      }),
    );
  }
  const [x, y] = spreadWorkgroups(Math.ceil(size / THREADS));
  encodes.push(
    await buildKernel(gpu, eitherCode, {
      label: "the better masks",
      constants: { SIZE: size, ROWS: count, ACROSS: x },
      buffers: [errors, bits, mask],
      workgroups: [x, y, all],
    }),
  );
  return { encodes, mask };
}

/** Throws unless a mask is one head of a call. */
function requireMask({ shape }: Mask, seqQ: number, seqK: number): void {
  requireInput(
    `${shape}` === `${[1, 1, seqQ, seqK]}`,
    () =>
      `\`masks\` has one of shape [${shape}]; it should be [1,1,${seqQ},${seqK}], which every head may take.`,
  );
}

/** Queries whose bits are in memory at a time. */
const RUN = 1024;

/** Writes the bits of both masks, [2][queries][words]. */
function uploadBits(
  gpu: Gpu,
  bits: GPUBuffer,
  { masks, seqQ }: { readonly masks: readonly Mask[]; readonly seqQ: number },
): void {
  masks.forEach((mask, i) => {
    for (let first = 0; first < seqQ; first += RUN) {
      const data = mask.rows(0, first, Math.min(seqQ, first + RUN)) as Uint32Array<ArrayBuffer>;
      upload(gpu, bits, { data, offset: 4 * (i * seqQ + first) * mask.words });
    }
  });
}
