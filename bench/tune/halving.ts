/**
 * Successive halving: all candidates on few rows, the better part of them on more, the best few on most.
 *
 * @module
 */
import { InputError } from "../../reference/errors.ts";
import type { HeadMeasure, Measurement } from "./measure.ts";
import type { Candidate } from "./space.ts";

/** Rows of a query block in each round. */
export const ROUNDS: readonly number[] = [1, 4, 16];

/** Candidates that go on at least. */
const LEAST = 2;

/** How candidates are thinned out. */
export interface HalvingOptions {
  /** Rows of a query block in each round; default 1, 4, 16. */
  readonly rounds?: readonly number[];
  /** The share of candidates that goes on after a round, at least two; default a quarter. */
  readonly keep?: number;
  /** Told the share that is done. */
  readonly onStep?: (done: number) => void;
}

/** The result of the search for one head. */
export interface Chosen {
  /** The place of the best candidate. */
  readonly index: number;
  /** Its measurement in the last round: means over the inputs. */
  readonly measured: Measurement;
  /** How many candidates were measured in each round. */
  readonly rounds: readonly number[];
}

/** A candidate and what it did. */
interface Scored {
  readonly index: number;
  readonly measured: Measurement;
}

/**
 * The candidate of the least error on some inputs: the mean over them of the relative L2 error. One that passes the
 * budget on any of them is out. Of equal ones the first stays.
 *
 * @param candidates the space
 * @param inputs one head of every tuning input
 * @param options rounds, and what share goes on
 * @throws {InputError} if no candidate keeps the budget
 *
 * @example
 * ```ts
 * import { makeWorkload } from "../../fixtures/workloads.ts";
 * import { attentionShape } from "../../reference/tensor.ts";
 * import { chooseBest } from "./halving.ts";
 * import { HeadMeasure } from "./measure.ts";
 * import { candidateOf, choicesOf } from "./space.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 16 });
 * const input = { name: "video", shape: attentionShape(qkv), causal: false, textLength: 0 };
 * const head = new HeadMeasure({ input, head: 0, qkv }, { blockM: 32, blockN: 16, density: 0.5 });
 * const { rounds } = await chooseBest(choicesOf().slice(0, 16).map(candidateOf), [head]);
 * console.log(rounds); // [16, 4, 2]
 * ```
 */
export async function chooseBest(
  candidates: readonly Candidate[],
  inputs: readonly HeadMeasure[],
  { rounds = ROUNDS, keep = 1 / 4, onStep }: HalvingOptions = {},
): Promise<Chosen> {
  let left = [...candidates.keys()], best: Scored[] = [], done = 0;
  const counts: number[] = [];
  for (const rows of rounds) {
    const scored: Scored[] = [];
    for (const index of left) {
      const measured = await meanOf(candidates[index], inputs, rows);
      if (measured !== null) scored.push({ index, measured });
      onStep?.(Math.min(1, ++done / candidates.length * (1 - keep)));
    }
    counts.push(left.length);
    best = scored.sort((a, b) => a.measured.error - b.measured.error || a.index - b.index);
    left = best.slice(0, Math.max(LEAST, Math.ceil(left.length * keep))).map(({ index }) => index);
  }
  if (best.length === 0) {
    throw new InputError(
      `None of the ${candidates.length} candidates keeps the density on ${
        inputs[0].input
      }; give a larger --density.`,
    );
  }
  return { ...best[0], rounds: counts };
}

/** The mean of a candidate over inputs; null if it passes the budget on one of them. */
async function meanOf(
  candidate: Candidate,
  inputs: readonly HeadMeasure[],
  rows: number,
): Promise<Measurement | null> {
  const all: Measurement[] = [];
  for (const input of inputs) {
    const measured = await input.measure(candidate, rows);
    if (measured === null) return null;
    all.push(measured);
  }
  const mean = (field: keyof Measurement) => all.reduce((sum, each) => sum + each[field], 0) / all.length;
  return { error: mean("error"), asked: mean("asked"), density: mean("density"), cost: mean("cost") };
}
