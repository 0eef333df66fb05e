/**
 * Whether a method can run on a call, and the function that lets it choose.
 *
 * @module
 */
import type { Box } from "../config/config.ts";
import { InputError, requireInput } from "../errors.ts";
import { requireDensity } from "../levels/budget.ts";
import { requireGrid } from "./inputs.ts";
import type { CallFacts, Method, MethodFacts, MethodInputs } from "./method.ts";

/**
 * Why a method cannot run on a call, as a sentence; null if it can.
 *
 * @param method the method
 * @param call sizes, causality and the video
 *
 * @example
 * ```ts
 * import { whyNot } from "./fit.ts";
 * import { radial } from "./grid/radial.ts";
 * const call = { seqQ: 64, seqK: 64, headDim: 16, causal: false };
 * console.log(whyNot(radial, call)); // `grid` is missing; radial needs the video's width, height and depth.
 * ```
 */
export function whyNot(
  { name, causal, usesGrid, gridTile, lacks }: Pick<
    MethodFacts,
    "name" | "causal" | "usesGrid" | "gridTile" | "lacks"
  >,
  call: CallFacts,
): string | null {
  if (call.causal && !causal) return `\`causal\` is true; ${name} has no causal form.`;
  const { grid, seqQ, seqK } = call;
  if (usesGrid || gridTile !== undefined) {
    if (grid === undefined) return `\`grid\` is missing; ${name} needs the video's width, height and depth.`;
    const tokens = grid.width * grid.height * grid.depth;
    if (tokens !== seqQ || tokens !== seqK) {
      return `\`grid\` holds ${tokens} tokens; ${name} needs as many as the ${seqQ} queries and ${seqK} keys.`;
    }
  }
  return lacks?.(call) ?? null;
}

/**
 * Lets a method choose. The density, and the method's requirements on the call, are
 * checked here for all methods; checks of `methodInputs` are not repeated.
 *
 * @param method the method
 * @param inputs the call
 * @param density the density to keep, in (0, 1]
 * @throws {InputError} that says what the call lacks, or that the density is outside (0, 1]
 *
 * @example
 * ```ts
 * import { choose } from "./fit.ts";
 * import { methodInputs } from "./inputs.ts";
 * import { radial } from "./grid/radial.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(64 * 8), [1, 1, 64, 8]), grid = { width: 4, height: 4, depth: 4 };
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 16, blockN: 16, grid });
 * console.log(choose(radial, inputs, 0.2).mask.visible(0, 0, 16)); // true: the same place one frame later
 * ```
 */
export function choose<Chosen extends Method>(
  method: Chosen,
  inputs: MethodInputs,
  density: number,
): ReturnType<Chosen["select"]> {
  if (method.ownDensity !== true) requireDensity(density);
  const { causal, grid, sizes, qkv: { q } } = inputs;
  const reason = whyNot(method, { ...sizes, causal, grid, headDim: q.shape[3] });
  if (reason !== null) throw new InputError(reason);
  if (method.gridTile !== undefined) requireTiles(method.name, method.gridTile, inputs);
  return method.select(inputs, density) as ReturnType<Chosen["select"]>;
}

/** Throws unless a call fits a method with tiles: tiles divide the grid, and each block is a tile. */
function requireTiles(name: string, tile: Box, { grid, sizes: { blockM, blockN } }: MethodInputs): void {
  requireGrid(name, tile, grid);
  const block = tile.width * tile.height * tile.depth;
  requireInput(
    blockM === block && blockN === block,
    () => `Blocks are ${blockM} x ${blockN} tokens; ${name} needs its tiles as blocks, ${block} x ${block}.`,
  );
}
