/**
 * The mask of the keys of the nearest codes, on the device: bits after a Hadamard transform, XORed and counted.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { wordsOf } from "../../../reference/masks/bits.ts";
import type { Mask } from "../../../reference/masks/mask.ts";
import type { NearestCodes } from "../../../reference/methods/method.ts";
import { type AttentionShape, attentionShape, dtypeOf, type Qkv } from "../../../reference/tensor.ts";
import { submitPass } from "../../device/work/pass.ts";
import type { Gpu } from "../../device/gpu.ts";
import { buildKernel } from "../../device/work/kernel.ts";
import type { Encode } from "../../device/work/pass.ts";
import { timeWork, type Timing, type TimingOptions } from "../../device/work/timing.ts";
import { uploaded } from "../../device/transfer.ts";
import scanCode from "../../wgsl/scan.wgsl" with { type: "text" };
import codesCode from "./codes.wgsl" with { type: "text" };
import nearestCode from "./nearest.wgsl" with { type: "text" };
import tiesCode from "./ties.wgsl" with { type: "text" };
import { type ChosenBits, type KeyRuleCall, readMask } from "./bits.ts";

/** Workgroups along one axis; more tokens take several rows of them. */
const ACROSS = 32768;
/** Thresholds of a code. */
const THRESHOLDS = 3;

/** Chooses the keys of each query by codes; buffers have the sizes of one call. */
export interface NearestMask extends Disposable {
  /** Chooses, and gives the mask: its bits lie on the CPU. */
  readonly choose: () => Promise<Mask>;
  /** Times the choice: codes and distances. */
  readonly time: (options?: Omit<TimingOptions, "label">) => Promise<Timing>;
}

/**
 * Builds the choice of the nearest codes for a call.
 *
 * @param gpu the device
 * @param qkv queries and keys, in float32 or float16; values are not read
 * @param codes thresholds of every head, and how many keys each query takes: what `adamas` methods choose
 * @throws {InputError} if the head dimension is no power of two from 8 to 256, or tables have other lengths
 *
 * @example
 * ```ts
 * import { makeWorkload, methodInputs, methodOf, nearestMask, openGpu } from "../../../mod.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 128, headDim: 16 });
 * const chosen = methodOf("adamas-scaled").select(methodInputs(qkv, { blockM: 16, blockN: 16 }), 0.25);
 * if (!("mask" in chosen) || chosen.rule?.kind !== "nearest") throw new Error("adamas compares codes");
 * using gpu = await openGpu();
 * using nearest = await nearestMask(gpu, qkv, chosen.rule);
 * const { visible } = await nearest.choose();
 * console.log(visible(0, 5, 5), chosen.mask.visible(0, 5, 5)); // true true
 * ```
 */
export async function nearestMask(gpu: Gpu, qkv: Qkv, codes: NearestCodes): Promise<NearestMask> {
  const shape = attentionShape(qkv), type = dtypeOf(qkv.q);
  requireInput(
    (type === "f32" || type === "f16") && dtypeOf(qkv.k) === type,
    () => `\`q\` is ${type} and \`k\` is ${dtypeOf(qkv.k)}; both should be f32 or f16.`,
  );
  requireCodes(shape, codes);
  const scope = gpu.scope(), label = "nearest codes";
  try {
    const [q, k] = (["q", "k"] as const).map((name) =>
      uploaded(scope, "tokens of codes", qkv[name].data as Float32Array<ArrayBuffer>)
    );
    const { encodes, mask } = await buildNearest(scope, { shape, dtype: type as "f32" | "f16", q, k }, codes);
    return {
      choose: async () => {
        await submitPass(scope, encodes, { label });
        return await readMask(scope, { mask }, shape);
      },
      time: (options = {}) =>
        timeWork(scope, (pass) => encodes.forEach((encode) => encode(pass)), { ...options, label }),
      [Symbol.dispose]: () => scope[Symbol.dispose](),
    };
  } catch (error) {
    scope[Symbol.dispose]();
    throw error;
  }
}

