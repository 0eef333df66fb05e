/**
 * How many heads of an input are in memory at a time.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import type { AttentionShape, Qkv } from "../../../reference/tensor.ts";

/** Some heads of an input. */
export interface HeadGroup {
  /** Place of the first in the call. */
  readonly firstHead: number;
  /** How many query heads. */
  readonly heads: number;
  /** Loads or makes them, rounded to the element type of the kernels. */
  load(): Promise<Qkv>;
}

/** Bytes that a head takes for each element of its queries while it is judged, and that a worker takes. */
const BYTES_JUDGED = 100, BYTES_WORKER = 40;
/** Bytes of the program itself. */
const PROGRAM = 400 * 2 ** 20;
/** The share of the memory that heads get; workers get the rest. */
const SHARE = 0.65;

/** The limits that memory sets. */
export interface MemoryPlan {
  /** Query heads of a group at most. */
  readonly groupHeads: number;
  /** Workers at most. */
  readonly workers: number;
}

/**
 * The number of heads and workers that fit into a number of bytes.
 *
 * @param name the input, for the message
 * @param options its sizes, and the bytes
 * @throws {InputError} if not one head does
 *
 * @example
 * ```ts
 * import { planMemory } from "./groups.ts";
 * const shape = { seqQ: 75600, seqK: 75600, headDim: 128, valueDim: 128 };
 * console.log(planMemory("video", { shape, bytes: 2 ** 31 }).groupHeads); // 1
 * ```
 */
export function planMemory(
  name: string,
  { shape: { seqQ, seqK, headDim, valueDim }, bytes }: {
    readonly shape: Pick<AttentionShape, "seqQ" | "seqK" | "headDim" | "valueDim">;
    readonly bytes: number;
  },
): MemoryPlan {
  const elements = Math.max(seqQ, seqK) * Math.max(headDim, valueDim), room = Math.max(0, bytes - PROGRAM);
  const { available } = Deno.systemMemoryInfo(), gibibytes = (each: number) => (each / 2 ** 30).toFixed(1);
  const needed = PROGRAM + BYTES_JUDGED * elements / SHARE;
  requireInput(
    needed <= available,
    () =>
      `${name} needs about ${gibibytes(needed)} GiB of memory for one head of ${seqQ} tokens; ${
        gibibytes(available)
      } GiB are free.`,
  );
  requireInput(
    needed <= bytes,
    () => `--memory is ${gibibytes(bytes)} GiB; one head of ${name} needs about ${gibibytes(needed)}.`,
  );
  return {
    groupHeads: Math.max(1, Math.floor(SHARE * room / (BYTES_JUDGED * elements))),
    workers: Math.max(1, Math.floor((1 - SHARE) * room / (BYTES_WORKER * elements))),
  };
}

/**
 * Heads in groups, each within one key head or of whole ones, and within one batch entry.
 *
 * @param shape the sizes of the call
 * @param most query heads of a group at most
 *
 * @example
 * ```ts
 * import { cutHeads } from "./groups.ts";
 * console.log(cutHeads({ batch: 1, heads: 6, kvHeads: 2 }, 2)); // [[0, 2], [2, 3], [3, 5], [5, 6]]
 * ```
 */
export function cutHeads(
  { batch, heads, kvHeads }: Pick<AttentionShape, "batch" | "heads" | "kvHeads">,
  most: number,
): [first: number, end: number][] {
  if (most >= batch * heads) return [[0, batch * heads]];
  const group = heads / kvHeads, ranges: [number, number][] = [];
  const step = most >= group ? Math.floor(most / group) * group : most, unit = most >= group ? heads : group;
  for (let begin = 0; begin < batch * heads; begin += unit) {
    for (let first = begin; first < begin + unit; first += step) {
      ranges.push([first, Math.min(first + step, begin + unit)]);
    }
  }
  return ranges;
}
