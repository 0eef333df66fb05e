/**
 * Whether a method can be had for a call.
 *
 * @module
 */
import { InputError } from "../errors.ts";
import { requireDensity } from "../levels/budget.ts";
import type { CallFacts, MethodFacts, MethodInputs } from "./method.ts";

/**
 * Why a method cannot be had for a call, as a sentence; null if it can.
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
 * Throws unless a method can be had for a call at a density.
 *
 * @throws {InputError} that says what the method lacks, or that the density is outside (0, 1]
 */
export function requireMethodCall(
  method: Parameters<typeof whyNot>[0],
  { causal, grid, sizes: { seqQ, seqK }, qkv: { q } }: MethodInputs,
  density: number,
): void {
  requireDensity(density);
  const reason = whyNot(method, { causal, grid, seqQ, seqK, headDim: q.shape[3] });
  if (reason !== null) throw new InputError(reason);
}
