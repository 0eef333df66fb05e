/**
 * One list of keys for all queries of a head, frame by frame of a video, on the device: the keys that differ most from the mean of
 * their frame and from the frame before; frames that change more keep more.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { ChangedKeys } from "../../../reference/methods/rule.ts";
import type { Gpu } from "../../device/gpu.ts";
import { uploaded } from "../../device/transfer.ts";
import { buildKernel } from "../../device/work/kernel.ts";
import { buildChoice } from "./best.ts";
import type { ChosenBits, KeyRuleCall } from "./bits.ts";
import reducedCode from "../../wgsl/reduced.wgsl" with { type: "text" };
import changesCode from "./changes.wgsl" with { type: "text" };
import countsCode from "./frame_counts.wgsl" with { type: "text" };
import placesCode from "./places.wgsl" with { type: "text" };

/** Words of a workgroup of places.wgsl. */
const WORDS = 64;

/**
 * Builds the choice of one list of keys for each head, frame by frame.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param rule the frames, and how many keys a head keeps
 * @throws {InputError} if the frames are not those of the call, or a buffer or a dispatch is beyond a limit of the device
 */
export async function buildChanged(
  gpu: Gpu,
  { shape: { batch, heads, kvHeads, seqK, headDim }, dtype, k }: KeyRuleCall,
  { frames, tokenAt, count }: ChangedKeys,
): Promise<ChosenBits> {
  const frame = seqK / frames, all = batch * kvHeads, words = wordsOf(seqK), frameWords = wordsOf(frame);
  requireInput(
    Number.isInteger(frame) && tokenAt.length === seqK,
    () =>
      `\`frames\` is ${frames} with ${tokenAt.length} tokens; this call has ${seqK} keys, the same number in each frame.`,
  );
  const placeOf = new Uint32Array(seqK);
  tokenAt.forEach((token, place) => placeOf[token] = place);
  const buffer = (name: string, numbers: number) => gpu.createBuffer(name, { size: 4 * numbers });
  const scores = buffer("how keys change", all * seqK), shares = buffer("how frames change", all * frames);
  const table = buffer("counts of frames", 4 * all * frames),
    bits = buffer("bits of frames", all * frames * frameWords);
  const mask = buffer("bits of changed keys", batch * heads * words);
  const changes = await buildKernel(gpu, reducedCode + changesCode, {
    label: "how keys change",
    constants: { F16: Number(dtype === "f16"), DIM: headDim, FRAMES: frames, FRAME: frame },
    buffers: [k, uploaded(gpu, "tokens of places", Uint32Array.from(tokenAt)), scores, shares],
    workgroups: [frames, all],
  });
  const counts = await buildKernel(gpu, reducedCode + countsCode, {
    label: "counts of frames",
    constants: { FRAMES: frames, FRAME: frame, BUDGET: count },
    buffers: [shares, table],
    workgroups: [all],
  });
  const choice = await buildChoice(gpu, {
    ...{
      units: frame,
      unit: 1,
      group: 1,
      queries: frames,
      maskWords: frameWords,
      together: false,
      first: false,
    },
    ...{ rows: all * frames, scores, mask: bits, table, ownTables: true },
  });
  const chunk = { firstHead: 0, heads: all, firstQuery: 0, queries: frames };
  const best = await choice({
    ...chunk,
    buffer: uploaded(gpu, "all frames", Uint32Array.of(0, 0, frames, 0)),
  });
  const places = await buildKernel(gpu, placesCode, {
    label: "bits of changed keys",
    constants: {
      ...{ KEYS: seqK, FRAME: frame, FRAMES: frames, FRAME_WORDS: frameWords },
      ...{ WORDS: words, GROUP: heads / kvHeads },
    },
    buffers: [bits, uploaded(gpu, "places of tokens", placeOf), mask],
    workgroups: [Math.ceil(words / WORDS), batch * heads],
  });
  return { encodes: [changes, counts, best, places], mask, isShared: true };
}
