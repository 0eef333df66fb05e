/**
 * Masks whose bits lie on the device: what makes them, and how they are read.
 *
 * @module
 */
import { wordsOf } from "../../../reference/masks/bits.ts";
import { buildMask, type Mask } from "../../../reference/masks/mask.ts";
import type { AttentionShape } from "../../../reference/tensor.ts";
import type { Gpu } from "../../device/gpu.ts";
import type { Encode } from "../../device/work/pass.ts";
import { download } from "../../device/transfer.ts";

/** The call that a rule chooses keys of. */
export interface KeyRuleCall {
  /** Its sizes. */
  readonly shape: AttentionShape;
  /** Element type of tokens. */
  readonly dtype: "f32" | "f16";
  /** Factor on q . k. */
  readonly scale: number;
  /** Queries [heads of all batch entries][query tokens][channels]. */
  readonly q: GPUBuffer;
  /** Keys [key heads of all batch entries][key tokens][channels]; what lies behind them is not read. */
  readonly k: GPUBuffer;
  /** Values, as keys. */
  readonly v: GPUBuffer;
  /** Bytes of scores at a time, unless one query needs more; default 256 MiB. */
  readonly scoreBytes?: number;
}

/** The stage that makes the bits of a mask, and the buffer that holds them. */
export interface ChosenBits {
  /** The dispatches. */
  readonly encodes: readonly Encode[];
  /** Bits [heads of all batch entries][query tokens][words of the keys]. */
  readonly mask: GPUBuffer;
  /** Whether it has one row for all queries of a head; default one for each. */
  readonly isShared?: boolean;
}

/** The mask of bits on the device, which are copied to the CPU. */
export async function readMask(
  gpu: Gpu,
  { mask, isShared = false }: Pick<ChosenBits, "mask" | "isShared">,
  { batch, heads, seqQ, seqK }: AttentionShape,
): Promise<Mask> {
  const words = wordsOf(seqK), rowsOfHead = isShared ? 1 : seqQ;
  const bits = new Uint32Array(await download(gpu, mask, { size: 4 * batch * heads * rowsOfHead * words }));
  return buildMask([batch, heads, seqQ, seqK], {
    fill: (rows, head, first, end) => {
      for (let i = first; i < end; i++) {
        const from = (head * rowsOfHead + (isShared ? 0 : i)) * words;
        rows.set(bits.subarray(from, from + words), (i - first) * words);
      }
    },
  });
}
