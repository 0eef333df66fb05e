/**
 * The methods of an input: the requested ones, or with `all` those that can run on it.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { whyNot } from "../../../reference/methods/fit.ts";
import type { Method } from "../../../reference/methods/method.ts";
import { methodOf, METHODS } from "../../../reference/methods/mod.ts";
import type { InputFacts } from "../inputs/inputs.ts";
import type { SweepOptions } from "../options/sweep_options.ts";

/** The name of all methods that can run on an input. */
export const ALL = "all";

/** The methods of one input. */
export interface InputMethods {
  /** Those that run. */
  readonly methods: readonly Method[];
  /** The sentence about methods that `all` leaves out; empty if it leaves out none. */
  readonly leftOut: string;
}

/**
 * The methods of one input.
 *
 * @param input the facts about it
 * @param options the requested names, and the source of the truth
 * @throws {InputError} if a method that was requested by name cannot run on the input
 *
 * @example
 * ```ts
 * import { methodsFor } from "./methods.ts";
 * const shape = { batch: 1, heads: 2, kvHeads: 2, seqQ: 64, seqK: 64, headDim: 16, valueDim: 16 };
 * const input = { name: "text", isWorkload: false, shape, causal: true, textLength: 0 };
 * console.log(methodsFor(input, { methods: ["all"], truth: "auto" }).methods.some(({ name }) => name === "sta")); // false
 * ```
 */
export function methodsFor(
  input: InputFacts,
  { methods: names, truth }: Pick<SweepOptions, "methods" | "truth">,
): InputMethods {
  const asked = names.filter((name) => name !== ALL).map((name) => methodOf(name));
  asked.forEach((method) => requireMethod(method, input));
  if (!names.includes(ALL)) return { methods: asked, leftOut: "" };
  const reasons = new Map<string, string[]>(),
    methods = METHODS.filter((method) => {
      const reason = reasonAgainst(method, input) ??
        (truth === "rows" && method.needsAllRows === true ? "needs all rows" : null);
      if (reason !== null && !asked.includes(method)) {
        reasons.set(reason, [...reasons.get(reason) ?? [], method.name]);
      }
      return reason === null || asked.includes(method);
    });
  const said = [...reasons].map(([reason, left]) => `${left.join(", ")} (${reason})`);
  return { methods, leftOut: said.length === 0 ? "" : `Left out for ${input.name}: ${said.join("; ")}.` };
}

/** Why an input cannot have a method, in a few words; null if it can. */
function reasonAgainst(method: Method, { shape, causal, grid }: InputFacts): string | null {
  if (causal && !method.causal) return "no causal form";
  const usesGrid = method.gridTile !== undefined || method.usesGrid === true;
  if (usesGrid && grid === undefined) return "needs a grid: --grid T,Y,X";
  const { gridTile: tile } = method;
  if (tile !== undefined && grid !== undefined) {
    const sides = [[grid.width, tile.width], [grid.height, tile.height], [grid.depth, tile.depth]];
    if (sides.some(([side, step]) => side % step !== 0)) return "its tiles do not divide the grid";
  }
  return whyNot(method, { ...shape, causal, grid })?.replace(/\.$/, "") ?? null;
}

/** Throws if an input cannot have a method. */
function requireMethod(method: Method, input: InputFacts): void {
  const { name, causal, gridTile, usesGrid } = method, { shape, grid } = input;
  requireInput(
    causal || !input.causal,
    () => `--methods has "${name}", which has no causal form; ${input.name} is causal.`,
  );
  requireInput(
    (gridTile === undefined && usesGrid !== true) || grid !== undefined,
    () => `--methods has "${name}", which needs the grid of ${input.name}; give it with --grid T,Y,X.`,
  );
  const reason = whyNot(method, { ...shape, causal: input.causal, grid });
  requireInput(
    reason === null,
    () => `--methods has "${name}", which cannot run on ${input.name}. ${reason}`,
  );
}
