import fc from "fast-check";
import {
  arrangeTokens,
  blockImportance,
  type Case,
  caseName,
  compare,
  configDensity,
  configErrors,
  denseAttention,
  invertOrder,
  levelDensity,
  makeWorkload,
  type OrderConfig,
  permuteTokens,
  psa,
  type PsaConfig,
  pyramidAttention,
  selectLevels,
  similarityCap,
  tensor,
  type Workload,
} from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { TEST_SEED } from "../support/seed.ts";

/** A small call and a configuration that fits it. */
interface PsaCase {
  readonly workload: Workload;
  readonly config: PsaConfig;
  readonly sizes: { readonly seqQ: number; readonly seqK: number };
}

const side = fc.integer({ min: 2, max: 6 });
const box = fc.record({ width: side, height: side, depth: side });

/** Any order for a box, text left out of it. */
function orders(size: { width: number; height: number; depth: number }): fc.Arbitrary<OrderConfig> {
  const variant = fc.constantFrom("released" as const, "curve" as const);
  return fc.oneof(
    fc.constant<OrderConfig>({ kind: "raster" }),
    variant.map((variant): OrderConfig => ({ kind: "gilbert", box: size, variant })),
    box.map((tile): OrderConfig => ({ kind: "tile", box: size, tile })),
    fc.integer({ min: 1, max: 5 }).map((clusters): OrderConfig => ({
      kind: "semantic",
      clusters,
      seed: 1,
      iterations: 2,
    })),
  );
}

const importances: fc.Arbitrary<PsaConfig["importance"]> = fc.oneof(
  fc.nat(99).map((seed) => ({ kind: "sampled" as const, seed })),
  fc.constant({ kind: "full" as const }),
  fc.constantFrom(4, 8, 16).map((stride) => ({ kind: "antidiagonal" as const, stride })),
  fc.constant({ kind: "pooled" as const }),
);
const ends = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { minLength: 4, maxLength: 4 }).map((list) =>
  list.sort((a, b) => a - b).map((end) => end / 20)
);
const assignments: fc.Arbitrary<PsaConfig["assignment"]> = fc.oneof(
  fc.double({ min: 0.01, max: 1, noNaN: true }).map((density) => ({ mode: "density" as const, density })),
  fc.tuple(fc.constantFrom("topk" as const, "threshold" as const), ends).map(([mode, [a, b, c, d]]) => ({
    mode,
    ratios: [[1, 0, a], [2, a, b], [4, b, c], [8, c, d], [0, d, 1]] as const,
  })),
);

/** Cases over all importances, assignments, orders and rules; `fixed` pins fields of the configuration. */
function psaCases(fixed: Partial<PsaConfig> = {}): fc.Arbitrary<PsaCase> {
  const rest = fc.record({
    blockM: fc.constantFrom(16, 32),
    blockN: fc.constantFrom(16, 32, 64),
    tile: fc.constantFrom(8, 16),
    importance: importances,
    assignment: assignments,
    textLength: fc.constantFrom(0, 0, 5, 20),
    similarityThresholds: fc.option(fc.constant({ 2: 0.3, 4: 0.2, 8: 0.1 }), { nil: undefined }),
    tail: fc.constantFrom("exact" as const, "replicate" as const),
  });
  return box.chain((size) =>
    fc.record({
      order: orders(size),
      rest,
      causal: fc.boolean(),
      kvHeads: fc.constantFrom(1, 2),
      seed: fc.nat(99),
    })
      .map(({ order, rest, causal, kvHeads, seed }) => {
        const config = { ...rest, order, causal: causal && order.kind === "raster", ...fixed };
        const seq = size.width * size.height * size.depth + (config.textLength ?? 0);
        const workload = makeWorkload("sinks", {
          heads: 2,
          kvHeads,
          seqQ: seq,
          headDim: 8,
          seed,
          dtype: "f64",
        });
        const made: PsaCase = { workload, config, sizes: { seqQ: seq, seqK: seq } };
        const name = () =>
          caseName(describe(made, { seed, grid: `${size.depth}x${size.height}x${size.width}` }));
        return Object.defineProperty(made, fc.toStringMethod, { value: name });
      })
  );
}

/** The case as data, so that a counter-example prints as one line. */
function describe(
  { workload: { qkv: { q, k } }, config, sizes }: PsaCase,
  { seed, grid }: { readonly seed: number; readonly grid: string },
): Case {
  const { importance, assignment, order, similarityThresholds, textLength: text } = config;
  const { blockM, blockN, tile, causal, tail } = config;
  const [batch, heads, , headDim] = q.shape;
  return {
    stage: "psa",
    ...{
      batch,
      heads,
      kvHeads: k.shape[1],
      ...sizes,
      headDim,
      blockM,
      blockN,
      tile,
      causal,
      tail,
      text,
      grid,
      seed,
    },
    dtype: "f64",
    workload: "sinks",
    order: Object.values(order ?? {}).map((part) =>
      typeof part === "object" ? Object.values(part).join("x") : part
    ).join(","),
    importance: importance.kind,
    stride: importance.kind === "antidiagonal" ? importance.stride : undefined,
    mode: assignment.mode,
    density: assignment.mode === "density" ? assignment.density : undefined,
    quotas: assignment.mode === "density" ? undefined : assignment.ratios.map(([, , end]) => end).join(","),
    cap: similarityThresholds && Object.values(similarityThresholds).join(","),
  };
}

