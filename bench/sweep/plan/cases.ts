/**
 * The cases of a sweep: its axes crossed, as data with canonical strings.
 *
 * @module
 */
import { type Case, caseName, matchesFilter } from "../../../fixtures/cases.ts";
import type { Box, OrderConfig } from "../../../reference/config/config.ts";
import { type OrderName, orderNamed, STRIDE } from "../../../reference/config/tuned.ts";
import { requireInput } from "../../../reference/errors.ts";
import { type MethodLayout, methodLayout } from "../../../reference/methods/inputs.ts";
import type { Method } from "../../../reference/methods/method.ts";
import type { InputFacts } from "../inputs/inputs.ts";
import { methodsFor } from "./methods.ts";
import type { VariantOptions } from "../options/variants.ts";
import { tunedFor, type TunedInput, tunedMethod } from "./tuned.ts";

export { STRIDE };

/** One case: what is run, and the strings by which it is found. */
export interface SweepCase {
  /** The canonical string. */
  readonly name: string;
  /** The same as data. */
  readonly data: Case;
  /** The method. */
  readonly method: Method;
  /** The order and the blocks that it works on. */
  readonly layout: MethodLayout;
  /** How key blocks are scored. */
  readonly importance: string;
  /** The requested density. */
  readonly density: number;
  /** The choices of the heads, if the method is a tuned file. */
  readonly tuned?: TunedInput;
}

/**
 * The cases of one input: orders x importances x densities x methods. What does not depend on an axis has one case
 * along it: dense attention has one in all.
 *
 * @param input the input
 * @param options the options of the sweep
 * @throws {InputError} if an order or a method needs a grid that the input lacks, or cannot be had for a causal input
 *
 * @example
 * ```ts
 * import { casesOf } from "./cases.ts";
 * import { inputSources } from "../inputs/inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options);
 * console.log(given.method.name, given.density); // psa 0.5
 * ```
 */
export function casesOf(input: InputFacts, options: VariantOptions): SweepCase[] {
  const importances = options.importances.length > 0 ? options.importances : [defaultImportance(input)];
  const cases = new Map<string, SweepCase>(), { methods } = methodsFor(input, options);
  const tuned = options.tuned && tunedFor(options.tuned, { input, chosenHeads: options.chosenHeads });
  for (const orderName of options.orders) {
    const order = orderOf(orderName, input);
    for (const importance of importances) {
      for (const density of options.densities) {
        for (const method of methods) {
          const made = makeCase(input, options, { method, order, importance, density });
          if (!cases.has(keyOf(made))) cases.set(keyOf(made), made);
        }
      }
    }
    if (tuned !== null) {
      const made = makeTunedCase(input, options, { tuned, order, importance: importances[0] });
      cases.set(keyOf(made), made);
    }
  }
  return [...cases.values()].filter(({ data }) =>
    options.filter === "" || matchesFilter(data, options.filter)
  );
}

/** A key that is equal for two cases of an input if they agree in all axes that the method depends on. */
function keyOf({ method, layout, importance, density }: SweepCase): string {
  if (method.name === "dense") return "dense";
  return JSON.stringify([
    method.name,
    layout.order,
    method.usesImportance ? importance : "",
    method.ownDensity === true ? "" : density,
  ]);
}

/** Causal inputs are scored along antidiagonals, the path of understanding; others by samples, that of generation. */
function defaultImportance({ causal }: InputFacts): string {
  return causal ? "antidiagonal" : "sampled";
}

/**
 * The order of a name on an input.
 *
 * @param kind `raster`, `tile` or `gilbert`
 * @param input its name, its video, whether it is causal
 * @throws {InputError} if the order needs a grid that the input lacks, or the input is causal
 *
 * @example
 * ```ts
 * import { orderOf } from "./cases.ts";
 * console.log(orderOf("raster", { name: "text", causal: true })); // { kind: "raster" }
 * ```
 */
export function orderOf(
  kind: string,
  { name, grid: box, causal }: Pick<InputFacts, "name" | "grid" | "causal">,
): OrderConfig {
  if (kind === "raster") return { kind };
  requireInput(
    !causal,
    () => `--order ${kind} does not fit ${name}: it is causal, so its tokens have to stay in raster order.`,
  );
  requireInput(
    box !== undefined,
    () => `--order ${kind} needs the grid of ${name}; give it with --grid T,Y,X.`,
  );
  const order = orderNamed(kind as OrderName, box);
  requireInput(
    order !== null,
    () =>
      `--order tile needs a grid of multiples of 4; that of ${name} is ${box.depth},${box.height},${box.width}.`,
  );
  return order;
}

/** The hex digits of a file's checksum that its cases carry. */
const HASH_DIGITS = 12;

/** A box as cases write it. */
function sidesOf({ depth, height, width }: Box): string {
  return [depth, height, width].join("x");
}

/** A name as a word of a case: characters that would end the word, or are special in a shell or a table, are percent-encoded. */
function wordOf(name: string): string {
  return name.replaceAll(
    /[\s=%"'`|\\<>]/gu,
    (char) =>
      [...new TextEncoder().encode(char)].map((byte) =>
        `%${byte.toString(16).toUpperCase().padStart(2, "0")}`
      ).join(""),
  );
}

/** The fields of a case that come from its input. */
function sourceOf({ name, isWorkload, sha256 }: InputFacts): Pick<Case, "workload" | "input" | "hash"> {
  if (isWorkload) return { workload: name };
  return { input: wordOf(name), ...(sha256 === undefined ? {} : { hash: sha256.slice(0, HASH_DIGITS) }) };
}

function makeCase(
  input: InputFacts,
  { blockM, blockN, tile, dtype, seed }: VariantOptions,
  axes: Pick<SweepCase, "method" | "importance" | "density"> & { readonly order: OrderConfig },
): SweepCase {
  const { method, importance } = axes, density = method.name === "dense" ? 1 : axes.density;
  const { shape, causal, grid, head } = input;
  const layout = methodLayout(method, { order: axes.order, blockM, blockN, grid }), { order } = layout;
  const data: Case = {
    stage: "attention",
    ...shape,
    blockM: layout.blockM,
    blockN: layout.blockN,
    tile: Math.min(tile, layout.blockN),
    ...{ causal, dtype, seed, importance, density, method: method.name, order: order.kind },
    ...(grid === undefined ? {} : { grid: sidesOf(grid) }),
    ...(order.kind === "tile" ? { box: sidesOf(order.tile) } : {}),
    ...(importance === "antidiagonal" ? { stride: STRIDE } : {}),
    ...sourceOf(input),
    ...(head === undefined ? {} : { head }),
  };
  return { name: caseName(data), data, method, layout, importance, density };
}

/** The case of a tuned file beside the methods of an order: it has blocks, density, orders and importances of its own. */
function makeTunedCase(
  input: InputFacts,
  options: VariantOptions,
  { tuned, order, importance }: Pick<SweepCase, "importance"> & {
    readonly tuned: TunedInput;
    readonly order: OrderConfig;
  },
): SweepCase {
  const { density, hash, call: { blockM, blockN } } = tuned, method = tunedMethod(tuned);
  const axes = { method, order, importance, density };
  const { name: _, data, ...made } = makeCase(input, { ...options, blockM, blockN }, axes);
  const own = { ...data, tuned: hash };
  return { ...made, name: caseName(own), data: own, tuned };
}
