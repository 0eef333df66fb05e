/**
 * Tuning: a choice for every head from some inputs, and its proof on others.
 *
 * @module
 */
import type { OrderName } from "../../reference/config/tuned.ts";
import { InputError } from "../../reference/errors.ts";
import type { OnProgress } from "../text/progress.ts";
import { type Tuned, TUNED_SCHEMA, type TunedHead, type TunedInput } from "./file.ts";
import { chooseBest, type HalvingOptions, ROUNDS } from "./halving.ts";
import { requireAlike, type SplitInputs, type TuneInput } from "./inputs.ts";
import type { Journal } from "./journal.ts";
import { HeadMeasure, type MeasureOptions, type Recall } from "./measure.ts";
import { geometricMean, proofOf, type ProofPair, provePair } from "./proof.ts";
import { type Candidate, candidateOf, choicesOf, type SpaceAxes } from "./space.ts";

/** Options of tuning. */
export interface TuneOptions extends MeasureOptions, SpaceAxes, Omit<HalvingOptions, "onStep"> {
  /** Whether all heads get one choice, that of the least mean error over them; default each has its own. */
  readonly together?: boolean;
  /** Opens a head, for those who measure on it again; default a new one each time, so that memory holds few. */
  readonly open?: (input: TuneInput, at: number) => Promise<HeadMeasure>;
  /** Keeps measurements, so that a tuning that is stopped can go on. */
  readonly journal?: Pick<Journal, "recall">;
  /** Told how far it is. */
  readonly onProgress?: OnProgress;
}

/** The choices before they are proved. */
export interface ChosenHeads {
  /** The choice of every head. */
  readonly heads: readonly TunedHead[];
  /** The order in which `psa` loses least on the tuning inputs. */
  readonly baselineOrder: OrderName;
  /** Candidates of a head; rows of a query block that were computed for them, and that all would have taken. */
  readonly search: Tuned["search"];
}

/** The share of the work that choosing is taken to be, for the bar. */
const CHOOSING = 0.8;

/**
 * Chooses for every head on the tuning inputs alone.
 *
 * @param tuning inputs of one shape
 * @param options density, space, rounds
 * @throws {InputError} if an input cannot have an order, or no candidate keeps the budget
 */
export async function chooseHeads(tuning: readonly TuneInput[], options: TuneOptions): Promise<ChosenHeads> {
  const { orders = ["raster"], rounds = ROUNDS, keep, together = false, open = opener(options) } = options;
  const choices = choicesOf(options), candidates = choices.map(candidateOf), [{ shape }] = tuning;
  const heads: TunedHead[] = [], psaErrors = new Map<OrderName, number[]>(orders.map((order) => [order, []]));
  const places = [...shape.heads.keys()], groups = together ? [places] : places.map((at) => [at]);
  let measured = 0;
  for (const [done, group] of groups.entries()) {
    const inputs: HeadMeasure[] = [];
    for (const at of group) for (const input of tuning) inputs.push(await open(input, at));
    const what = together ? "all heads" : `head ${shape.heads[done]}`;
    const onStep = (share: number) => options.onProgress?.(CHOOSING * (done + share) / groups.length, what);
    const best = await chooseBest(candidates, inputs, { rounds, keep, onStep });
    for (const at of group) {
      heads.push({ head: shape.heads[at], choice: choices[best.index], ...best.measured });
    }
    measured += best.rounds.reduce((sum, count, round) => sum + count * rounds[round], 0) * inputs.length;
    for (const order of orders) {
      for (const input of inputs) {
        const psa = await input.baseline("psa", order, rounds.at(-1)!);
        if (psa !== null) psaErrors.get(order)!.push(psa.error);
      }
    }
  }
  const exhaustive = candidates.length * rounds.at(-1)! * tuning.length * shape.heads.length;
  const search = { candidates: candidates.length, measured, exhaustive };
  return { heads, baselineOrder: bestOrder(psaErrors), search };
}

