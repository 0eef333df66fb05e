/** The text that a mistake replaces occurs in its file exactly once. */
import { assertEquals } from "../support/assert.ts";
import { methodMutants } from "./method_mutants.ts";
import { mutants } from "./mutants.ts";
import { selectionMutants } from "./selection_mutants.ts";

Deno.test("mutants: the text that each replaces stands in its file exactly once", async () => {
  for (const { name, file, find, replace } of new Set([...mutants, ...methodMutants, ...selectionMutants])) {
    const text = await Deno.readTextFile(new URL(`../../${file}`, import.meta.url));
    assertEquals([text.split(find).length - 1, find === replace], [1, false], `${name}: ${file}`);
  }
});
