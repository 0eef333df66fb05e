import { correctVerdicts, judgeRatios, studentChance } from "../../../bench/claim/verdicts.ts";
import { seededRandom } from "../../../reference/random.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";

Deno.test("claim: of hundreds of cells the true differences keep their verdicts, and those of chance lose them", () => {
  const random = seededRandom(5);
  const cell = (factor: number) =>
    judgeRatios(Array.from({ length: 6 }, () => factor * Math.exp(0.1 * random.normal())));
  const fair = Array.from({ length: 400 }, () => cell(1)),
    clear = Array.from({ length: 200 }, () => cell(0.5));
  const told = (cells: ReturnType<typeof cell>[]) => cells.filter(({ verdict }) => verdict !== "tie").length;
  assert(told(fair) > 2, "alone, some of them pass");
  assert(told(correctVerdicts(fair)) <= 1, "corrected, none should: 1 in 20 runs would tell one");
  const both = correctVerdicts([...fair, ...clear]);
  assertEquals(told(both.slice(400)), 200);
  assert(told(both.slice(0, 400)) <= told(fair));
});

Deno.test("claim: two tests have to agree, Student's and the sign test", () => {
  assertAlmostEquals(studentChance(12.7062, 1), 0.05, 1e-5);
  assertAlmostEquals(studentChance(2.57058, 5), 0.05, 1e-5);
  assertAlmostEquals(studentChance(5.95882, 6), 0.001, 1e-6);
  assertAlmostEquals(studentChance(2.71808, 11), 0.02, 1e-6);
  assertEquals([studentChance(0, 5), studentChance(Infinity, 4)], [1, 0]);
  // The logarithms of these have the mean -.3 and the standard deviation .1: t is .3 / (.1 / sqrt(6)).
  const logs = [-0.3 - 0.1 * Math.sqrt(5 / 4), -0.3 + 0.1 * Math.sqrt(5 / 4), -0.3 - 0.1 * Math.sqrt(5 / 4)];
  const six = [...logs, -0.3 + 0.1 * Math.sqrt(5 / 4), -0.3, -0.3].map(Math.exp);
  assertAlmostEquals(judgeRatios(six).p, studentChance(3 * Math.sqrt(6), 5), 1e-9);
  assertEquals(judgeRatios(six.map((ratio) => 1 / ratio)).verdict, "loss");
  const agrees = [0.9, 0.9, 0.9, 0.9, 0.9, 0.01]; // one head decides the mean, and no test of Student's sees it
  assertEquals([judgeRatios(agrees).verdict, judgeRatios(agrees).p > 0.05], ["tie", true]);
  const differs = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 1.01]; // Student's test alone would tell a win
  assertEquals([judgeRatios(differs).verdict, judgeRatios(differs).p], ["tie", 1]);
});
