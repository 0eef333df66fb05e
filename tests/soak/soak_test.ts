/** The short form of the soak; the long one is `deno task soak`. */
import { assert, assertEquals } from "../support/assert.ts";
import { TEST_SEED } from "../support/seed.ts";
import { soak } from "./run.ts";

/** Moves of the short form. */
const MOST_MOVES = 60;

Deno.test("soak: calls, faults and wrong arguments, mixed, give right bits or typed errors, and all comes back", async () => {
  const { counts, failures, moves } = await soak({
    ...{ seed: TEST_SEED, without: ["compiles", "fuzzes"], goesOn: (moves) => moves < MOST_MOVES },
  });
  assertEquals(failures, []);
  assertEquals(moves, MOST_MOVES);
  assert((counts.get("forwards") ?? 0) > 10);
});
