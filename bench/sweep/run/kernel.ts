/**
 * One attention call on the GPU: its tensors are uploaded once, and every case of it is prepared from its levels.
 *
 * @module
 */
import { buildAttention } from "../../../kernels/attention/attention.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { type Encode, submitPass } from "../../../kernels/device/pass.ts";
import { timeWork, type Timing } from "../../../kernels/device/timing.ts";
import { download, poison, upload } from "../../../kernels/device/transfer.ts";
import { makeLists } from "../../../kernels/lists/naive.ts";
import { preparePyramid } from "../../../kernels/pyramid/pyramid.ts";
import { layOutSections, type Sections } from "../../../kernels/pyramid/layout.ts";
import { requireInput } from "../../../reference/errors.ts";
import {
  type AttentionShape,
  attentionShape,
  type FloatData,
  type Qkv,
  type Tensor,
} from "../../../reference/tensor.ts";

/** The call that {@link GpuCall} uploads. */
export interface GpuCallOptions {
  /** Queries, keys and values in the kernels' element type. */
  readonly qkv: Qkv;
  /** Whether the call is causal. */
  readonly causal: boolean;
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Element type of the kernels. */
  readonly dtype: "f32" | "f16";
}

/** A case that is ready to run. */
export interface PreparedCase {
  /** Runs it on outputs that were NaN before, and reads them. */
  run(): Promise<Tensor<FloatData>>;
  /** Times it. */
  time(options: { readonly repetitions: number; readonly warmUp?: number }): Promise<Timing>;
  /** Frees what belongs to it alone. */
  free(): void;
}

/**
 * Bytes of an element.
 *
 * @example
 * ```ts
 * import { ELEMENT_BYTES } from "./kernel.ts";
 * console.log(ELEMENT_BYTES.f16); // 2
 * ```
 */
export const ELEMENT_BYTES = { f32: 4, f16: 2 } as const;
/** Levels that the buffers of keys and values have room for: all that a key block of 128 may have. */
const LEVELS = [1, 2, 4, 8, 16, 32, 64, 128];

/**
 * Bytes of the largest buffer of a call: queries, or keys or values with all levels of their pyramid.
 *
 * @param shape the sizes of the call
 * @param options key block size and element type
 *
 * @example
 * ```ts
 * import { largestBuffer } from "./kernel.ts";
 * const shape = { batch: 1, heads: 2, kvHeads: 1, seqQ: 4096, seqK: 64, headDim: 64, valueDim: 64 };
 * console.log(largestBuffer(shape, { blockN: 64, dtype: "f32" }).label); // q
 * ```
 */
export function largestBuffer(
  { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim }: AttentionShape,
  { blockN, dtype }: Pick<GpuCallOptions, "blockN" | "dtype">,
): { label: string; size: number } {
  const bytes = ELEMENT_BYTES[dtype], rows = sectionsOf(batch * kvHeads, seqK, blockN).rows;
  const sizes = [
    { label: "q", size: batch * heads * seqQ * Math.max(headDim, valueDim) * bytes },
    { label: "k with its pyramid", size: rows * headDim * bytes },
    { label: "v with its pyramid", size: rows * valueDim * bytes },
  ];
  return sizes.reduce((most, each) => each.size > most.size ? each : most);
}

function sectionsOf(heads: number, seqK: number, blockN: number): Sections {
  const levels = LEVELS.filter((level) => level <= blockN);
  return layOutSections(heads, { seqK, blockN, levels, tail: "exact" });
}

/**
 * One attention call on the GPU.
 *
 * @example
 * ```ts
 * import { makeWorkload } from "../../../fixtures/workloads.ts";
 * import { openGpu } from "../../../kernels/device/gpu.ts";
 * import { GpuCall } from "./kernel.ts";
 *
 * using gpu = await openGpu();
 * const { qkv } = makeWorkload("gaussian", { seqQ: 128, headDim: 16 });
 * using call = new GpuCall(gpu, { qkv, causal: false, blockM: 32, blockN: 16, dtype: "f32" });
 * const dense = await call.prepare(null);
 * console.log((await dense.run()).shape); // [1, 1, 128, 16]
 * ```
 */
export class GpuCall implements Disposable {
  /** What owns the buffers. */
  readonly gpu: Gpu;
  readonly #shape: AttentionShape;
  readonly #sections: Sections;
  readonly #buffers: { q: GPUBuffer; k: GPUBuffer; v: GPUBuffer; out: GPUBuffer; lse: GPUBuffer };

