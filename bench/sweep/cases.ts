/**
 * The cases of a sweep: its axes crossed, as data with canonical strings.
 *
 * @module
 */
import { type Case, caseName, matchesFilter } from "../../fixtures/cases.ts";
import { requireInput } from "../../reference/errors.ts";
import type { SweepInput } from "./inputs.ts";
import type { SweepOptions } from "./options.ts";

/** One case: what is run, and the strings by which it is found. */
export interface SweepCase {
  /** The canonical string. */
  readonly name: string;
  /** The same as data. */
  readonly data: Case;
  /** The method. */
  readonly method: string;
  /** The order of the tokens. */
  readonly order: string;
  /** How key blocks are scored. */
  readonly importance: string;
  /** The density that is asked for. */
  readonly density: number;
}

/**
 * The cases of one input: orders x importances x methods x densities. Dense attention has one case an input, since
 * neither importance nor density changes it.
 *
 * @param input the input
 * @param options the options of the sweep
 * @throws {InputError} if an order needs a grid that the input lacks, or cannot be had for a causal input
 */
export function casesOf(input: SweepInput, options: SweepOptions): SweepCase[] {
  const importances = options.importances.length > 0 ? options.importances : [defaultImportance(input)];
  const cases: SweepCase[] = [];
  for (const order of options.orders) {
    requireOrder(order, input);
    if (options.methods.includes("dense")) {
      cases.push(
        makeCase(input, options, { method: "dense", order, importance: importances[0], density: 1 }),
      );
    }
    for (const importance of importances) {
      for (const density of options.densities) {
        for (const method of options.methods.filter((name) => name !== "dense")) {
          cases.push(makeCase(input, options, { method, order, importance, density }));
        }
      }
    }
  }
  return cases.filter(({ data }) => options.filter === "" || matchesFilter(data, options.filter));
}

/** Causal inputs are scored along antidiagonals, the path of understanding; others by samples, that of generation. */
function defaultImportance({ causal }: SweepInput): string {
  return causal ? "antidiagonal" : "sampled";
}

function requireOrder(order: string, { name, grid, causal }: SweepInput): void {
  if (order === "raster") return;
  requireInput(
    !causal,
    () => `--order ${order} cannot be had for ${name}: it is causal, so its tokens stay in order.`,
  );
  requireInput(
    grid !== undefined,
    () => `--order ${order} needs the grid of ${name}; give it with --grid T,Y,X.`,
  );
}

function makeCase(
  { name, isWorkload, shape, causal, head }: SweepInput,
  { blockM, blockN, tile, dtype, seed }: SweepOptions,
  axes: Pick<SweepCase, "method" | "order" | "importance" | "density">,
): SweepCase {
  const data: Case = {
    stage: "attention",
    ...shape,
    ...{ blockM, blockN, tile, causal, dtype, seed },
    ...axes,
    ...(isWorkload ? { workload: name } : { input: name }),
    ...(head === undefined ? {} : { head }),
  };
  return { name: caseName(data), data, ...axes };
}
