/**
 * From scores to a choice: levels of a ranked budget, their density, and the true mass that they drop.
 *
 * @module
 */
import { BINARY_SHARES, spendDensity } from "../levels/budget.ts";
import type { ImportanceConfig, Shares } from "../config/config.ts";
import { levelDensity } from "../levels/density.ts";
import type { Tensor } from "../tensor.ts";
import { droppedMass } from "../judge/mass.ts";
import { maskedAttention } from "../masks/attention.ts";
import { droppedOfLse } from "../masks/loss.ts";
import type { BlockSelection, LevelRule, MethodInputs, Selection, SelectionStatus } from "./method.ts";

/**
 * A selection of levels and its density.
 *
 * @param inputs the call that the levels are for
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param status whether the density was kept; default `ok`
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { selectionOf } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 16, blockN: 16 });
 * console.log(selectionOf(inputs, tensor(new Int32Array([1, 0, 0, 1]), [1, 1, 2, 2])).density); // 0.5
 * ```
 */
export function selectionOf(
  { causal, sizes }: MethodInputs,
  levels: Tensor<Int32Array>,
  status: SelectionStatus = "ok",
): BlockSelection {
  return { status, levels, density: levelDensity(levels, { causal, ...sizes }) };
}

/**
 * The true softmax mass of the pairs for which a selection has no token, as a mean over queries and heads.
 *
 * @param inputs the call
 * @param selection the choice of a method for it
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { selectionDroppedMass, selectionOf } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const selection = selectionOf(inputs, tensor(new Int32Array([1, 0]), [1, 1, 1, 2]));
 * console.log(selectionDroppedMass(inputs, selection)); // 0.5
 * ```
 */
export function selectionDroppedMass(inputs: MethodInputs, selection: Selection): number {
  const { qkv, scale, sizes, causal, mass } = inputs;
  if ("mask" in selection) {
    return droppedOfLse(maskedAttention(qkv, selection.mask, { scale }).lse, inputs.denseLse());
  }
  return droppedMass(selection.represented ?? selection.levels, mass(), { causal, ...sizes });
}

/**
 * A ranked budget: the best blocks of every row, a mean of density * key blocks of them, at least one. With other
 * shares than the default, several levels.
 *
 * @param inputs the call
 * @param importance [batch, heads, query blocks, key blocks]
 * @param density the mean of 1 / level to spend
 * @param shares share of the density that each level gets; default all of it to level 1
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { ranked } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * console.log(ranked(inputs, tensor(new Float64Array([0.4, 0.6]), [1, 1, 1, 2]), 0.5).levels.data); // [0, 1]
 * ```
 */
export function ranked(
  inputs: MethodInputs,
  importance: Tensor,
  density: number,
  shares: Shares = BINARY_SHARES,
): BlockSelection {
  const { causal, sizes } = inputs;
  return selectionOf(inputs, spendDensity(importance, density, { shares, causal, ...sizes }));
}

/**
 * A ranked budget of an importance that kernels compute, and the rule by which they make it.
 *
 * @param inputs the call
 * @param importance how key blocks are scored
 * @param density the mean of 1 / level to spend
 * @param shares share of the density that each level gets; default all of it to level 1
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { rankedBy } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const { levels, rule } = rankedBy(inputs, { kind: "pooled" }, 0.5);
 * console.log(levels.data, rule?.kind); // [1, 0] levels
 * ```
 */
export function rankedBy(
  inputs: MethodInputs,
  importance: ImportanceConfig,
  density: number,
  shares: Shares = BINARY_SHARES,
): BlockSelection {
  const cut = { kind: "ranked", shares, rest: "skipped", density } as const;
  return {
    ...ranked(inputs, inputs.importanceOf(importance), density, shares),
    rule: levelRule(inputs, { importance, cut }),
  };
}

/** A rule by which kernels choose the levels of a call. */
export function levelRule(
  { firstHead }: MethodInputs,
  rule: Omit<LevelRule, "kind" | "firstHead">,
): LevelRule {
  return { kind: "levels", firstHead, ...rule };
}

/**
 * The shape of levels: [batch, heads, query blocks, key blocks].
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { levelShape } from "./select.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(40 * 8), [1, 1, 40, 8]);
 * console.log(levelShape(methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 }))); // [1, 1, 2, 3]
 * ```
 */
export function levelShape({ qkv: { q }, sizes: { blockM, blockN, seqQ, seqK } }: MethodInputs): number[] {
  return [q.shape[0], q.shape[1], Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)];
}
