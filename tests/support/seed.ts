/**
 * The seed of property tests. It follows from the commit, so that runs differ from commit to commit and each can be
 * repeated: `PSA_TEST_SEED=NUMBER` sets it. It is printed once a run. Where there is no commit, it is always the same.
 *
 * @module
 */

/** Without a commit: a copy of the project, or a package. */
const FIXED = 2512;

/** Says that the seed of this run was printed; test files are threads of one process and share its environment. */
const PRINTED = "PSA_TEST_SEED_PRINTED";

/**
 * The seed that a run has.
 *
 * @param given the value of `PSA_TEST_SEED`, if there is one
 * @param commit the hash of the commit, if there is one
 * @throws if the value that was given is not a whole number of 32 bits
 */
export function seedOf(given: string | undefined, commit: string | undefined): number {
  if (given !== undefined) {
    const seed = Number(given);
    if (given.trim() === "" || seed !== (seed | 0)) {
      throw new Error(
        `PSA_TEST_SEED is "${given}"; it should be a whole number from -2147483648 to 2147483647.`,
      );
    }
    return seed;
  }
  return commit === undefined ? FIXED : parseInt(commit.slice(0, 7), 16);
}

/** The hash of the commit that is checked out, if this is a checkout. */
function commit(): string | undefined {
  try {
    const cwd = new URL("../../", import.meta.url);
    const { success, stdout } = new Deno.Command("git", {
      args: ["rev-parse", "HEAD"],
      cwd,
      stdout: "piped",
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined; // there is no git
  }
}

/** The seed of this run, for `fc.assert(property, { seed: TEST_SEED, … })`. */
export const TEST_SEED: number = seedOf(Deno.env.get("PSA_TEST_SEED"), commit());

if (Deno.env.get(PRINTED) !== `${TEST_SEED}`) {
  Deno.env.set(PRINTED, `${TEST_SEED}`);
  console.log(`Property tests have the seed ${TEST_SEED}; PSA_TEST_SEED=${TEST_SEED} repeats them.`);
}

/** Whether a run takes all parts of long tests. */
export const ALL_PARTS = Deno.env.get("PSA_LONG") === "1";

/**
 * Whether a run takes a test that only some commits take: one of several, drawn by the seed. PSA_LONG=1 takes all.
 *
 * @param place which of the tests it is, from 0
 * @param of how many there are
 */
export function drawn(place: number, of: number): boolean {
  return ALL_PARTS || (TEST_SEED >>> 0) % of === place;
}

/**
 * A check of random cases that looks at every third of them, say, beginning with one that the commit draws: for cases that
 * each compile kernels of their own, which takes seconds on a driver in software. PSA_LONG=1 looks at all.
 *
 * @param of one of how many cases is checked
 * @param check what is done with a case
 */
export function oneIn<Case>(of: number, check: (c: Case) => Promise<void>): (c: Case) => Promise<void> {
  let count = 0;
  return async (c) => {
    if (drawn(count++ % of, of)) await check(c);
  };
}
