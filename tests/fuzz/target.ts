/**
 * Targets of fuzzing: random cases that are plain data, and a check that each must pass. A case that fails is shrunk.
 *
 * @module
 */
import fc from "fast-check";

/** One thing that is fuzzed. */
export interface Target<Case = unknown> {
  /** Its name: that of its file among those that were found, too. */
  readonly name: string;
  /** Random cases; JSON holds all of a case. */
  readonly cases: fc.Arbitrary<Case>;
  /** Throws if a case does not come out as it should. */
  readonly check: (given: Case) => Promise<void>;
  /** Cases of a round: what takes about as long as a round of the others. */
  readonly runs: number;
}

/** A case that fails. */
export interface Finding {
  readonly target: string;
  /** The smallest case that was found to fail. */
  readonly given: unknown;
  /** Its error. */
  readonly error: string;
}

/** Milliseconds that a round may take, shrinking included. */
const ROUND = 90_000;

/**
 * Runs some cases of a target.
 *
 * @param target what is fuzzed
 * @param options the seed of the cases, and how many; default a round of the target
 * @returns how many ran, and the smallest case that fails
 */
export async function fuzzTarget<Case>(
  { name, cases, check, runs }: Target<Case>,
  { seed, runs: numRuns = runs }: { readonly seed: number; readonly runs?: number },
): Promise<{ readonly runs: number; readonly finding?: Finding }> {
  const end = performance.now() + ROUND;
  let ran = 0;
  // when the time is up, what is left passes unseen, so that no check runs on beside the next round
  const property = fc.asyncProperty(cases, async (given) => {
    if (performance.now() >= end) return;
    ran++;
    await check(given);
  });
  const found = await fc.check(property, { seed, numRuns });
  if (!found.failed || found.counterexample === null) return { runs: ran };
  const [given] = found.counterexample, error = errorOf(found.errorInstance);
  return { runs: ran, finding: { target: name, given, error } };
}

/** The most characters of an error that are kept. */
const MOST = 600;

/** An error as text, without the places that differ from machine to machine. */
function errorOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.replace(/\/[\w./-]*psa-fuzz-\w+/g, "FOLDER").slice(0, MOST);
}