/** Registers a test that a fact holds for random cases, always the same ones. */
function fact(name: string, cases: fc.Arbitrary<PsaCase>, check: (given: PsaCase) => void): void {
  Deno.test(`psa: ${name}`, () => fc.assert(fc.property(cases, check), { seed: TEST_SEED, numRuns: 40 }));
}

fact(
  "what it returns has the shapes and the density that its levels cost",
  psaCases(),
  ({ workload, config, sizes }) => {
    assertEquals(configErrors(config, sizes), []);
    const { out, lse, levels, density } = psa(workload.qkv, config);
    const { seqQ, seqK } = sizes, { blockM, blockN, causal } = config;
    assertEquals(out.shape, [1, 2, seqQ, 8]);
    assertEquals(lse.shape, [1, 2, seqQ]);
    assertEquals(levels.shape, [1, 2, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)]);
    assert(out.data.every(Number.isFinite));
    assertEquals(density, levelDensity(levels, { causal, blockM, blockN, seqQ, seqK }));
  },
);

fact(
  "it is attention over the levels that it returns, in the order that it used",
  psaCases(),
  ({ workload, config }) => {
    const { out, lse, levels } = psa(workload.qkv, config);
    const { qkv, queryOrder } = arrangeTokens(workload.qkv, config);
    assertEquals(selectLevels(qkv, config), levels);
    const want = pyramidAttention(qkv, levels, config);
    assertEquals(queryOrder === undefined ? out : permuteTokens(out, queryOrder), want.out);
    assertEquals(queryOrder === undefined ? lse : permuteTokens(lse, queryOrder), want.lse);
  },
);

fact(
  "at density 1 it is dense attention, whatever the order",
  psaCases({
    assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    similarityThresholds: undefined,
  }),
  ({ workload, config }) => {
    const { causal } = config, { out, lse, density } = psa(workload.qkv, config);
    const dense = denseAttention(workload.qkv, { causal });
    assertEquals(density, 1);
    assert(compare(out, dense.out).maxAbs < 1e-12);
    assert(compare(lse, dense.lse).maxAbs < 1e-12);
  },
);

fact(
  "rearranged inputs under raster order give the rearranged output",
  psaCases({ causal: false }),
  ({ workload, config }) => {
    const { qkv, queryOrder } = arrangeTokens(workload.qkv, config);
    if (queryOrder === undefined) return;
    const raster = psa(qkv, { ...config, order: { kind: "raster" } });
    assertEquals(permuteTokens(raster.out, invertOrder(queryOrder)), psa(workload.qkv, config).out);
  },
);

fact("text is read in full", psaCases({ causal: false, textLength: 20 }), ({ workload, config, sizes }) => {
  const { levels } = psa(workload.qkv, config), columns = levels.shape[3];
  const text = Math.ceil(20 / config.blockN);
  assert(levels.data.every((level, at) => at % columns < columns - text || level === 1));
  assertEquals(columns, Math.ceil(sizes.seqK / config.blockN));
});

fact(
  "no level is above its block's cap, and a cap only lowers levels",
  psaCases({ similarityThresholds: { 2: 0.3, 4: 0.2, 8: 0.1 } }),
  ({ workload, config }) => {
    const { qkv } = arrangeTokens(workload.qkv, config), { blockN, similarityThresholds } = config;
    const capped = selectLevels(qkv, config),
      free = selectLevels(qkv, { ...config, similarityThresholds: undefined });
    const cap = similarityCap(qkv.k, { blockN, thresholds: similarityThresholds! });
    const [, heads, rows, columns] = capped.shape, kvHeads = cap.shape[1];
    capped.data.forEach((level, at) => {
      const head = Math.floor(at / columns / rows), j = at % columns;
      const limit = cap.data[Math.floor(head * kvHeads / heads) * columns + j];
      assertEquals(level, Math.min(limit, free.data[at]));
    });
  },
);

fact(
  "the density of a configuration is known before attention",
  psaCases(),
  ({ workload, config, sizes }) => {
    const { qkv } = arrangeTokens(workload.qkv, config),
      { blockN, similarityThresholds: thresholds } = config;
    const cap = thresholds && similarityCap(qkv.k, { blockN, thresholds });
    const importance = blockImportance(qkv, config);
    assertEquals(configDensity(importance, config, { ...sizes, cap }), psa(workload.qkv, config).density);
  },
);

fact(
  "a causal query does not depend on later tokens, once its levels are given",
  psaCases({ order: { kind: "raster" }, causal: true }),
  ({ workload: { qkv }, config }) => {
    const { out, levels } = psa(qkv, config), [, , length, dim] = qkv.k.shape, half = length >> 1;
    const changed = (data: Float64Array) =>
      tensor(data.map((x, i) => Math.floor(i / dim) % length > half ? 9 : x), qkv.k.shape);
    const other = pyramidAttention(
      { q: qkv.q, k: changed(qkv.k.data as Float64Array), v: changed(qkv.v.data as Float64Array) },
      levels,
      { ...config, tail: "exact" },
    );
    const same = pyramidAttention(qkv, levels, { ...config, tail: "exact" });
    out.data.forEach((_, i) => {
      if (Math.floor(i / dim) % length <= half) assertEquals(other.out.data[i], same.out.data[i]);
    });
  },
);
