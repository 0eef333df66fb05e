/**
 * The ways to choose levels that are tried for a head: methods, orders, importances, shares, and what stands for the
 * blocks that are not chosen.
 *
 * @module
 */
import { InputError, requireInput } from "../../reference/errors.ts";
import type { ImportanceConfig, Shares } from "../../reference/config/config.ts";
import { causalBlocks } from "../../reference/levels/causal.ts";
import { BINARY_SHARES, DEFAULT_SHARES } from "../../reference/levels/budget.ts";
import { listShares, shareErrors } from "../../reference/levels/ratios.ts";
import { spargeattn } from "../../reference/methods/mask/spargeattn.ts";
import { xattention } from "../../reference/methods/mask/xattention.ts";
import type { BlockMethod, BlockSelection, MethodInputs } from "../../reference/methods/method.ts";
import { psa } from "../../reference/methods/pyramid/psa.ts";
import { psaThreshold } from "../../reference/methods/pyramid/psa_threshold.ts";
import { ranked, selectionOf } from "../../reference/methods/select.ts";
import { STRIDE } from "../sweep/cases.ts";

/** The methods that are tried; `ranked` stands for all budgets that are spent on the best blocks first. */
export const FAMILIES = ["ranked", "psa-threshold", "xattention", "spargeattn"] as const;
/** A method that is tried. */
export type Family = typeof FAMILIES[number];

/** The orders that may be tried. */
export const ORDERS = ["raster", "tile", "gilbert"] as const;
/** An order of tokens. */
export type OrderName = typeof ORDERS[number];

/** The importances that may be tried. To score with `full` costs half of dense attention: it is not tried unasked. */
export const IMPORTANCES = ["sampled", "pooled", "antidiagonal", "full"] as const;
/** A kind of importance. */
export type ImportanceName = typeof IMPORTANCES[number];

/** The replacement of blocks that get no level: nothing, or one mean token each. */
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

/** A choice that can be measured. */
export interface Candidate {
  /** The choice in words; no two choices have the same ones. */
  readonly name: string;
  /** The order of the tokens. */
  readonly order: OrderName;
  /** How key blocks are scored; null: as the method does. */
  readonly importance: ImportanceName | null;
  /** Chooses levels. */
  readonly method: BlockMethod;
}

/** The axes of a space. */
export interface SpaceAxes {
  /** Methods; default all. */
  readonly methods?: readonly Family[];
  /** Orders; default raster. */
  readonly orders?: readonly OrderName[];
  /** Importances of methods that take any; default sampled, pooled and antidiagonal. */
  readonly importances?: readonly ImportanceName[];
}

/** The shares that are tried: full blocks alone, with halves, the paper's, and those of `psa-1248`. */
const SHARES: readonly Shares[] = [
  BINARY_SHARES,
  { 1: 0.8, 2: 0.2 },
  DEFAULT_SHARES,
  { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 },
];
const METHODS: Readonly<Record<Exclude<Family, "ranked">, BlockMethod>> = {
  "psa-threshold": psaThreshold,
  xattention,
  spargeattn,
};

/**
 * All choices of a space.
 *
 * @param axes methods, orders, importances
 *
 * @example
 * ```ts
 * import { choicesOf } from "./space.ts";
 * console.log(choicesOf().length, choicesOf({ orders: ["raster", "tile"] }).length); // 29 58
 * ```
 */
export function choicesOf({
  methods = FAMILIES,
  orders = ["raster"],
  importances = ["sampled", "pooled", "antidiagonal"],
}: SpaceAxes = {}): Choice[] {
  return orders.flatMap((order) =>
    methods.flatMap((method): Choice[] => {
      if (method === "ranked") {
        return importances.flatMap((importance) =>
          SHARES.flatMap((shares) =>
            (["skipped", "mean"] as const).map((rest) => ({
              ...{ method, order, importance, rest },
              shares: { ...shares } as Readonly<Record<string, number>>,
            }))
          )
        );
      }
      const kinds = METHODS[method].usesImportance ? importances : [null];
      return kinds.map((importance) => ({ method, order, importance, shares: null, rest: "skipped" }));
    })
  );
}

