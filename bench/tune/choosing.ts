/**
 * The gain of tuning over `psa` on the project's traces and on workloads, input against input: the numbers of
 * docs/choosing.md, which {@link withChoices} writes there.
 *
 * @module
 */
import type { OrderName } from "../../reference/config/tuned.ts";
import { TRACES } from "../../fixtures/traces.ts";
import type { OnProgress } from "../text/progress.ts";
import { openInputs, type TuneInput } from "./inputs.ts";
import { HeadMeasure } from "./measure.ts";
import { type Proof, proofOf, type ProofPair } from "./proof.ts";
import { candidateOf } from "./space.ts";
import { chooseHeads, proveHeads } from "./tune.ts";

/** The result of one way to choose: for each head, or one choice for all. */
export interface CrossTuned {
  /** The proof over all inputs, each held out in its turn. */
  readonly proof: Proof;
  /** How often each choice was made, over heads and inputs that were held out; the most frequent first. */
  readonly chosen: readonly (readonly [name: string, times: number])[];
}

/** One line of the page. */
export interface ChoosingRow {
  /** The kind of inputs. */
  readonly inputs: string;
  /** The orders that were tried. */
  readonly orders: readonly OrderName[];
  /** The density. */
  readonly density: number;
  /** A choice for each head. */
  readonly each: CrossTuned;
  /** One choice for all heads. */
  readonly together: CrossTuned;
}

/** Inputs of a kind, the orders that are tried on them, and the query block. */
interface Kind {
  readonly name: string;
  /** Traces by name, or options of a workload. */
  readonly inputs: RegExp | Readonly<Record<string, string>>;
  readonly orders: readonly (readonly OrderName[])[];
  readonly blockM: number;
}

const VIDEO: Kind["orders"] = [["raster"], ["tile"], ["gilbert"], ["raster", "tile", "gilbert"]];
const DENSITIES = [0.05, 0.1, 0.2, 0.35];
const SEEDS = [1, 2, 3, 4], SIZES = { seq: "2048", dim: "64", heads: "2" };
const KINDS: readonly Kind[] = [
  { name: "video (trace a)", inputs: /trace-a-/, orders: VIDEO, blockM: 128 },
  { name: "video (trace a), query blocks of 64", inputs: /trace-a-/, orders: VIDEO, blockM: 64 },
  { name: "text, causal (trace c)", inputs: /trace-c-/, orders: [["raster"]], blockM: 128 },
  {
    name: "made-up video",
    inputs: { ...SIZES, workload: "video", grid: "8,16,16" },
    orders: VIDEO.slice(0, 3),
    blockM: 128,
  },
  {
    name: "flat heads (gaussian)",
    inputs: { ...SIZES, workload: "gaussian" },
    orders: [["raster"]],
    blockM: 128,
  },
  {
    name: "sharp heads (needle)",
    inputs: { ...SIZES, workload: "needle" },
    orders: [["raster"]],
    blockM: 128,
  },
  {
    name: "sharp heads, causal (sinks)",
    inputs: { ...SIZES, workload: "sinks" },
    orders: [["raster"]],
    blockM: 128,
  },
];

/** Kinds of inputs with a density: what is computed at a time. */
export const CHOOSING_PARTS: readonly { readonly kind: Kind; readonly density: number }[] = KINDS.flatMap((
  kind,
) => DENSITIES.map((density) => ({ kind, density })));

/**
 * Tunes on all inputs but one and proves on that one, for each of them.
 *
 * @param inputs at least two of one shape
 * @param about orders, density, block sizes, whether all heads have one choice
 * @param open opens heads; those that are opened twice should be kept
 */
export async function crossTune(
  inputs: readonly TuneInput[],
  about: {
    readonly orders: readonly OrderName[];
    readonly density: number;
    readonly together: boolean;
    readonly blockM: number;
    readonly blockN: number;
  },
  open: (input: TuneInput, at: number) => Promise<HeadMeasure>,
): Promise<CrossTuned> {
  const options = { ...about, seed: SEEDS[0], open },
    pairs: ProofPair[] = [],
    chosen = new Map<string, number>();
  for (const held of inputs) {
    const { heads, baselineOrder } = await chooseHeads(inputs.filter((input) => input !== held), options);
    const candidates = heads.map(({ choice }) => candidateOf(choice));
    for (const { name } of candidates) chosen.set(name, (chosen.get(name) ?? 0) + 1);
    pairs.push(...await proveHeads([held], { candidates, order: baselineOrder }, options));
  }
  return { proof: proofOf(pairs), chosen: [...chosen].sort(([, a], [, b]) => b - a) };
}

/**
 * Computes the lines of some parts.
 *
 * @param parts places in {@link CHOOSING_PARTS}
 * @param onRow is given each line as it is known
 * @param onProgress told how far it is
 * @throws {InputError} where the traces are not there, as in a package
 */
export async function computeChoices(
  parts: readonly number[],
  onRow: (row: ChoosingRow) => Promise<void>,
  onProgress: OnProgress,
): Promise<void> {
  for (const [done, part] of parts.entries()) {
    const { kind: { name, inputs: own, orders: all, blockM }, density } = CHOOSING_PARTS[part];
    const sizes = { blockM, blockN: 64 }, kept = new Map<string, Promise<HeadMeasure>>();
    const values = own instanceof RegExp ? { input: TRACES.filter((path) => own.test(path)) } : own;
    const inputs = await openInputs(values, SEEDS);
    const open = (input: TuneInput, at: number) => {
      const key = `${input.name} ${input.seed} ${at}`;
      const load = async () => new HeadMeasure(await input.load(at), { ...sizes, density, seed: SEEDS[0] });
      if (!kept.has(key)) kept.set(key, load());
      return kept.get(key)!;
    };
    for (const orders of all) {
      onProgress(done / parts.length, `${name}, ${orders.join(" or ")}, ${density}`);
      const about = { ...sizes, orders, density };
      await onRow({
        ...{ inputs: name, orders, density },
        each: await crossTune(inputs, { ...about, together: false }, open),
        together: await crossTune(inputs, { ...about, together: true }, open),
      });
    }
  }
}
