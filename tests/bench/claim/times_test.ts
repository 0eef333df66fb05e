import { KINDS } from "../../../bench/claim/cells.ts";
import { MASKS, pooledTimes, ratioNoise, type TimedRow } from "../../../bench/claim/times.ts";
import { METHODS } from "../../../reference/methods/mod.ts";
import { seededRandom } from "../../../mod.ts";
import { randomInputs } from "../../support/method_tools.ts";
import { assert, assertAlmostEquals, assertEquals } from "../../support/assert.ts";

const HEADS = 6, DENSITIES = [0.05, 0.1, 0.2, 0.35];
/** Milliseconds of a kernel at density 0, and per density. */
const TRUTH: Record<string, readonly [base: number, rate: number]> = {
  psa: [2, 22],
  "block-topk": [1, 20],
  xattention: [1, 20],
  sta: [1, 26],
};

function trueTime(method: string, density: number): number {
  const [base, rate] = TRUTH[method];
  return base + rate * density;
}

/** Rows of all methods on heads that are up to twice as slow, with each time multiplied by what `noise` gives. */
function timedRows(slowness: () => number, noise: () => number): TimedRow[] {
  return Array.from({ length: HEADS }, (_, head) => {
    const slow = slowness();
    return Object.keys(TRUTH).flatMap((method) =>
      DENSITIES.map((density) => ({
        ...{ method, density, input: "a", head: String(head) },
        gpu_ms_median: slow * trueTime(method, density) * noise(),
      }))
    );
  }).flat();
}

/** The first row of a method at a density. */
function rowOf(rows: readonly TimedRow[], method: string, density: number): TimedRow {
  return rows.find((row) => row.method === method && row.density === density)!;
}

Deno.test("claim: times that are exact are found, without each head's own slowness", () => {
  const slow = [1, 1.25, 1.5, 1.75, 2, 2.25];
  let head = 0;
  const rows = timedRows(() => slow[head++], () => 1), times = pooledTimes(rows);
  const usual = Math.sqrt(1.5 * 1.75);
  for (const row of rows) {
    assertAlmostEquals(times.get(row)!.ms, usual * trueTime(row.method, row.density), 1e-6);
    assert(ratioNoise(times.get(row)!, times.get(rows[0])!) < 1e-6);
  }
});

Deno.test("claim: one slow outlier in six hardly moves a time", () => {
  const rows = timedRows(() => 1, () => 1);
  const slowed = rows.map((row, i) =>
    i === rows.indexOf(rowOf(rows, "psa", 0.2)) ? { ...row, gpu_ms_median: 3 * row.gpu_ms_median! } : row
  );
  const times = pooledTimes(slowed);
  for (const row of slowed) {
    const { ms } = times.get(row)!, want = trueTime(row.method, row.density);
    assert(Math.abs(ms / want - 1) < 0.02, `${row.method} ${row.density}: ${ms}, not ${want}`);
  }
});

Deno.test("claim: the interval of a ratio of times holds the true one about as often as it says", () => {
  const random = seededRandom(4), trials = 150;
  let held = 0, asked = 0;
  for (let trial = 0; trial < trials; trial++) {
    const slowStretch = () => random.uniform() < 0.12 ? 1.5 : 1;
    const rows = timedRows(() => 1 + random.uniform(), () => Math.exp(0.1 * random.normal()) * slowStretch());
    const times = pooledTimes(rows);
    for (const [rival, density] of [["block-topk", 0.05], ["xattention", 0.2], ["sta", 0.35]] as const) {
      const [a, b] = [rowOf(rows, "psa", density), rowOf(rows, rival, density)];
      const [found, want] = [
        times.get(a)!.ms / times.get(b)!.ms,
        trueTime("psa", density) / trueTime(rival, density),
      ];
      asked++;
      if (Math.abs(Math.log(found / want)) <= ratioNoise(times.get(a)!, times.get(b)!)) held++;
    }
  }
  assert(held / asked > 0.9 && held / asked < 0.99, `${held} of ${asked} intervals hold the true ratio`);
});

Deno.test("claim: times of a single head, and of a method that only one head has, are not known", () => {
  const rows = timedRows(() => 1, () => 1), [first] = rows;
  const alone = pooledTimes(rows.filter(({ head }) => head === "0"));
  assertEquals(ratioNoise(alone.get(first)!, alone.get(rowOf(rows, "sta", 0.2))!), Infinity);
  const few = rows.filter(({ method, head }) => method !== "sta" || head === "0"), times = pooledTimes(few);
  assertEquals(ratioNoise(times.get(first)!, times.get(rowOf(few, "sta", 0.2))!), Infinity);
  assertEquals(pooledTimes([{ ...first, gpu_ms_median: null }]).size, 0);
});

Deno.test("claim: the methods that share a line of times read blocks of the order in full or not at all", () => {
  const inputs = randomInputs({ seqQ: 64, blockM: 8, blockN: 8 });
  for (const method of METHODS) {
    const isMask = MASKS.has(method.name);
    assert(!isMask || method.granularity === "block" && method.gridTile === undefined, method.name);
    if (!isMask || method.granularity !== "block") continue;
    const { data } = method.select(inputs, 0.3).levels;
    assertEquals([...new Set(data)].toSorted(), [0, 1], method.name);
  }
  const [{ methods: masks }] = KINDS,
    tiled = METHODS.filter(({ gridTile }) => gridTile).map(({ name }) => name);
  assertEquals(masks.filter((name) => !tiled.includes(name) && !MASKS.has(name)), []);
});