/**
 * The candidate that a choice describes.
 *
 * @param choice the choice
 * @throws {InputError} if there is no such choice
 *
 * @example
 * ```ts
 * import { candidateOf, choicesOf } from "./space.ts";
 * console.log(candidateOf(choicesOf()[1]).name); // ranked 1:1, rest mean, sampled, raster
 * ```
 */
export function candidateOf(choice: Choice): Candidate {
  const { method, order, importance, shares, rest } = choice;
  requireOne("method", method, FAMILIES);
  requireOne("order", order, ORDERS);
  requireOne("rest", rest, ["skipped", "mean"]);
  if (importance !== null) requireOne("importance", importance, IMPORTANCES);
  const own = method === "ranked" ? psa : METHODS[method];
  requireInput(
    (importance !== null) === own.usesImportance,
    () => `\`importance\` is ${importance}; ${method} ${own.usesImportance ? "needs one" : "takes none"}.`,
  );
  if (method !== "ranked") {
    requireInput(
      shares === null && rest === "skipped",
      () => `${method} has \`shares\` or a \`rest\`; it should have neither.`,
    );
    return { name: [method, importance, order].filter(Boolean).join(", "), order, importance, method: own };
  }
  requireInput(shares !== null, "`shares` is null; ranked needs some.");
  const [error] = shareErrors(shares);
  if (error) throw new InputError(error);
  const levels = listShares(shares).map(({ level, share }) => `${level}:${share}`).join(" ");
  const name = [`ranked ${levels}`, `rest ${rest}`, importance, order].join(", ");
  return { name, order, importance, method: rankedMethod(name, shares, rest) };
}

/**
 * The importance of a name.
 *
 * @param name the name; null: that of the methods that have their own, which is `pooled`
 * @param seed of what is drawn
 *
 * @example
 * ```ts
 * import { importanceOf } from "./space.ts";
 * console.log(importanceOf("sampled", 3)); // { kind: "sampled", seed: 3 }
 * ```
 */
export function importanceOf(name: ImportanceName | null, seed: number): ImportanceConfig {
  if (name === "sampled") return { kind: name, seed };
  if (name === "antidiagonal") return { kind: name, stride: STRIDE };
  return { kind: name ?? "pooled" };
}

/** The best blocks first at the levels of some shares, and the rest skipped or one mean token each. */
function rankedMethod(name: string, shares: Shares, rest: Rest): BlockMethod {
  const scores = (inputs: MethodInputs) => inputs.importanceOf(inputs.importance);
  return {
    ...{ ...psa, name, rule: name, basis: "own", source: "this project" },
    select: (inputs, density) =>
      rest === "skipped"
        ? ranked(inputs, scores(inputs), density, shares)
        : withMeans(inputs, density, shares),
  };
}

/** Levels of shares, and one mean token for every block that can be seen and would have none, within the density. */
function withMeans(inputs: MethodInputs, density: number, shares: Shares): BlockSelection {
  const { sizes, causal } = inputs, { blockN, seqK } = sizes, columns = Math.ceil(seqK / blockN);
  // density = spent + (1 - width * spent) / blockN, where `width * spent` is the share of blocks that get a level
  const width = listShares(shares).reduce((sum, { level, share }) => sum + level * share, 0);
  const spent = (density - 1 / blockN) / (1 - width / blockN);
  const own = Math.min(1, spent > 0 ? Math.max(spent, 1 / columns) : 1 / columns);
  const { levels } = ranked(inputs, inputs.importanceOf(inputs.importance), own, shares);
  const [, , rows] = levels.shape, isFuture = causal ? causalBlocks(sizes).isFuture : () => false;
  const data = levels.data.map((level, at) =>
    level === 0 && !isFuture(Math.floor(at / columns) % rows, at % columns) ? blockN : level
  );
  return selectionOf(inputs, { data, shape: levels.shape });
}

function requireOne(field: string, value: string, known: readonly string[]): void {
  requireInput(
    known.includes(value),
    () => `\`${field}\` is ${JSON.stringify(value)}; it should be one of ${known.join(", ")}.`,
  );
}
