/**
 * A soak: moves at random, one after the other, and what of memory is left.
 *
 * @module
 */
import { seededRandom } from "../../mod.ts";
import { closeGpu } from "../fuzz/kernels.ts";
import { type Move, MOVES, type Slow } from "./moves.ts";
import { KINDS, State } from "./state.ts";

/** Options of a soak. */
export interface SoakOptions {
  /** The seed of everything random. */
  readonly seed: number;
  /** Whether the run goes on after this many moves and seconds. */
  readonly goesOn: (moves: number, seconds: number) => boolean;
  /** Slow moves that are left out; without those that compile, calls are of one kind; default none. */
  readonly without?: readonly Slow[];
  /** Called with a sentence now and then. */
  readonly onProgress?: (sentence: string) => void;
}

/** The result of a soak. */
export interface SoakResult {
  readonly seconds: number;
  readonly moves: number;
  /** Counts of moves by name. */
  readonly counts: ReadonlyMap<string, number>;
  /** The first failure: the move, and the error. */
  readonly failures: readonly string[];
  /** Megabytes of the process, at equal distances in time. */
  readonly megabytes: readonly number[];
}

/** Seconds between two looks at memory. */
const LOOK = 10;

/** Soaks. */
export async function soak({ seed, goesOn, without = [], onProgress }: SoakOptions): Promise<SoakResult> {
  const random = seededRandom(seed),
    moves = MOVES.filter(({ slow }) => slow === undefined || !without.includes(slow));
  using state = new State(random, without.includes("compiles") ? ["selected"] : KINDS);
  await state.open();
  const failures: string[] = [], megabytes: number[] = [], begin = performance.now();
  const elapsed = () => (performance.now() - begin) / 1000;
  let done = 0;
  for (; goesOn(done, elapsed()); done++) {
    const move = draw(moves, random.uniform());
    const failure = await perform(state, move);
    if (failure !== undefined) {
      failures.push(`move ${done}, ${failure}`);
      onProgress?.(`FAILED: move ${done}, ${failure}`);
    }
    if (elapsed() >= LOOK * megabytes.length) {
      megabytes.push(Math.round(Deno.memoryUsage().rss / 1e6));
      if (megabytes.length % 6 === 0) onProgress?.(`${done} moves, ${megabytes.at(-1)} MB`);
    }
  }
  closeGpu();
  return { seconds: elapsed(), moves: done, counts: state.counts, failures, megabytes };
}

/** One of the moves, by their weights. */
function draw(moves: readonly Move[], at: number): Move {
  let rest = at * moves.reduce((sum, { weight }) => sum + weight, 0);
  return moves.find(({ weight }) => (rest -= weight) < 0) ?? moves[0];
}

/** Does a move; what went wrong, if something did. The device is another one then. */
async function perform(state: State, { name, run }: Move): Promise<string | undefined> {
  state.count(name);
  try {
    await run(state);
    state.requireRest();
    return undefined;
  } catch (error) {
    await state.open();
    return `${name}: ${error instanceof Error ? error.stack ?? error.message : error}`.slice(0, 2000);
  }
}
