/**
 * Honest kernels in C on hard data are not called wrong. `honest.ts` runs all pairs; this is the quick part.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { drawn } from "../../support/seed.ts";
import { runAllHonest } from "./honest.ts";

const { wrong: known }: { wrong: string[] } = JSON.parse(
  await Deno.readTextFile(new URL("known_wrong.json", import.meta.url)),
);
const DATA = [
  "values sorted by sign",
  "blocks alternate in sign",
  "growing maximum",
  "one hot key",
  "subnormal values",
  "huge scale",
  "nearly equal weights, 16K",
];
/** Each commit draws a quarter of them; PSA_LONG=1 takes all. */
const QUICK = DATA.filter((_, i) => drawn(i % 4, 4));

Deno.test("no honest kernel is called wrong, but for those that are listed as such", async () => {
  const all = await runAllHonest({ data: QUICK });
  if (typeof all === "string") {
    console.log(`${QUICK.length} checks are left out: ${all}`);
    return;
  }
  const wrong = all.filter(({ verdict }) => verdict === "wrong").map(({ kernel, data }) =>
    `${kernel} on ${data}`
  );
  const listed = known.filter((name) => QUICK.some((data) => name.endsWith(` on ${data}`)));
  assertEquals(wrong.toSorted(), listed.toSorted());
  assertEquals(all.filter(({ share }) => share > 0).length > 10 * QUICK.length, true, "bounds are used");
});