  /**
   * Uploads a call.
   *
   * @throws {InputError} if it exceeds a limit of the device, or half precision is asked for and not there
   */
  constructor(device: Gpu, readonly options: GpuCallOptions) {
    const gpu = this.gpu = device.scope(), { qkv: { q, k, v }, blockN, dtype } = options;
    requireInput(
      dtype === "f32" || gpu.has("shader-f16"),
      `--dtype is f16; ${gpu.info.description} has no half precision (shader-f16).`,
    );
    const shape = this.#shape = attentionShape(options.qkv), bytes = ELEMENT_BYTES[dtype];
    const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
    this.#sections = sectionsOf(batch * kvHeads, seqK, blockN);
    const { rows } = this.#sections;
    const buffer = (label: string, elements: number) => gpu.createBuffer(label, { size: elements * bytes });
    this.#buffers = {
      q: buffer("queries", batch * heads * seqQ * headDim),
      k: buffer("keys", rows * headDim),
      v: buffer("values", rows * valueDim),
      out: buffer("outputs", batch * heads * seqQ * valueDim),
      lse: gpu.createBuffer("log-sum-exps", { size: batch * heads * seqQ * 4 }),
    };
    for (const [name, { data }] of [["q", q], ["k", k], ["v", v]] as const) {
      upload(gpu, this.#buffers[name], {
        data: dtype === "f16" ? Float16Array.from(data) : Float32Array.from(data),
      });
    }
  }

  /**
   * Prepares a case: the pyramid of the levels that occur, and attention.
   *
   * @param levels int32 [batch, heads, query blocks, key blocks], or null for dense attention
   */
  async prepare(levels: Tensor<Int32Array> | null): Promise<PreparedCase> {
    const { gpu, options: { blockM, blockN, causal, dtype } } = this, shape = this.#shape;
    const used = new Set(levels?.data ?? [1]), most = Math.max(1, ...used);
    const sections = only(this.#sections, used), lists = levels && this.#uploadLists(levels);
    const pyramids = await this.#pyramids(sections);
    const kernel = await buildAttention(gpu, {
      shape,
      ...{ blockM, blockN, dtype, causal },
      dense: levels === null,
      partial: shape.seqK % most !== 0,
      scale: 1 / Math.sqrt(shape.headDim),
      tail: "exact",
      sections: this.#sections,
      buffers: this.#buffers,
    });
    const attention = await kernel(lists ?? undefined);
    const encode: Encode = (pass) => [...pyramids, attention].forEach((stage) => stage(pass));
    return {
      run: () => this.#run(encode),
      time: (timing) => timeWork(gpu, encode, { label: "a case of the sweep", ...timing }),
      free: () => {
        if (lists) Object.values(lists).forEach((each) => gpu.destroyBuffer(each));
      },
    };
  }

  /** Frees the tensors. */
  [Symbol.dispose](): void {
    this.gpu[Symbol.dispose]();
  }

  #uploadLists(levels: Tensor<Int32Array>): { list: GPUBuffer; offsets: GPUBuffer } {
    const made = makeLists(levels, { blockN: this.options.blockN, sections: this.#sections });
    const place = (label: string, data: Uint32Array<ArrayBuffer>) => {
      const buffer = this.gpu.createBuffer(label, { size: Math.max(4, data.byteLength) });
      upload(this.gpu, buffer, { data });
      return buffer;
    };
    return { list: place("work lists", made.list), offsets: place("offsets of work lists", made.offsets) };
  }

  async #pyramids(sections: Sections): Promise<Encode[]> {
    const { batch, kvHeads, seqK, headDim, valueDim } = this.#shape, { dtype } = this.options;
    const common = { heads: batch * kvHeads, tokens: seqK, dtype, tail: "exact", sections } as const;
    return [
      await preparePyramid(this.gpu, this.#buffers.k, { ...common, dim: headDim }),
      await preparePyramid(this.gpu, this.#buffers.v, { ...common, dim: valueDim }),
    ];
  }

  async #run(encode: Encode): Promise<Tensor<FloatData>> {
    const { gpu, options: { dtype } } = this, { batch, heads, seqQ, valueDim } = this.#shape;
    poison(gpu, this.#buffers.out);
    await submitPass(gpu, [encode], { label: "a case of the sweep" });
    const shape = [batch, heads, seqQ, valueDim];
    const size = batch * heads * seqQ * valueDim * ELEMENT_BYTES[dtype];
    const bytes = await download(gpu, this.#buffers.out, { size });
    return { data: dtype === "f16" ? new Float16Array(bytes) : new Float32Array(bytes), shape };
  }
}

/** The same places, with the levels that do not occur left empty. */
function only({ sections, rows }: Sections, used: ReadonlySet<number>): Sections {
  return { rows, sections: sections.map((each) => used.has(each.level) ? each : { ...each, tokens: 0 }) };
}
