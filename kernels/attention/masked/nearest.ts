/**
 * The mask of the keys of the nearest codes, on the device: bits after a Hadamard transform, XORed and counted.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { wordsOf } from "../../../reference/masks/bits.ts";
import { buildMask, type Mask } from "../../../reference/masks/mask.ts";
import type { NearestCodes } from "../../../reference/methods/method.ts";
import { attentionShape, dtypeOf, type Qkv, type Tensor } from "../../../reference/tensor.ts";
import { submitPass } from "../../device/pass.ts";
import type { Gpu } from "../../device/gpu.ts";
import { buildKernel } from "../../device/kernel.ts";
import type { Encode } from "../../device/pass.ts";
import { timeWork, type Timing, type TimingOptions } from "../../device/timing.ts";
import { download, upload } from "../../device/transfer.ts";
import codesCode from "./codes.wgsl" with { type: "text" };
import nearestCode from "./nearest.wgsl" with { type: "text" };

/** Workgroups along one axis; more tokens take several rows of them. */
const ACROSS = 32768;
/** Thresholds of a code. */
const THRESHOLDS = 3;

/** What chooses keys by codes, for the numbers of one call. */
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
 * if (!("mask" in chosen)) throw new Error("adamas chooses masks");
 * using gpu = await openGpu();
 * using nearest = await nearestMask(gpu, qkv, chosen.nearest!);
 * const { visible } = await nearest.choose();
 * console.log(visible(0, 5, 5), chosen.mask.visible(0, 5, 5)); // true true
 * ```
 */
export async function nearestMask(gpu: Gpu, qkv: Qkv, codes: NearestCodes): Promise<NearestMask> {
  const { batch, heads, seqQ, seqK, headDim } = attentionShape(qkv), rows = batch * heads;
  requireCodes(qkv, codes);
  const scope = gpu.scope();
  try {
    const thresholds = uploaded(scope, "thresholds of codes", Float32Array.from(codes.thresholds));
    const pairs = Uint32Array.from(
      { length: 2 * seqQ },
      (_, at) => codes[at % 2 === 0 ? "seen" : "counts"][at >> 1],
    );
    const counts = uploaded(scope, "counts of nearest keys", pairs);
    const plane = wordsOf(headDim), words = THRESHOLDS * plane, maskWords = wordsOf(seqK);
    const queries = await codesOf(scope, qkv.q, { thresholds, heads: rows });
    const keys = await codesOf(scope, qkv.k, { thresholds, heads: rows });
    const mask = scope.createBuffer("bits of nearest keys", { size: 4 * rows * seqQ * maskWords });
    const choose = await buildKernel(scope, nearestCode, {
      label: "nearest codes",
      constants: { WORDS: words, QUERIES: seqQ, KEYS: seqK, MASK_WORDS: maskWords, ACROSS },
      buffers: [queries.codes, keys.codes, counts, mask],
      workgroups: [Math.min(seqQ, ACROSS), Math.ceil(seqQ / ACROSS), rows],
    });
    const encodes = [queries.encode, keys.encode, choose];
    return {
      choose: async () => {
        await submitPass(scope, encodes, { label: "nearest codes" });
        const bits = new Uint32Array(await download(scope, mask, { size: 4 * rows * seqQ * maskWords }));
        return buildMask([batch, heads, seqQ, seqK], {
          fill: (row, head, first, end) =>
            row.set(bits.subarray((head * seqQ + first) * maskWords, (head * seqQ + end) * maskWords)),
        });
      },
      time: (options = {}) =>
        timeWork(scope, (pass) => encodes.forEach((encode) => encode(pass)), {
          ...options,
          label: "nearest codes",
        }),
      [Symbol.dispose]: () => scope[Symbol.dispose](),
    };
  } catch (error) {
    scope[Symbol.dispose]();
    throw error;
  }
}

/** Throws unless tables are those of a call, and its channels can be turned. */
function requireCodes(qkv: Qkv, { thresholds, counts, seen }: NearestCodes): void {
  const { batch, heads, seqQ, headDim } = attentionShape(qkv), type = dtypeOf(qkv.q);
  requireInput(
    headDim >= 8 && headDim <= 256 && Number.isInteger(Math.log2(headDim)),
    () => `The head dimension is ${headDim}; codes need a power of two from 8 to 256.`,
  );
  requireInput(
    (type === "f32" || type === "f16") && dtypeOf(qkv.k) === type,
    () => `\`q\` is ${type} and \`k\` is ${dtypeOf(qkv.k)}; both should be f32 or f16.`,
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

function uploaded(
  gpu: Gpu,
  name: string,
  data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
): GPUBuffer {
  const buffer = gpu.createBuffer(name, { size: data.byteLength });
  upload(gpu, buffer, { data });
  return buffer;
}

/** The codes of tokens for every query head, and what makes them. */
async function codesOf(
  gpu: Gpu,
  { data, shape: [batch, own, tokens, dim] }: Tensor,
  { thresholds, heads }: { readonly thresholds: GPUBuffer; readonly heads: number },
): Promise<{ readonly codes: GPUBuffer; readonly encode: Encode }> {
  const plane = wordsOf(dim), source = gpu.createBuffer("tokens of codes", { size: data.byteLength });
  upload(gpu, source, { data: data as Float32Array<ArrayBuffer> });
  const codes = gpu.createBuffer("codes", { size: 4 * heads * tokens * THRESHOLDS * plane });
  const encode = await buildKernel(gpu, codesCode, {
    label: "codes",
    constants: {
      ...{ F16: Number(data instanceof Float16Array), DIM: dim, TOKENS: tokens, PLANE: plane, ACROSS },
      GROUP: heads / (batch * own),
    },
    buffers: [source, thresholds, codes],
    workgroups: [Math.min(tokens, ACROSS), Math.ceil(tokens / ACROSS), heads],
  });
  return { codes, encode };
}
