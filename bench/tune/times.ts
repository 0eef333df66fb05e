/**
 * Times of choices on a device: the whole call in which all heads have one choice, and the density at which it takes as
 * long as `psa` does.
 *
 * @module
 */
import type { Choice, OrderName, TunedCall, TunedShape } from "../../reference/config/tuned.ts";
import { DEFAULT_SHARES } from "../../reference/levels/budget.ts";

/** The milliseconds of a call in which all heads have a choice, at a density. */
export type TimeChoice = (choice: Choice, density: number) => Promise<number>;

/** A density to ask for, and what it costs: the budget's density times the time over that of `psa` at this density. */
export interface TimedSpending {
  /** The density to ask for. */
  readonly asked: number;
  /** As a density: as long as `psa` takes at it. */
  readonly cost: number;
}

/** The budget of times. */
export interface TimeBudget {
  /** The density of `psa` whose time is the budget. */
  readonly density: number;
  /** The order of `psa` whose time is the budget. */
  readonly order: OrderName;
  /** Whether calls are causal. */
  readonly causal: boolean;
}

/**
 * Densities at which choices take as long as `psa` at one: a straight line through the times at half of it and at twice it.
 *
 * @example
 * ```ts
 * import { ChoiceTimes, psaChoice } from "./times.ts";
 * const time = ({ rest }: { rest: string }, density: number) => Promise.resolve((rest === "mean" ? 2 : 1) + 10 * density);
 * const times = new ChoiceTimes(time, { density: 0.2, order: "raster", causal: false });
 * const { asked } = (await times.spend({ ...psaChoice("raster", false), rest: "mean" }))!;
 * console.log(asked.toFixed(3)); // 0.100: one millisecond less is left for attention
 * ```
 */
export class ChoiceTimes {
  readonly #time: TimeChoice;
  readonly #budget: TimeBudget;

  /** Takes what measures, and the budget. */
  constructor(time: TimeChoice, budget: TimeBudget) {
    [this.#time, this.#budget] = [time, budget];
  }

  /**
   * The density that a choice can be asked for, and its cost.
   *
   * @param choice the choice
   * @param density the density to ask for; default the one at which it takes as long as the budget
   * @returns null if it takes longer than the budget at any density
   */
  async spend(choice: Choice, density?: number): Promise<TimedSpending | null> {
    const { density: whole, order, causal } = this.#budget, psa = psaChoice(order, causal);
    const budget = await this.#time(psa, whole);
    if (density === undefined && JSON.stringify(choice) === JSON.stringify(psa)) {
      return { asked: whole, cost: whole };
    }
    const low = whole / 2, high = Math.min(1, 2 * whole);
    const fast = await this.#time(choice, low),
      slope = (await this.#time(choice, high) - fast) / (high - low);
    const asked = density ??
      Math.min(1, slope > 0 ? low + (budget - fast) / slope : fast <= budget ? whole : 0);
    return asked > 0 ? { asked, cost: whole * (fast + slope * (asked - low)) / budget } : null;
  }
}

/**
 * `psa` with the importance that the sweep gives it, as a choice.
 *
 * @param order the order of the tokens
 * @param causal whether calls are causal
 */
export function psaChoice(order: OrderName, causal: boolean): Choice {
  const shares = { ...DEFAULT_SHARES } as Readonly<Record<string, number>>;
  return {
    method: "ranked",
    order,
    importance: causal ? "antidiagonal" : "sampled",
    shares,
    rest: "skipped",
  };
}

/**
 * A method that a tuned choice stands beside, with the importance that the sweep gives it, as a choice; null: kernels do not
 * run it.
 *
 * @param name the method
 * @param call the order of the tokens, and whether calls are causal
 */
export function baselineChoice(
  name: string,
  { order, causal }: { readonly order: OrderName; readonly causal: boolean },
): Choice | null {
  const psa = psaChoice(order, causal), shares = { 1: 1 };
  if (name === "psa") return psa;
  if (name === "block-topk") return { ...psa, shares };
  return name === "pooled-topk-mean" ? { ...psa, shares, importance: "pooled", rest: "mean" } : null;
}

/**
 * Choices of a call, as `createPsa` takes them.
 *
 * @param shape the sizes of the call
 * @param about block sizes and seed
 * @param heads of every head the choice and the density to ask for
 */
export function tunedCall(
  shape: TunedShape,
  about: Pick<TunedCall, "blockM" | "blockN" | "seed">,
  heads: readonly { readonly choice: Choice; readonly asked: number }[],
): TunedCall {
  const own = { ...shape, heads: [...shape.heads.keys()] }; // places: a file may have some heads of a call
  return { shape: own, ...about, heads: heads.map(({ choice, asked }, head) => ({ head, choice, asked })) };
}
