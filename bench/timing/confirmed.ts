/**
 * Times that a second submission confirms: stretches of a tenth of a second to seconds at a quarter of the speed were
 * seen on a busy host, and one may begin and end within a submission, so that a known call around it sees nothing.
 *
 * @module
 */
import { estimateMedian } from "./statistics.ts";

/** How far a submission's median may be from another's to confirm it. */
const CONFIRMED = 1.1;
/** Milliseconds of timed repetitions that no such stretch covers. */
const LONG = 1000;

/** Submissions of the same work, the fastest first. */
function fastestFirst(runs: readonly (readonly number[])[]) {
  return runs.map((times) => ({ times, median: estimateMedian(times).median }))
    .sort((a, b) => a.median - b.median);
}

/**
 * The fastest of several submissions of the same work that another one confirms, or that was longer than a slow
 * stretch.
 *
 * @param runs milliseconds of the repetitions of each submission
 * @returns undefined if none is confirmed
 *
 * @example
 * ```ts
 * import { confirmedRun } from "./confirmed.ts";
 * console.log(confirmedRun([[9, 9], [3, 3], [3.1, 3]])); // [3, 3]
 * ```
 */
export function confirmedRun(runs: readonly (readonly number[])[]): readonly number[] | undefined {
  const [fastest, next] = fastestFirst(runs);
  if (fastest === undefined) return undefined;
  const isLong = fastest.times.reduce((sum, time) => sum + time, 0) > LONG;
  return isLong || next?.median <= CONFIRMED * fastest.median ? fastest.times : undefined;
}

/** What one submission gave. */
export interface Submission {
  /** Milliseconds of each repetition. */
  readonly milliseconds: readonly number[];
  /** Whether the machine ran at its best around it, as far as was seen; default true. */
  readonly trusted?: boolean;
}

/**
 * Submits a piece of work until the fastest submission is confirmed.
 *
 * @param submit times the work once
 * @param options the most submissions: default 6
 * @returns milliseconds of each repetition of the submission that counts: after the last try the fastest, confirmed or not
 *
 * @example
 * ```ts
 * import { timeConfirmed } from "./confirmed.ts";
 * const medians = [9, 3, 3.1], submit = () => Promise.resolve({ milliseconds: [medians.shift()!] });
 * console.log(await timeConfirmed(submit)); // [3]
 * ```
 */
export async function timeConfirmed(
  submit: () => Promise<Submission>,
  { tries = 6 }: { readonly tries?: number } = {},
): Promise<readonly number[]> {
  const runs: (readonly number[])[] = [];
  for (let i = 0; i < tries; i++) {
    const { milliseconds, trusted = true } = await submit();
    runs.push(milliseconds);
    const confirmed = confirmedRun(runs);
    if (trusted && confirmed !== undefined) return confirmed;
  }
  return fastestFirst(runs)[0].times;
}
