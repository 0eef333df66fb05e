/**
 * The inputs of methods: one attention call, and results that several methods need, computed once.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import { attend, type AttentionResult } from "../attention/attention.ts";
import { denseCall } from "../attention/call.ts";
import type { Box, ImportanceConfig, OrderConfig } from "../config/config.ts";
import { requireInput } from "../errors.ts";
import { headSlice, kvHeadOf } from "../heads.ts";
import { forEachWeightRows, massOfChecked } from "../judge/mass.ts";
import { requireBlock } from "../pyramid/pyramid.ts";
import { importanceOfChecked } from "../importance/by_config.ts";
import { requireStride } from "../importance/importance.ts";
import { attentionShape, type Qkv, type Tensor, toFloat64 } from "../tensor.ts";
import type { Method, MethodInputs, ReleasedQuotas } from "./method.ts";

/** Options of {@link methodInputs}. */
export interface MethodInputOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Whether a query sees only keys up to its own position; default false. */
  readonly causal?: boolean;
  /** Factor on q . k; default 1 / sqrt(head dimension). */
  readonly scale?: number;
  /** Seed of methods that draw; default 0. */
  readonly seed?: number;
  /** Key rows that a kernel processes at once; default 32, or the key block if that is smaller. */
  readonly tile?: number;
  /** The importance that `--importance` chooses; default all tokens, or antidiagonal with stride 8 if causal. */
  readonly importance?: ImportanceConfig;
  /** The size of the video in tokens; methods of the grid need it. */
  readonly grid?: Box;
  /** The place of every token in raster order; default: tokens are in that order. */
  readonly places?: Int32Array;
  /** Dense attention of these inputs, if it was computed already. */
  readonly dense?: AttentionResult;
  /** The importance of methods that take any, if it was computed already. */
  readonly importanceGiven?: Tensor<Float64Array>;
  /** The true softmax mass of the blocks, if it was computed already. */
  readonly mass?: Tensor<Float64Array>;
  /** Place of the first head in the call that these heads are a part of; default 0. */
  readonly firstHead?: number;
  /** The quotas of a released model, for `psa-released`. */
  readonly released?: ReleasedQuotas;
}

/**
 * Prepares an attention call for methods. Importance, true mass and dense attention are computed when a method first
 * asks for them, and kept.
 *
 * @param qkv queries, keys and values, in the order of the blocks
 * @param options block sizes, and values that differ from the defaults
 * @throws {InputError} if tensors disagree, a block is not a positive integer, or places are no permutation
 *
 * @example
 * ```ts
 * import { makeWorkload } from "../../fixtures/workloads.ts";
 * import { choose } from "./fit.ts";
 * import { methodInputs } from "./inputs.ts";
 * import { psa } from "./pyramid/psa.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 16 });
 * const inputs = methodInputs(qkv, { blockM: 32, blockN: 16 });
 * console.log(choose(psa, inputs, 0.25).density); // 0.244140625: as near as levels come
 * ```
 */
export function methodInputs(qkv: Qkv, options: MethodInputOptions): MethodInputs {
  const { blockM, blockN, causal = false, seed = 0, grid, places, firstHead = 0, released } = options;
  const shape = attentionShape(qkv), { seqQ, seqK, headDim } = shape;
  requireBlock("blockM", blockM);
  requireBlock("blockN", blockN);
  if (places !== undefined) requirePlaces(places, seqK);
  const { tile = Math.min(32, blockN), scale = defaultScale(headDim) } = options;
  const { importance = causal ? { kind: "antidiagonal", stride: 8 } : { kind: "full" } } = options;
  const kept = new Map<string, unknown>();
  const once = <Value>(name: string, compute: () => Value): Value => {
    if (!kept.has(name)) kept.set(name, compute());
    return kept.get(name) as Value;
  };
  const blocks = { blockM, blockN, causal, scale };
  const nameOf = (config: ImportanceConfig) => `importance ${JSON.stringify(config)}`;
  if (options.importanceGiven) kept.set(nameOf(importance), options.importanceGiven);
  const dense = () => options.dense ?? once("dense", () => attend(qkv, denseCall(shape, { scale, causal })));
  return {
    qkv,
    sizes: { blockM, blockN, seqQ, seqK },
    causal,
    scale,
    seed,
    tile,
    importance,
    grid,
    places,
    firstHead,
    released,
    importanceOf: (config) =>
      once(nameOf(config), () => {
        if (config.kind === "antidiagonal") requireStride(config.stride, blocks);
        return importanceOfChecked(qkv, { ...blocks, importance: config, firstHead });
      }),
    mass: () => options.mass ?? once("mass", () => massOfChecked(qkv, blocks)),
    dense,
    denseLse: () => {
      const { lse } = options.dense ?? { lse: null };
      if (lse !== null && lse.data.length > 0) return lse;
      return kept.has("dense") ? dense().lse : once("dense lse", () => lseOfAll(qkv, { scale, causal }));
    },
    once,
  };
}

