/**
 * A tuned file as a method of the sweep: every head has the method, order, importance and shares that were chosen for it.
 *
 * @module
 */
import { importanceNamed, orderNamed, type TunedCall } from "../../../reference/config/tuned.ts";
import { requireInput } from "../../../reference/errors.ts";
import { headSlice, ownKeyHeads } from "../../../reference/heads.ts";
import { methodInputs } from "../../../reference/methods/inputs.ts";
import type { BlockMethod, MethodInputs } from "../../../reference/methods/method.ts";
import { levelShape, selectionOf } from "../../../reference/methods/select.ts";
import { permuteTokens } from "../../../reference/order/order.ts";
import type { FloatData, Qkv, Tensor } from "../../../reference/tensor.ts";
import { permutationOf } from "../../../kernels/tuned/call.ts";
import { requireTunedFor, tunedShape } from "../../tune/shape.ts";
import { candidateOf } from "../../tune/space.ts";
import type { InputFacts } from "../inputs/inputs.ts";
import type { TunedFile } from "../options/tuned_file.ts";

/** The name of the row. */
export const TUNED = "tuned";

/** The choices for the heads of an input, in their order. */
export interface TunedInput extends Pick<TunedFile, "hash" | "density"> {
  /** Sizes, blocks, seed, and a choice a head; its heads are those of the input. */
  readonly call: TunedCall;
}

/**
 * The choices of a file for an input.
 *
 * @param file the file
 * @param input the facts about the input, and the heads of its file that it has; none: all
 * @throws {InputError} if the file is for another shape, or lacks a head
 */
export function tunedFor(
  { path, hash, density, call }: TunedFile,
  { input, chosenHeads }: { readonly input: InputFacts; readonly chosenHeads: readonly number[] },
): TunedInput {
  const { name, shape: { batch, heads }, head, isWorkload } = input;
  const places = head === undefined ? Array.from({ length: batch * heads }, (_, i) => i) : [head];
  const numbers = places.map((place) => isWorkload ? place : chosenHeads[place] ?? place);
  const names = { path: `--tuned ${path}`, input: name };
  requireTunedFor({ shape: { ...call.shape, heads: numbers } }, tunedShape(input, numbers), names);
  const own = numbers.map((number) => {
    const found = call.heads.find((each) => each.head === number);
    requireInput(
      found !== undefined,
      () => `--tuned ${path} has no choice for head ${number} of ${name}: tune on inputs with these heads.`,
    );
    requireInput(
      orderNamed(found.choice.order, input.grid) !== null &&
        !(input.causal && found.choice.order !== "raster"),
      () =>
        `--tuned ${path} has the order ${found.choice.order} for head ${number}, which ${name} does not have.`,
    );
    return found;
  });
  return { hash, density, call: { ...call, shape: { ...call.shape, heads: numbers }, heads: own } };
}

/**
 * The choices as a method, whose tokens are in the order of each head.
 *
 * @param tuned the choices for the heads of an input
 */
export function tunedMethod({ call }: TunedInput): BlockMethod {
  const candidates = call.heads.map(({ choice }) => candidateOf(choice)), { seed } = call;
  return {
    ...{ name: TUNED, rule: "the choice of each head in a tuned file", granularity: "block", basis: "own" },
    ...{ source: "deno task tune", causal: true, usesImportance: false, ownDensity: true },
    selectionCost: (facts) =>
      candidates.reduce(
        (sum, { method, importance }) =>
          sum + method.selectionCost({ ...facts, importance: importanceNamed(importance, seed) }),
        0,
      ) /
      candidates.length,
    select(inputs) {
      const shape = levelShape(inputs), [, , rows, columns] = shape, size = rows * columns;
      const data = new Int32Array(shape[0] * shape[1] * size);
      for (let place = 0; place < shape[0] * shape[1]; place++) {
        const at = inputs.firstHead + place, { head, asked } = call.heads[at];
        const { importance, method } = candidates[at];
        const own = headInputs(inputs, place, { importance: importanceNamed(importance, seed), seed, head });
        data.set(method.select(own, asked).levels.data, place * size);
      }
      return selectionOf(inputs, { data, shape });
    },
  };
}

/** One head of a call, each of whose heads has its own key head. */
function headInputs(
  { qkv: { q, k, v }, sizes: { blockM, blockN }, causal, grid }: MethodInputs,
  place: number,
  { head, ...about }: Pick<MethodInputs, "importance" | "seed"> & { readonly head: number },
): MethodInputs {
  const qkv = { q: headSlice(q, place), k: headSlice(k, place), v: headSlice(v, place) };
  return methodInputs(qkv, { blockM, blockN, causal, grid, firstHead: head, ...about });
}

/** The orders of some heads. */
export interface HeadOrders {
  /** The inputs in the order of each head, which then all have a key head of their own. */
  readonly qkv: (raster: Qkv) => Qkv;
  /** Brings rows of all query heads into the order of each, [batch, heads, tokens, …]. */
  readonly arrange: <Data extends FloatData>(rows: Tensor<Data>) => Tensor<Data>;
}

/**
 * The orders of some heads.
 *
 * @param tuned the choices for the heads of an input
 * @param firstHead the place of the first of these heads among them
 */
export function headOrders({ call }: TunedInput, firstHead: number): HeadOrders {
  const { shape: { grid } } = call;
  const box = grid === null ? undefined : { depth: grid[0], height: grid[1], width: grid[2] };
  const orders = call.heads.map(({ choice }) => permutationOf(orderNamed(choice.order, box)!));
  const arrange = <Data extends FloatData>(rows: Tensor<Data>): Tensor<Data> => {
    const shape = rows.shape.slice(0, 3), [batch, heads, tokens] = shape;
    const data = Int32Array.from({ length: batch * heads * tokens }, (_, i) => i % tokens);
    for (let place = 0; place < batch * heads; place++) data.set(orders[firstHead + place], place * tokens);
    return permuteTokens(rows, { data, shape });
  };
  return {
    arrange,
    qkv: (shared) => {
      const { q, k, v } = ownKeyHeads(shared);
      return { q: arrange(q), k: arrange(k), v: arrange(v) };
    },
  };
}
