/**
 * The best blocks by their true mass.
 *
 * @module
 */
import { defaultScale } from "../../scale.ts";
import { BINARY_SHARES } from "../../levels/budget.ts";
import type { BlockMethod, BlockSelection, MethodInputs } from "../method.ts";
import { levelRule, ranked } from "../select.ts";

/**
 * Blocks ranked by their true softmax mass. It needs all scores, so it is too expensive for practice; it is not a bound
 * either, because the mass of a mask does not determine its error. A yardstick.
 */
export const massTopk: BlockMethod = {
  name: "mass-topk",
  rule: "best blocks by true softmax mass",
  granularity: "block",
  basis: "control",
  source: "this project",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: () => 1 / 2,
  select: (inputs, density) => ({
    ...ranked(inputs, inputs.mass(), density),
    ...ruleOf(inputs, density),
  }),
};

/** The mass of blocks is antidiagonal importance whose groups are single tokens, which knows no scale but the default one. */
function ruleOf(inputs: MethodInputs, density: number): Pick<BlockSelection, "rule"> {
  if (inputs.scale !== defaultScale(inputs.qkv.q.shape[3])) return {};
  const cut = { kind: "ranked", shares: BINARY_SHARES, rest: "skipped", density } as const;
  return { rule: levelRule(inputs, { importance: { kind: "antidiagonal", stride: 1 }, cut }) };
}