/** Throws unless places are a permutation of the tokens. */
function requirePlaces(places: Int32Array, tokens: number): void {
  const seen = new Uint8Array(tokens);
  for (const place of places) if (place >= 0 && place < tokens) seen[place] = 1;
  requireInput(
    places.length === tokens && !seen.includes(0),
    () => `\`places\` does not name each of the ${tokens} tokens once; it should be a permutation of them.`,
  );
}

/** Log-sum-exp of dense attention, [batch, heads, query tokens]. */
function lseOfAll(
  { q, k }: Qkv,
  { scale, causal }: { readonly scale: number; readonly causal: boolean },
): Tensor<Float64Array> {
  const [batch, heads, seqQ] = q.shape, data = new Float64Array(batch * heads * seqQ);
  for (let head = 0; head < batch * heads; head++) {
    const visit = (first: number, _: Float64Array, lse: readonly number[]) => {
      for (let r = 0; r < Math.min(lse.length, seqQ - first); r++) data[head * seqQ + first + r] = lse[r];
    };
    const keys = toFloat64(headSlice(k, kvHeadOf({ q, k }, head)));
    forEachWeightRows(toFloat64(headSlice(q, head)), keys, { scale, causal, visit });
  }
  return { data, shape: [batch, heads, seqQ] };
}

/** The layout of a call: the order of its tokens, and its block sizes. */
export interface MethodLayout {
  /** The order into which tokens in raster order have to be brought. */
  readonly order: OrderConfig;
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
}

/**
 * The order and the blocks that a method works on: those of the sweep's axes, or for a method of the grid its own
 * tiles, a block each.
 *
 * @param method the method
 * @param options the requested order and blocks, and the video if it is known
 * @throws {InputError} if a method of the grid has no grid, or its tiles do not divide it
 *
 * @example
 * ```ts
 * import { methodLayout } from "./inputs.ts";
 * import { sta } from "./mask/sta.ts";
 * const grid = { width: 16, height: 16, depth: 16 };
 * const asked = { order: { kind: "raster" }, blockM: 128, blockN: 64, grid } as const;
 * console.log(methodLayout(sta, asked).order.kind, methodLayout(sta, asked).blockM); // tile 64
 * ```
 */
export function methodLayout(
  { name, gridTile }: Pick<Method, "name" | "gridTile">,
  { grid, ...asked }: MethodLayout & { readonly grid?: Box },
): MethodLayout {
  if (gridTile === undefined) return asked;
  const box = requireGrid(name, gridTile, grid), block = gridTile.width * gridTile.height * gridTile.depth;
  return { order: { kind: "tile", box, tile: gridTile }, blockM: block, blockN: block };
}

/**
 * The grid of a method that needs one.
 *
 * @throws {InputError} if there is none, or tiles do not divide it
 */
export function requireGrid(name: string, tile: Box, grid: Box | undefined): Box {
  requireInput(
    grid !== undefined,
    () => `\`grid\` is missing; ${name} needs the video's width, height and depth.`,
  );
  const text = ({ width, height, depth }: Box) => `${width} wide, ${height} high and ${depth} deep`;
  requireInput(
    grid.width % tile.width === 0 && grid.height % tile.height === 0 && grid.depth % tile.depth === 0,
    () => `\`grid\` is ${text(grid)}; ${name} needs multiples of its tiles, ${text(tile)}.`,
  );
  return grid;
}
