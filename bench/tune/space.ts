/**
 * The ways to choose levels that are tried for a head: methods, orders, importances, shares, and what stands for the
 * blocks that are not chosen.
 *
 * @module
 */
import type { Shares } from "../../reference/config/config.ts";
import {
  type Choice,
  FAMILIES,
  type Family,
  type ImportanceName,
  type OrderName,
  requireChoice,
  type Rest,
} from "../../reference/config/tuned.ts";
import { causalBlocks } from "../../reference/levels/causal.ts";
import { BINARY_SHARES, DEFAULT_SHARES } from "../../reference/levels/budget.ts";
import { spentBesideMeans } from "../../reference/levels/means.ts";
import { listShares } from "../../reference/levels/ratios.ts";
import { spargeattn } from "../../reference/methods/mask/spargeattn.ts";
import { xattention } from "../../reference/methods/mask/xattention.ts";
import type { BlockMethod, BlockSelection, MethodInputs } from "../../reference/methods/method.ts";
import { psa } from "../../reference/methods/pyramid/psa.ts";
import { PSA_1248_SHARES } from "../../reference/methods/pyramid/psa_1248.ts";
import { psaThreshold } from "../../reference/methods/pyramid/psa_threshold.ts";
import { ranked, selectionOf } from "../../reference/methods/select.ts";

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
  /** The choice as data; null: it is none that kernels could run. */
  readonly choice: Choice | null;
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
  PSA_1248_SHARES,
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
  requireChoice(choice);
  const { method, order, importance, shares, rest } = choice;
  if (method !== "ranked") {
    const name = [method, importance, order].filter(Boolean).join(", ");
    return { name, order, importance, method: METHODS[method], choice };
  }
  const levels = listShares(shares!).map(({ level, share }) => `${level}:${share}`).join(" ");
  const name = [`ranked ${levels}`, `rest ${rest}`, importance, order].join(", ");
  return { name, order, importance, method: rankedMethod(name, shares!, rest), choice };
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
  const own = spentBesideMeans(density, { shares, blockN, columns });
  const { levels } = ranked(inputs, inputs.importanceOf(inputs.importance), own, shares);
  const [, , rows] = levels.shape, isFuture = causal ? causalBlocks(sizes).isFuture : () => false;
  const data = levels.data.map((level, at) =>
    level === 0 && !isFuture(Math.floor(at / columns) % rows, at % columns) ? blockN : level
  );
  return selectionOf(inputs, { data, shape: levels.shape });
}