/**
 * Builds the choice of the nearest codes.
 *
 * @param gpu the device, to which the buffers belong
 * @param call sizes, tokens and their element type
 * @param codes thresholds, and how many keys each query takes
 * @throws {InputError} if the head dimension is no power of two from 8 to 256, tables have other lengths, or a buffer or a
 * dispatch is beyond a limit of the device
 */
export async function buildNearest(
  gpu: Gpu,
  { shape, dtype, q, k }: Omit<KeyRuleCall, "scale" | "v">,
  codes: NearestCodes,
): Promise<ChosenBits> {
  requireCodes(shape, codes);
  const { batch, heads, kvHeads, seqQ, seqK, headDim } = shape, rows = batch * heads;
  const thresholds = uploaded(gpu, "thresholds of codes", Float32Array.from(codes.thresholds));
  const pairs = Uint32Array.from(
    { length: 2 * seqQ },
    (_, at) => codes[at % 2 === 0 ? "seen" : "counts"][at >> 1],
  );
  const counts = uploaded(gpu, "counts of nearest keys", pairs);
  const words = THRESHOLDS * wordsOf(headDim), maskWords = wordsOf(seqK);
  const codesOf = (source: GPUBuffer, own: number, tokens: number) =>
    buildCodes(gpu, { source, tokens, heads: rows, group: rows / (batch * own), headDim, dtype, thresholds });
  const queries = await codesOf(q, heads, seqQ), keys = await codesOf(k, kvHeads, seqK);
  const mask = gpu.createBuffer("bits of nearest keys", { size: 4 * rows * seqQ * maskWords });
  const choose = await buildKernel(gpu, scanCode + tiesCode + nearestCode, {
    label: "nearest codes",
    constants: { WORDS: words, QUERIES: seqQ, KEYS: seqK, MASK_WORDS: maskWords, ACROSS },
    buffers: [queries.codes, keys.codes, counts, mask],
    workgroups: [Math.min(seqQ, ACROSS), Math.ceil(seqQ / ACROSS), rows],
  });
  return { encodes: [queries.encode, keys.encode, choose], mask };
}

/** Throws unless tables are those of a call, and its channels can be turned. */
function requireCodes(
  { batch, heads, seqQ, headDim }: AttentionShape,
  { thresholds, counts, seen }: NearestCodes,
): void {
  requireInput(
    headDim >= 8 && headDim <= 256 && Number.isInteger(Math.log2(headDim)),
    () => `The head dimension is ${headDim}; codes need a power of two from 8 to 256.`,
  );
  for (
    const [name, { length }, want] of [
      ["thresholds", thresholds, THRESHOLDS * batch * heads],
      ["counts", counts, seqQ],
      ["seen", seen, seqQ],
    ] as const
  ) {
    requireInput(length === want, () => `\`${name}\` holds ${length} numbers; this call needs ${want}.`);
  }
}

/** The codes of tokens for every query head, and what makes them. */
async function buildCodes(
  gpu: Gpu,
  { source, tokens, heads, group, headDim, dtype, thresholds }: {
    readonly source: GPUBuffer;
    readonly tokens: number;
    readonly heads: number;
    readonly group: number;
    readonly headDim: number;
    readonly dtype: "f32" | "f16";
    readonly thresholds: GPUBuffer;
  },
): Promise<{ readonly codes: GPUBuffer; readonly encode: Encode }> {
  const plane = wordsOf(headDim);
  const codes = gpu.createBuffer("codes", { size: 4 * heads * tokens * THRESHOLDS * plane });
  const encode = await buildKernel(gpu, codesCode, {
    label: "codes",
    constants: {
      ...{ F16: Number(dtype === "f16"), DIM: headDim, TOKENS: tokens, PLANE: plane, ACROSS },
      GROUP: group,
    },
    buffers: [source, thresholds, codes],
    workgroups: [Math.min(tokens, ACROSS), Math.ceil(tokens / ACROSS), heads],
  });
  return { codes, encode };
}
