import { seedOf, TEST_SEED } from "../support/seed.ts";
import { assertEquals, assertNotEquals, assertThrows } from "../support/assert.ts";

Deno.test("seed: it follows from the commit, and PSA_TEST_SEED goes before it", () => {
  const first = "0123456789abcdef", second = "0123457789abcdef";
  assertEquals(seedOf(undefined, first), 0x0123456);
  assertNotEquals(seedOf(undefined, first), seedOf(undefined, second));
  assertEquals(seedOf("-7", first), -7);
  assertEquals(seedOf(undefined, undefined), 2512);
});

Deno.test("seed: one that is none is refused", () => {
  for (const given of ["", "abc", "0.5", "4294967296"]) {
    assertThrows(() => seedOf(given, undefined), Error, `PSA_TEST_SEED is "${given}"`);
  }
});

Deno.test("seed: a run prints the seed that repeats it, once for all of its files", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "test",
      "-A",
      "--no-check",
      "--parallel",
      "tests/reference/tensor_test.ts",
      "tests/fixtures/cases_test.ts",
    ]
      .concat("tests/reference/order/order_test.ts"),
    cwd: new URL("../../", import.meta.url),
    env: { PSA_TEST_SEED: "41", PSA_TEST_SEED_PRINTED: "", NO_COLOR: "1" },
    stdout: "piped",
    stderr: "null",
  }).output();
  const printed = new TextDecoder().decode(stdout).match(
    /Property tests have the seed \S+ PSA_TEST_SEED=\S+/g,
  );
  assertEquals(printed, ["Property tests have the seed 41; PSA_TEST_SEED=41"]);
  assertEquals(Number.isInteger(TEST_SEED), true);
});
