/**
 * The inputs of tuning, head by head, and which of them are held out.
 *
 * @module
 */
import type { TunedShape } from "../../reference/config/tuned.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { METHODS } from "../../reference/methods/mod.ts";
import { seededRandom, shuffled } from "../../reference/random.ts";
import { inputSources, type SweepInput } from "../sweep/inputs/inputs.ts";
import { readOptions } from "../sweep/options/options.ts";
import { variantsOf } from "../sweep/options/variants.ts";
import { plural } from "../text/number.ts";
import type { TunedInput } from "./file.ts";
import { differingField, tunedShape } from "./shape.ts";
import type { MeasuredHead } from "./measure.ts";

/** One attention call, head by head. */
export interface TuneInput extends TunedInput {
  /** Its sizes. */
  readonly shape: TunedShape;
  /** Loads the head at a place among those of the shape. */
  readonly load: (at: number) => Promise<MeasuredHead>;
}

/** Inputs to choose on, and inputs to prove on. */
export interface SplitInputs {
  /** Inputs to choose on. */
  readonly tuning: readonly TuneInput[];
  /** Inputs to prove on. */
  readonly heldOut: readonly TuneInput[];
}

const NAMES = METHODS.map(({ name }) => name);

/**
 * The inputs that options of a sweep ask for; workloads once for each seed.
 *
 * @param values options by name, as on a command line
 * @param seeds the seeds of workloads
 * @throws {InputError} one sentence about an option that cannot be, or an input that cannot be read
 *
 * @example
 * ```ts
 * import { openInputs } from "./inputs.ts";
 * const inputs = await openInputs({ workload: "video", seq: "128", dim: "16" }, [1, 2]);
 * console.log(inputs.map(({ name, seed }) => `${name} ${seed}`)); // ["video 1", "video 2"]
 * ```
 */
export async function openInputs(
  values: Readonly<Record<string, unknown>>,
  seeds: readonly number[],
): Promise<TuneInput[]> {
  const found: TuneInput[] = [], hasWorkloads = values.workload !== undefined;
  for (const seed of hasWorkloads ? seeds : seeds.slice(0, 1)) {
    const [options] = variantsOf(readOptions({ ...values, methods: "psa", seed }, NAMES));
    for (const source of await inputSources({ ...options, perHead: true })) {
      const heads = await source.load();
      const { isWorkload } = heads[0], { chosenHeads } = options;
      const numbers = isWorkload || chosenHeads.length === 0 ? [...heads.keys()] : chosenHeads;
      if (isWorkload || seed === seeds[0]) found.push(inputOf(heads, numbers, isWorkload ? seed : null));
    }
  }
  return found;
}

/** An input of its heads, which have these numbers in the call. */
function inputOf(heads: readonly SweepInput[], numbers: readonly number[], seed: number | null): TuneInput {
  const [{ name, sha256 = null }] = heads;
  return {
    ...{ name, sha256, seed, shape: tunedShape(heads[0], numbers) },
    load: async (at) => ({ input: heads[at], head: numbers[at], qkv: await heads[at].groups[0].load() }),
  };
}

/**
 * Holds a share of the inputs out, at least one: of each workload the last seeds, of files those that a seed draws.
 *
 * @param inputs all inputs
 * @param share the share to hold out, in (0, 1)
 * @param seed of the draw
 * @throws {InputError} if there is one input only: nothing to prove on
 *
 * @example
 * ```ts
 * import { openInputs, splitInputs } from "./inputs.ts";
 * const inputs = await openInputs({ workload: "video", seq: "128", dim: "16" }, [1, 2, 3]);
 * console.log(splitInputs(inputs, 0.3, 1).heldOut.map(({ seed }) => seed)); // [3]
 * ```
 */
export function splitInputs(inputs: readonly TuneInput[], share: number, seed: number): SplitInputs {
  requireInput(
    inputs.length > 1,
    () =>
      `${
        inputs[0]?.name ?? "No input"
      } is the only input: nothing to prove on; give another with --input or --held-out.`,
  );
  const random = seededRandom(seed), tuning: TuneInput[] = [], heldOut: TuneInput[] = [];
  const groups = Map.groupBy(inputs, (input) => input.seed === null ? "" : input.name);
  for (const group of groups.values()) {
    const left = group[0].seed === null
      ? Array.from(shuffled(group.length, random), (at) => group[at])
      : group;
    const held = left.length === 1
      ? 0
      : Math.min(left.length - 1, Math.max(1, Math.round(share * left.length)));
    tuning.push(...left.slice(0, left.length - held));
    heldOut.push(...left.slice(left.length - held));
  }
  requireInput(
    heldOut.length > 0,
    () =>
      `Of ${plural(inputs.length, "input")} none can be held out; give inputs to prove on with --held-out.`,
  );
  return { tuning, heldOut };
}

/**
 * Throws unless inputs have one shape, and none is both chosen on and held out.
 *
 * @param inputs the inputs
 * @throws {InputError} one sentence
 */
export function requireAlike({ tuning, heldOut }: SplitInputs): void {
  const all = [...tuning, ...heldOut], [first] = all;
  for (const other of all) {
    const field = differingField(first.shape, other.shape);
    if (field === undefined) continue;
    const [want, got] = [first.shape[field], other.shape[field]].map((value) => JSON.stringify(value));
    throw new InputError(
      `${first.name} has \`${field}\` ${want} and ${other.name} ${got}; inputs of one tuning should be alike.`,
    );
  }
  const key = ({ name, sha256, seed }: TuneInput) => sha256 ?? `${name} ${seed}`;
  const seen = heldOut.find((held) => tuning.some((own) => key(own) === key(held)));
  requireInput(
    seen === undefined,
    () => `${seen?.name} is held out and chosen on; held-out inputs should be others.`,
  );
}
