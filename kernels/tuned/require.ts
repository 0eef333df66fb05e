/**
 * Checks of a tuned file at the door of a call.
 *
 * @module
 */
import type { Box } from "../../reference/config/config.ts";
import { orderNamed, requireChoice, type TunedCall } from "../../reference/config/tuned.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { requireDensity } from "../../reference/levels/budget.ts";
import { shareErrors } from "../../reference/levels/ratios.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import { kindOf } from "../door.ts";

/** The video that choices hold for. */
export function boxOf({ shape: { grid } }: Pick<TunedCall, "shape">): Box | undefined {
  return grid === null ? undefined : { depth: grid[0], height: grid[1], width: grid[2] };
}

/**
 * Throws unless a tuned file is for a call, and its choices are such as kernels run.
 *
 * @param tuned the file
 * @param call sizes of the call, and the number of its first head
 * @throws {InputError} one sentence with the first thing that is wrong
 */
export function requireTuned(
  tuned: TunedCall,
  call: { readonly shape: AttentionShape; readonly firstHead?: number; readonly config?: unknown },
): void {
  requireParts(tuned);
  requireInput(
    call.config === undefined,
    "`config` and `tuned` were given; a call has either the configuration of all heads or the choices of each.",
  );
  requireInput(
    typeof call.shape === "object" && call.shape !== null,
    () => `\`shape\` is ${kindOf(call.shape)}; createPsa needs { shape, tuned }.`,
  );
  const { shape: { batch, heads }, firstHead = 0 } = call;
  for (const name of ["seqQ", "seqK", "headDim", "valueDim"] as const) {
    requireInput(
      tuned.shape[name] === call.shape[name],
      () =>
        `\`tuned\` is for \`${name}\` ${kindOf(tuned.shape[name])}; this call has ${
          call.shape[name]
        }: tune on inputs of this shape.`,
    );
  }
  const own = tuned.heads.map(({ head }) => head),
    want = Array.from({ length: batch * heads }, (_, i) => firstHead + i);
  requireInput(
    `${own}` === `${want}`,
    () =>
      `\`tuned\` is for heads [${shortened(own)}]; this call has [${
        shortened(want)
      }]: tune on inputs with these heads.`,
  );
  tuned.heads.forEach((_, at) => requireHead(tuned, at));
}

/** Throws unless a value has the parts of a tuned file that calls need. */
function requireParts(tuned: TunedCall): void {
  const what = "it should be what `deno task tune` writes, parsed.";
  requireInput(typeof tuned === "object" && tuned !== null, () => `\`tuned\` is ${kindOf(tuned)}; ${what}`);
  const { shape, heads, seed } = tuned;
  requireInput(
    typeof shape === "object" && shape !== null,
    () => `\`tuned.shape\` is ${kindOf(shape)}; ${what}`,
  );
  requireInput(
    Array.isArray(heads) && heads.length > 0 &&
      heads.every((each) => typeof each === "object" && each !== null),
    () => `\`tuned.heads\` is ${kindOf(heads)}; ${what}`,
  );
  requireInput(Number.isInteger(seed), () => `\`tuned.seed\` is ${kindOf(seed)}; ${what}`);
  const { grid, textLength, seqQ, seqK } = shape;
  if (grid === null) return;
  const tokens = Array.isArray(grid) ? grid.reduce((product, each) => product * each, 1) + textLength : NaN;
  requireInput(
    tokens === seqQ && tokens === seqK,
    () =>
      `\`tuned.shape.grid\` is ${
        JSON.stringify(grid)
      }; with the text it should hold ${seqQ} queries and ${seqK} keys.`,
  );
}

/** Throws unless kernels run the choice of a head. */
function requireHead(tuned: TunedCall, at: number): void {
  const { head, choice, asked } = tuned.heads[at], { blockN, shape: { causal } } = tuned;
  try {
    requireChoice(choice);
    requireDensity(asked);
    const [error] = shareErrors(choice.shares ?? { 1: 1 }, blockN);
    if (error) throw new InputError(error);
  } catch (error) {
    throw new InputError(`Head ${head} of \`tuned\`: ${(error as Error).message}`, { cause: error });
  }
  const isThere = orderNamed(choice.order, boxOf(tuned)) !== null && (!causal || choice.order === "raster");
  requireInput(
    isThere,
    () =>
      `Head ${head} of \`tuned\` has the order ${choice.order}, which its shape does not have: ${
        JSON.stringify(tuned.shape.grid)
      }${causal ? ", causal" : ""}.`,
  );
}

/** The first few of some numbers. */
function shortened(numbers: readonly unknown[]): string {
  return numbers.length <= 8
    ? numbers.join(", ")
    : `${numbers.slice(0, 8).join(", ")}, … ${numbers.length} in all`;
}
