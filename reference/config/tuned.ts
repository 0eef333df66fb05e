/**
 * Choices of levels, head by head: what `deno task tune` finds, and `createPsa` runs.
 *
 * @module
 */
import { InputError, requireInput } from "../errors.ts";
import { shareErrors } from "../levels/ratios.ts";
import type { Box, ImportanceConfig, OrderConfig } from "./config.ts";

/** The methods that a choice may have; `ranked` stands for all budgets that are spent on the best blocks first. */
export const FAMILIES: readonly Family[] = ["ranked", "psa-threshold", "xattention", "spargeattn"];
/** A method of a choice. */
export type Family = "ranked" | "psa-threshold" | "xattention" | "spargeattn";

/** The orders that a choice may have. */
export const ORDERS: readonly OrderName[] = ["raster", "tile", "gilbert"];
/** An order of tokens. */
export type OrderName = "raster" | "tile" | "gilbert";

/** The importances that a choice may have. */
export const IMPORTANCES: readonly ImportanceName[] = ["sampled", "pooled", "antidiagonal", "full"];
/** A kind of importance. */
export type ImportanceName = "sampled" | "pooled" | "antidiagonal" | "full";

/** The replacements of blocks that get no level: nothing, or one mean token each. */
export const RESTS: readonly Rest[] = ["skipped", "mean"];
/** The replacement of blocks that get no level. */
export type Rest = "skipped" | "mean";

/** How levels are chosen for a head, as data. */
export interface Choice {
  /** The method. */
  readonly method: Family;
  /** The order of the tokens. */
  readonly order: OrderName;
  /** How key blocks are scored; null: as the method does. */
  readonly importance: ImportanceName | null;
  /** Share of the density that each level gets; null: as the method does. */
  readonly shares: Readonly<Record<string, number>> | null;
  /** The replacement of blocks that get no level. */
  readonly rest: Rest;
}

/** The choice of a head. */
export interface ChosenHead {
  /** The head, counted over batch entries. */
  readonly head: number;
  /** Method, order, importance, shares and rest. */
  readonly choice: Choice;
  /** The density to ask the method for, in (0, 1]. */
  readonly asked: number;
}

/** The sizes that choices hold for. */
export interface TunedShape {
  /** The query heads, counted over batch entries. */
  readonly heads: readonly number[];
  /** Query tokens. */
  readonly seqQ: number;
  /** Key tokens. */
  readonly seqK: number;
  /** Head dimension. */
  readonly headDim: number;
  /** Value dimension. */
  readonly valueDim: number;
  /** Whether a query sees only keys up to its own position. */
  readonly causal: boolean;
  /** Frames, rows and columns of the video; null: none. */
  readonly grid: readonly [depth: number, height: number, width: number] | null;
  /** Text tokens at the end. */
  readonly textLength: number;
}

/** The part of a tuned file that a call needs: the choices of all of its heads. */
export interface TunedCall {
  /** The sizes of the calls that they hold for. */
  readonly shape: TunedShape;
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** The seed of what is drawn. */
  readonly seed: number;
  /** The choice of every head, in the order of the heads of `shape`. */
  readonly heads: readonly ChosenHead[];
}

/** Neighbouring tokens that an antidiagonal sum takes together, where nothing else is said. */
export const STRIDE = 8;
/** The tiles of the order of that name. */
export const TILE: Box = { width: 4, height: 4, depth: 4 };

/**
 * The importance of a name.
 *
 * @param name the name; null: that of the methods that have their own, which is `pooled`
 * @param seed of what is drawn
 *
 * @example
 * ```ts
 * import { importanceNamed } from "./tuned.ts";
 * console.log(importanceNamed("sampled", 3)); // { kind: "sampled", seed: 3 }
 * ```
 */
export function importanceNamed(name: ImportanceName | null, seed: number): ImportanceConfig {
  if (name === "sampled") return { kind: name, seed };
  if (name === "antidiagonal") return { kind: name, stride: STRIDE };
  return { kind: name ?? "pooled" };
}

/**
 * The order of a name; null if it needs a video that it can cut, and there is none.
 *
 * @param name the name
 * @param box the video
 *
 * @example
 * ```ts
 * import { orderNamed } from "./tuned.ts";
 * console.log(orderNamed("tile", undefined)); // null
 * ```
 */
export function orderNamed(name: OrderName, box: Box | undefined): OrderConfig | null {
  if (name === "raster") return { kind: name };
  if (box === undefined) return null;
  if (name === "gilbert") return { kind: name, box, variant: "curve" };
  const isCut = box.width % TILE.width === 0 && box.height % TILE.height === 0 &&
    box.depth % TILE.depth === 0;
  return isCut ? { kind: name, box, tile: TILE } : null;
}

/**
 * Throws unless a value is a choice.
 *
 * @param choice the value
 * @throws {InputError} one sentence with the first field that is wrong
 *
 * @example
 * ```ts
 * import { requireChoice } from "./tuned.ts";
 * const choice = { method: "ranked", order: "raster", importance: "pooled", shares: { 1: 1 }, rest: "mean" } as const;
 * console.log(requireChoice(choice)); // undefined
 * ```
 */
export function requireChoice(choice: Choice): void {
  requireInput(
    typeof choice === "object" && choice !== null,
    () => `\`choice\` is ${JSON.stringify(choice)}; it should be an object.`,
  );
  const { method, order, importance, shares, rest } = choice;
  requireOne("method", method, FAMILIES);
  requireOne("order", order, ORDERS);
  requireOne("rest", rest, RESTS);
  if (importance !== null) requireOne("importance", importance, IMPORTANCES);
  const takes = method === "ranked" || method === "psa-threshold";
  requireInput(
    (importance !== null) === takes,
    () => `\`importance\` is ${importance}; ${method} ${takes ? "needs one" : "takes none"}.`,
  );
  if (method !== "ranked") {
    return requireInput(
      shares === null && rest === "skipped",
      () => `${method} has \`shares\` or a \`rest\`; it should have neither.`,
    );
  }
  requireInput(
    typeof shares === "object" && shares !== null,
    () => `\`shares\` is ${shares}; ranked needs some.`,
  );
  const [error] = shareErrors(shares!);
  if (error) throw new InputError(error);
}

function requireOne(field: string, value: unknown, known: readonly string[]): void {
  requireInput(
    known.includes(value as string),
    () => `\`${field}\` is ${JSON.stringify(value)}; it should be one of ${known.join(", ")}.`,
  );
}
