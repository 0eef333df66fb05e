import { expandTemplate } from "../../../kernels/wgsl/template.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

const lines = (...text: string[]) => text.join("\n");

Deno.test("template: text without directives stays as it is", () => {
  assertEquals(expandTemplate("let a = b + 1; // plain\n"), "let a = b + 1; // plain\n");
});

Deno.test("template: loops are unrolled, also inside each other, with bounds that are expressions", () => {
  const text = lines(
    "//#for i in 0 .. N",
    "//#for j in i .. 2",
    "x#{i}_#{2 * j}",
    "//#end",
    "//#end",
    "done",
  );
  assertEquals(expandTemplate(text, { N: 2 }), lines("x0_0", "x0_2", "x1_2", "done"));
});

Deno.test("template: a loop over nothing leaves nothing", () => {
  assertEquals(expandTemplate(lines("a", "//#for i in 3 .. 1", "b", "//#end", "c")), lines("a", "c"));
});

Deno.test("template: alternatives are chosen by parameters and by variables of loops", () => {
  const text = lines(
    "//#for i in 0 .. 2",
    "  //#if F16 && i > 0",
    "half#{i}",
    "  //#else",
    "full#{i}",
    "  //#end",
    "//#end",
  );
  assertEquals(expandTemplate(text, { F16: true }), lines("full0", "half1"));
  assertEquals(expandTemplate(text, { F16: false }), lines("full0", "full1"));
});

Deno.test("template: what is left out is not evaluated", () => {
  assertEquals(expandTemplate(lines("//#if false", "#{MISSING}", "//#end", "a")), "a");
});

Deno.test("template: a block stands for nothing, and for its lines where it is used, with the variables of that place", () => {
  const text = lines(
    "//#block twice",
    "a#{i}",
    "b#{N}",
    "//#end",
    "//#for i in 0 .. 2",
    "//#use twice",
    "//#end",
  );
  assertEquals(expandTemplate(text, { N: 5 }), lines("a0", "b5", "a1", "b5"));
});

Deno.test("template: mistakes are named with their line or expression", () => {
  assertThrows(() => expandTemplate(lines("a", "//#for i in 0 .. 2", "b")), Error, "Line 2");
  assertThrows(() => expandTemplate(lines("a", "//#end")), Error, "Line 2");
  assertThrows(() => expandTemplate("//#for i = 0"), Error, "is not a directive");
  assertThrows(
    () => expandTemplate(lines("a", "//#use lost")),
    Error,
    "Line 2 of the template uses the block lost",
  );
  assertThrows(() => expandTemplate("#{MISSING + 1}"), Error, '"MISSING + 1"');
  assertThrows(() => expandTemplate("#{0 / 0}"), Error, "it is not a number");
});
