/** The tables of docs/real-shapes.md agree with the measured rows. */
import { withTables } from "../../bench/real/page.ts";
import { measureFault } from "../../bench/real/fault.ts";
import { assert, assertEquals } from "../support/assert.ts";

Deno.test("docs: the tables of real shapes are made of their rows", async () => {
  const page = await Deno.readTextFile("docs/real-shapes.md");
  const rows = JSON.parse(await Deno.readTextFile("docs/real-shapes.json"));
  assertEquals(withTables(page, rows), page);
});

Deno.test("docs: the released tile merge departs from the right result", () => {
  const { right, released, releasedDense } = measureFault(null, 1024);
  assert(released > 0.1 && right > 0 && releasedDense > 0, `${right} ${released} ${releasedDense}`);
});
