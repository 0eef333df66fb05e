import { estimateMedian, quantile } from "../../../bench/timing/statistics.ts";
import { seededRandom } from "../../../reference/random.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";

Deno.test("statistics: quantiles are linear between neighbours", () => {
  assertEquals(quantile([1, 2, 3, 4], 0.5), 2.5);
  assertEquals(quantile([5], 0.75), 5);
  assertEquals(quantile([0, 10], 0.25), 2.5);
});

Deno.test("statistics: the confidence of few values is told, not claimed", () => {
  assertEquals(estimateMedian([1, 2, 3]).confidence, 0.75);
  assertEquals(estimateMedian([7]), { median: 7, low: 7, high: 7, confidence: 0, iqr: 0 });
  assertAlmostEquals(estimateMedian([1, 2, 3, 4, 5, 6]).confidence, 1 - 2 / 64, 1e-12);
});

Deno.test("statistics: ten values give the second to the ninth for .95", () => {
  const { low, high, confidence } = estimateMedian([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
  assertEquals([low, high], [2, 9]);
  assertAlmostEquals(confidence, 1 - 2 * 11 / 1024, 1e-12);
});

Deno.test("statistics: intervals cover the true median as often as they say", () => {
  const random = seededRandom(3);
  for (const n of [5, 9, 20, 41]) {
    let covered = 0, said = 0;
    const rounds = 4000;
    for (let i = 0; i < rounds; i++) {
      const { low, high, confidence } = estimateMedian(Array.from({ length: n }, () => random.uniform()));
      if (low <= 0.5 && 0.5 <= high) covered++;
      said = confidence;
    }
    assert(Math.abs(covered / rounds - said) < 0.02, `n = ${n}: ${covered / rounds} against ${said}`);
  }
});

Deno.test("statistics: the interval of many values does not grow to all of them", () => {
  for (const n of [100, 1000, 1074, 1075, 3000, 100_001]) {
    const { low, high, confidence } = estimateMedian(Array.from({ length: n }, (_, i) => i));
    const width = (high - low) / Math.sqrt(n);
    assert(width > 1.8 && width < 2.2, `n = ${n}: ${low} to ${high}`); // 2 * 1.96 * sqrt(n) / 2
    assert(confidence >= 0.95 && confidence < 0.97, `n = ${n}: ${confidence}`);
  }
});