/** The order in which `psa` loses least. */
function bestOrder(errors: ReadonlyMap<OrderName, readonly number[]>): OrderName {
  const means = [...errors].filter(([, all]) => all.length > 0)
    .map(([order, all]) => ({ order, mean: geometricMean(all).mean }));
  if (means.length === 0) {
    throw new InputError(
      "--density is too small for --budget cost: psa's choosing alone costs as much; give more.",
    );
  }
  return means.sort((a, b) => a.mean - b.mean)[0].order;
}

/**
 * Measures what was chosen on inputs that it has not seen, beside `psa` and others.
 *
 * @param heldOut inputs of the shape that it was chosen for
 * @param chosen the candidate of every head, and the order of what it stands beside
 * @param options density, rounds
 */
export async function proveHeads(
  heldOut: readonly TuneInput[],
  { candidates, order }: { readonly candidates: readonly Candidate[]; readonly order: OrderName },
  options: TuneOptions,
): Promise<ProofPair[]> {
  const { rounds = ROUNDS, open = opener(options), onProgress } = options, pairs: ProofPair[] = [];
  const total = candidates.length * heldOut.length;
  for (const input of heldOut) {
    for (const [at, candidate] of candidates.entries()) {
      onProgress?.(CHOOSING + (1 - CHOOSING) * pairs.length / total, `proof on ${input.name}`);
      const head = input.shape.heads[at], rows = rounds.at(-1)!;
      pairs.push(await provePair(await open(input, at), candidate, { head, order, rows }));
    }
  }
  return pairs;
}

/**
 * Chooses on some inputs and proves on others.
 *
 * @param inputs both, of one shape
 * @param options density, space, rounds
 * @throws {InputError} if inputs differ in shape, one is both chosen on and held out, or the budget cannot be kept
 *
 * @example
 * ```ts
 * import { openInputs, splitInputs } from "./inputs.ts";
 * import { tuneInputs } from "./tune.ts";
 * const inputs = await openInputs({ workload: "video", seq: "128", heads: "1", dim: "8" }, [1, 2]);
 * const options = { blockM: 32, blockN: 16, density: 0.5, methods: ["xattention"], rounds: [1] } as const;
 * const { heads } = await tuneInputs(splitInputs(inputs, 0.5, 1), options);
 * console.log(heads[0].choice.method); // xattention
 * ```
 */
export async function tuneInputs(inputs: SplitInputs, options: TuneOptions): Promise<Tuned> {
  requireAlike(inputs);
  const { tuning, heldOut } = inputs, { blockM, blockN, density, budget = "density", seed = 1 } = options;
  const { heads, baselineOrder, search } = await chooseHeads(tuning, options);
  const candidates = heads.map(({ choice }) => candidateOf(choice));
  const pairs = await proveHeads(heldOut, { candidates, order: baselineOrder }, options);
  return {
    ...{ schema: TUNED_SCHEMA, shape: tuning[0].shape, blockM, blockN, density, budget, seed, heads },
    ...{ tunedOn: tuning.map(aboutInput), search, baselineOrder, heldOut: heldOut.map(aboutInput) },
    proof: proofOf(pairs),
  };
}

/** An input as the file names it. */
function aboutInput({ name, sha256, seed }: TuneInput): TunedInput {
  return { name, sha256, seed };
}

/** Opens each head anew. */
function opener(options: TuneOptions): NonNullable<TuneOptions["open"]> {
  const { blockM, blockN, density, budget = "density", seed = 1, times, journal } = options;
  return async (input, at) => {
    const own = `${input.sha256 ?? `${input.name} ${input.seed}`} ${input.shape.heads[at]}`;
    const recall: Recall = (name, make) => journal?.recall(`${own}: ${name}`, make) ?? make();
    return new HeadMeasure(await input.load(at), { blockM, blockN, density, budget, seed, times, recall });
  };
}
