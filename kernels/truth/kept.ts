/**
 * Tokens of heads that stay on the device between calls on the same tensors: a sweep attends the same heads over many
 * levels, and pooling and uploading them anew takes longer than the attention.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../../reference/attention/call.ts";
import { headOf } from "../../reference/heads.ts";
import type { Qkv, Tensor } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { type HeadTokensOfLevels, tokensOfLevels } from "./head.ts";
import { placeTokens, type TokenBuffers } from "./run.ts";

/** Bytes of tokens that may stay. */
const MOST_BYTES = 2 ** 32;

/** A head on the device: its buffers, and where its levels lie in them. */
export interface KeptHead {
  readonly buffers: TokenBuffers;
  readonly places: HeadTokensOfLevels["places"];
}

/** A head that stays, and the scope that its buffers belong to. */
interface Entry extends KeptHead {
  readonly scope: Gpu;
}

/** The heads of one call's tensors. */
export class KeptHeads implements Disposable {
  readonly #gpu: Gpu;
  #of: Qkv | null = null;
  #entries = new Map<string, Entry>();
  #bytes = 0;

  /** Keeps nothing yet. */
  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  /**
   * Works with a head that has single tokens and the levels in use. It stays until another call's tensors come, if there
   * is room.
   *
   * @param qkv the call's tensors
   * @param index the head, counted over batch entries
   * @param options levels of the call, and how tails are pooled
   * @param work what is done with the head
   */
  async with<Result>(
    qkv: Qkv,
    index: number,
    { levels, call }: { readonly levels: Tensor<Int32Array>; readonly call: PyramidAttentionOptions },
    work: (head: KeptHead) => Promise<Result>,
  ): Promise<Result> {
    if (
      this.#of === null || (["q", "k", "v"] as const).some((name) => this.#of![name].data !== qkv[name].data)
    ) {
      this[Symbol.dispose]();
      this.#of = qkv;
    }
    const key = JSON.stringify([index, call.blockN, call.tail]), head = headOf(qkv, levels, index);
    const needed = new Set(head.levels.data), known = this.#entries.get(key);
    needed.delete(0);
    if (known && [...needed].every((level) => known.places.has(level))) return await work(known);
    for (const level of [1, ...known?.places.keys() ?? []]) needed.add(level);
    if (known) this.#drop(key, known);
    const made = this.#make(tokensOfLevels(head.qkv, [...needed].sort((a, b) => a - b), call));
    if (this.#bytes + made.scope.bytes <= MOST_BYTES) {
      this.#entries.set(key, made);
      this.#bytes += made.scope.bytes;
      return await work(made);
    }
    try {
      return await work(made);
    } finally {
      made.scope[Symbol.dispose]();
    }
  }

  #make(tokens: HeadTokensOfLevels): Entry {
    const scope = this.#gpu.scope();
    try {
      return { scope, buffers: placeTokens(scope, tokens), places: tokens.places };
    } catch (error) {
      scope[Symbol.dispose]();
      throw error;
    }
  }

  #drop(key: string, { scope }: Entry): void {
    this.#bytes -= scope.bytes;
    this.#entries.delete(key);
    scope[Symbol.dispose]();
  }

  /** Frees all heads. */
  [Symbol.dispose](): void {
    for (const [key, entry] of this.#entries) this.#drop(key, entry);
    this.#of = null;
  }
}
