import { showMilliseconds, showNumber } from "../../../bench/text/number.ts";
import { jsonLine, visible } from "../../../bench/text/output.ts";
import { fillLines, markdownTable } from "../../../bench/text/table.ts";
import { assertEquals } from "../../support/assert.ts";

Deno.test("numbers: plain in between, exponents outside, never a false zero", () => {
  assertEquals([0, 0.5, 123.456, 1234567, 1.5e-7, -2e-9, NaN, -Infinity].map((x) => showNumber(x)), [
    ...["0", "0.5", "123", "1.23e+6", "1.50e-7", "-2.00e-9", "NaN", "-Infinity"],
  ]);
  assertEquals([1.5, 25.25, 250.4, NaN].map(showMilliseconds), ["1.500", "25.25", "250", "NaN"]);
});

Deno.test("json: numbers that are not finite are texts; no character moves a terminal", () => {
  assertEquals(jsonLine({ a: NaN, b: [-Infinity], c: 1 }), '{"a":"NaN","b":["-Infinity"],"c":1}');
  assertEquals(jsonLine("\x9b31m\u202e"), '"\\u009b31m\\u202e"');
  assertEquals(visible("a\tb\n\x1b[2J\x9b"), "a\tb\n\\x1b[2J\\x9b");
});

Deno.test("tables in Markdown are aligned and keep their columns; lines are filled", () => {
  assertEquals(markdownTable(["", "n"], [["a|b", "10"]]), [
    "|      | n   |",
    "| ---- | --- |",
    "| a\\|b | 10  |",
  ]);
  assertEquals(fillLines(["ab", "cd", "efghij", "k"], { width: 5, indent: " " }), ["ab cd", " efghij", " k"]);
});
