import {
  attentionRows,
  attentionRowsParallel,
  attentionTolerance,
  attentionToleranceParallel,
  blockImportance,
  blockMass,
  blockMassParallel,
  importanceParallel,
  InputError,
  levelsForDensity,
  makeWorkload,
  sampleQueryRows,
  tensor,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertRejects } from "../../support/assert.ts";

const SIZES = { heads: 4, kvHeads: 2, seqQ: 200, headDim: 16, seed: 7 };
const BLOCKS = { blockM: 32, blockN: 16 };

for (const causal of [false, true]) {
  Deno.test(`heads in workers: the bits of the calling thread, causal ${causal}`, async () => {
    const { qkv } = makeWorkload("video", SIZES), workers = 2;
    const importance = causal
      ? { kind: "antidiagonal", stride: 8 } as const
      : { kind: "sampled", seed: 3 } as const;
    const config = { ...BLOCKS, causal, importance };
    const scores = blockImportance(qkv, config);
    assertEquals(await importanceParallel(qkv, config, { workers }), scores);
    const mass = { ...BLOCKS, causal };
    assertEquals(await blockMassParallel(qkv, { ...mass, workers }), blockMass(qkv, mass));
    const levels = levelsForDensity(scores, 0.3, { ...BLOCKS, causal, seqQ: 200, seqK: 200 });
    const { rows } = sampleQueryRows({ batch: 1, ...SIZES }, 32, { perBlock: 2 });
    for (const given of causal ? [levels] : [null, levels]) {
      const options = { ...BLOCKS, causal };
      assertEquals(
        await attentionRowsParallel(qkv, given, rows, { ...options, workers }),
        attentionRows(qkv, given, rows, options),
      );
      const judged = {
        ...options,
        dtype: "f32",
        rowsOfHead: rows,
        sample: { spread: 3, longest: 1 },
      } as const;
      const want = attentionTolerance(qkv, given, judged);
      for (const many of causal ? [2] : [8]) { // 8: heads are cut into pieces
        const got = await attentionToleranceParallel(qkv, given, { ...judged, workers: many });
        for (const name of ["relL2", "maxAbs", "lse"] as const) {
          assertAlmostEquals(got[name], want[name], 1e-12 * want[name]);
        }
      }
    }
  });
}

Deno.test("heads in workers: a part of the heads has the importance that it has in the whole", async () => {
  const { qkv: { q, k } } = makeWorkload("gaussian", SIZES);
  const config = { ...BLOCKS, importance: { kind: "sampled", seed: 3 } } as const;
  const whole = blockImportance({ q, k }, config), half = whole.data.length / 2;
  const later = ({ data, shape }: typeof q) => ({
    data: data.subarray(data.length / 2),
    shape: [1, shape[1] / 2, ...shape.slice(2)],
  });
  const part = await importanceParallel({ q: later(q), k: later(k) }, { ...config, firstHead: 2 }, {
    workers: 0,
  });
  assertEquals(part.data, whole.data.slice(half));
});

Deno.test("some rows: the mass of key blocks is that of all rows, if all rows are asked for", () => {
  const { qkv } = makeWorkload("sinks", { ...SIZES, seqQ: 64 });
  const all = Array.from({ length: 4 }, () => Array.from({ length: 64 }, (_, i) => i));
  const want = blockMass(qkv, { blockM: 1, blockN: 16, causal: true });
  attentionRows(qkv, null, all, { causal: true, massBlock: 16 }).forEach(({ mass }, head) => {
    assertEquals(mass.length, 64 * 4);
    mass.forEach((share, i) => assertAlmostEquals(share, want.data[head * 256 + i], 1e-13));
  });
});

Deno.test("bounds of some rows: those of all rows if all are named, and of the worst if it is the only one", () => {
  const { qkv } = makeWorkload("gaussian", { seqQ: 64, headDim: 16 });
  const rows = Array.from({ length: 64 }, (_, i) => i);
  const all = attentionTolerance(qkv, null, { dtype: "f16" });
  assertEquals(attentionTolerance(qkv, null, { dtype: "f16", rowsOfHead: [rows] }), all);
  const few = attentionTolerance(qkv, null, { dtype: "f16", sample: { spread: 6, longest: 2 } });
  // Fewer groups that are independent need more deviations: 8 rows need 2.6, 32 need 1.7, one needs 5.86.
  assert(few.relL2 > all.relL2 / 1.5 && few.relL2 < all.relL2 * 2, `${few.relL2} beside ${all.relL2}`);
  const each = rows.map((row) => attentionTolerance(qkv, null, { dtype: "f16", rowsOfHead: [[row]] }).relL2);
  assert(Math.min(...each) < 5.86 / 1.5 * all.relL2 && all.relL2 < Math.max(...each));
});

Deno.test("heads in workers: bad input is refused before any work", async () => {
  const { qkv } = makeWorkload("gaussian", SIZES);
  await assertRejects(
    () => attentionRowsParallel(qkv, null, [[0], [0], [0], [200]]),
    InputError,
    "holds 200",
  );
  await assertRejects(() => attentionRowsParallel(qkv, null, [[0]]), InputError, "4 heads");
  const config = { ...BLOCKS, blockM: 30, importance: { kind: "sampled", seed: 0 } } as const;
  await assertRejects(() => importanceParallel(qkv, config), InputError, "`blockM` is 30");
});

Deno.test("heads in workers: values that are a narrower view of the keys' memory keep their own shape", async () => {
  const memory = Float64Array.from({ length: 32 * 8 }, (_, i) => Math.sin(i * i));
  const k = tensor(memory, [1, 1, 32, 8]), v = tensor(memory.subarray(0, 32 * 4), [1, 1, 32, 4]);
  const qkv = { q: k, k, v }, rows = [[0, 31]];
  const [want] = attentionRows(qkv, null, rows),
    [got] = await attentionRowsParallel(qkv, null, rows, { workers: 2 });
  assertEquals([...got.out], [...want.out]);
});
