/**
 * The axes of a sweep that change what an input is cut into: blocks, tile, element type, causality. They are crossed
 * before anything is loaded; within one variant each of them has one value.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import type { SweepOptions } from "./sweep_options.ts";

/** One value of each axis. */
export interface Variant {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Key rows that a kernel takes at once. */
  readonly tile: number;
  /** Element type of the kernels. */
  readonly dtype: "f32" | "f16";
  /** Whether calls are causal; null: taken from the input. */
  readonly causal: boolean | null;
}

/** The options of a sweep with one value of each of these axes. */
export interface VariantOptions extends Omit<SweepOptions, keyof Variant>, Variant {}

/** The default tile, in tokens. */
const USUAL_TILE = 32;

/**
 * All variants of a sweep. A tile that is larger than a key block is left out where other pairs are there.
 *
 * @param options the options of the sweep
 * @throws {InputError} if no tile fits into a key block
 *
 * @example
 * ```ts
 * import { parseOptions } from "./options.ts";
 * import { variantsOf } from "./variants.ts";
 * const options = parseOptions(["--block-n", "32,64", "--dtype", "f32,f16"], ["psa", "dense", "block-topk"]);
 * console.log(variantsOf(options).length); // 4
 * ```
 */
export function variantsOf(options: SweepOptions): VariantOptions[] {
  const pairs = options.blockN.flatMap((blockN) => {
    const tiles = options.tile.length > 0 ? options.tile : [Math.min(USUAL_TILE, blockN)];
    return tiles.filter((tile) => tile <= blockN).map((tile) => ({ blockN, tile }));
  });
  requireInput(
    pairs.length > 0,
    () => `--tile is ${options.tile}; it should be at most --block-n, ${options.blockN}.`,
  );
  return options.causal.flatMap((causal) =>
    options.dtype.flatMap((dtype) =>
      options.blockM.flatMap((blockM) =>
        pairs.map((pair) => ({ ...options, ...pair, causal, dtype, blockM }))
      )
    )
  );
}
