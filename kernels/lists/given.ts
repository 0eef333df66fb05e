/**
 * Work lists of levels that a call was given: the device makes them, as it does of levels that it has chosen.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import type { Tensor } from "../../reference/tensor.ts";
import type { AttentionKernel } from "../attention/attention.ts";
import type { Gpu } from "../device/gpu.ts";
import { type Encode, submitPass } from "../device/pass.ts";
import { upload } from "../device/transfer.ts";
import { groupTokens } from "./naive.ts";
import { type ListsStage, prepareLists } from "./build.ts";
import type { ResolvedSetup } from "../plan.ts";

/** [batch, heads, query blocks, key blocks]. */
export function levelShape({ shape, config }: Pick<ResolvedSetup, "shape" | "config">): number[] {
  const { batch, heads, seqQ, seqK } = shape;
  return [batch, heads, Math.ceil(seqQ / config.blockM), Math.ceil(seqK / config.blockN)];
}

/** Work lists of given levels; their buffers grow with them. */
export class GivenLists {
  readonly #gpu: Gpu;
  readonly #setup: ResolvedSetup;
  #levels: GPUBuffer | undefined;
  #lists: ListsStage | undefined;
  #most = 0;
  #bound: Encode | undefined;

  /** Makes nothing yet. */
  constructor(gpu: Gpu, setup: ResolvedSetup) {
    this.#gpu = gpu;
    this.#setup = setup;
  }

  /**
   * Uploads levels, makes their lists on the device and binds the kernel to them.
   *
   * @param levels int32 [batch, heads, query blocks, key blocks]
   * @param kernel attention that waits for lists
   * @throws {InputError} if the levels have another shape, or one that the pipeline was not built for
   */
  async bind(levels: Tensor<Int32Array>, kernel: AttentionKernel): Promise<Encode> {
    this.#check(levels);
    const { shape, config, sections } = this.#setup, group = groupTokens(sections, config.blockN);
    const most = mostGroups(levels, { blockN: config.blockN, group });
    this.#levels ??= this.#gpu.createBuffer("given levels", { size: 4 * levels.data.length });
    if (this.#lists === undefined || most > this.#most) {
      this.#free();
      this.#lists = await prepareLists(this.#gpu, this.#levels, { shape, config, group, mostGroups: most });
      this.#most = most;
    }
    upload(this.#gpu, this.#levels, { data: levels.data as Int32Array<ArrayBuffer> });
    // not among the passes of a call, whose times are those of attention over levels that are given
    await submitPass(this.#gpu, [this.#lists.encode], { label: "work lists" });
    return this.#bound ??= await kernel(this.#lists);
  }

  /** Forgets the lists, so that none are left over if larger ones do not fit on the device. */
  #free(): void {
    if (this.#lists === undefined) return;
    for (const buffer of [this.#lists.list, this.#lists.offsets]) this.#gpu.destroyBuffer(buffer);
    this.#lists = this.#bound = undefined;
  }

  #check(levels: Tensor<Int32Array>): void {
    const shape = levelShape(this.#setup), { sections } = this.#setup.sections;
    requireInput(
      `${levels.shape}` === `${shape}`,
      () => `\`levels\` has shape [${levels.shape}]; these blocks need [${shape}].`,
    );
    const known = new Set(sections.flatMap(({ level, tokens }) => tokens > 0 ? [level] : []));
    const stray = levels.data.find((level) => level !== 0 && !known.has(level));
    requireInput(
      stray === undefined,
      () => `\`levels\` holds ${stray}; this pipeline was built for 0, ${[...known].join(", ")}.`,
    );
  }
}

/** The most groups of 8 pooled tokens that a row of levels can have; a block takes a group at least. */
function mostGroups(
  { data, shape }: Tensor<Int32Array>,
  { blockN, group }: { readonly blockN: number; readonly group: number },
): number {
  const columns = shape[3], tokensOf = new Map([[0, 0]]);
  for (let level = 1; level <= blockN; level *= 2) tokensOf.set(level, Math.max(blockN / level, group));
  let most = 1;
  for (let row = 0; row < data.length; row += columns) {
    let tokens = 0;
    for (let j = 0; j < columns; j++) tokens += tokensOf.get(data[row + j])!;
    most = Math.max(most, Math.ceil(tokens / 8));
  }
  return most;
}
