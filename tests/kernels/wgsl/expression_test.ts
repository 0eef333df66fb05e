/** Expressions of templates: JavaScript's own values for what both understand, and mistakes by name. */
import fc from "fast-check";
import { evaluate } from "../../../kernels/wgsl/expression.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";
import { TEST_SEED } from "../../support/seed.ts";

const NAMES = { F16: true, DENSE: false, N: 7, i: 3, text: "wxyz" };

Deno.test("expression: values, precedence and what is not chosen", () => {
  const expected: [string, number | boolean | string][] = [
    ["1 + 2 * 3", 7],
    ["(1 + 2) * 3", 9],
    ["2 ** 3 ** 2", 512],
    ["-2 * 3", -6],
    ["2 ** -N", 2 ** -7],
    ["7 % 4 - 1", 2],
    ["10 - 3 - 2", 5],
    ["1 << 2 + 1", 8],
    ["i & 1 == 1", 1],
    ["(i & 1) == 1", true],
    ["i ^ 6", 5],
    ["1 | 4", 5],
    ["!F16 || N > 6 && i <= 3", true],
    ['"xyzw"[i & 3]', "w"],
    ["text[i - 1]", "y"],
    ['half == 1 ? "a" : "b"', "a"],
    ['i + "u"', "3u"],
    ['"next < " + N * 2 + "u"', "next < 14u"],
    ['DENSE ? "no" : F16 ? "yes" : "neither"', "yes"],
    ["DENSE && MISSING", false],
    ["F16 ? 1 : MISSING + 1", 1],
    ["F16 || MISSING[2]", true],
    ['""', ""],
    ["1.5 / 3", 0.5],
  ];
  for (const [text, value] of expected) assertEquals(evaluate(text, { ...NAMES, half: 1 }), value, text);
});

Deno.test("expression: random ones have the values that JavaScript gives them", () => {
  const { expression } = fc.letrec<{ expression: string }>((tie) => ({
    expression: fc.oneof(
      { maxDepth: 4 },
      fc.integer({ min: 0, max: 40 }).map(String),
      fc.constantFrom("N", "i", "true", "false"),
      fc.tuple(
        tie("expression"),
        fc.constantFrom("+", "-", "*", "<<", ">>", "&", "^", "|", "<", "<=", ">", ">=", "&&", "||"),
        tie("expression"),
      ).map(([a, operator, b]) => `${a} ${operator} ${b}`),
      fc.tuple(fc.constantFrom("!", "-"), tie("expression")).map(([operator, a]) => `${operator}(${a})`),
      fc.tuple(tie("expression"), tie("expression"), tie("expression")).map(([a, b, c]) =>
        `(${a}) ? ${b} : ${c}`
      ),
      tie("expression").map((a) => `(${a})`),
    ),
  }));
  const { N, i } = NAMES;
  fc.assert(
    fc.property(expression, (text) => {
      // the tests may use what kernels may not
      const want = new Function("N", "i", `return ${text};`)(N, i);
      if (Number.isNaN(want)) assertThrows(() => evaluate(text, NAMES));
      else {assertEquals(
          Object.is(evaluate(text, NAMES), -0) ? 0 : evaluate(text, NAMES),
          want === 0 ? 0 : want,
        );}
    }),
    { seed: TEST_SEED, numRuns: 2000 },
  );
});

Deno.test("expression: mistakes are named", () => {
  for (
    const [text, message] of [
      ["MISSING", "MISSING is not defined"],
      ["1 +", "the end"],
      ["1 2", '"2" stands where "the end" should be'],
      ["(1", "should be"],
      ["a.b", "is not understood"],
      ["f(1)", "f is not defined"],
      ['"ab"[5]', "no element 5"],
      ['"ab" * 2', 'the text "ab" is used as a number'],
      ["0 / 0", "it is not a number"],
      ["", "a value should be"],
      ["toString", "toString is not defined"],
    ]
  ) assertThrows(() => evaluate(text), Error, message);
});
