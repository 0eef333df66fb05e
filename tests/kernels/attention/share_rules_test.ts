/** Rules that add up softmax, gates or errors: the device makes the masks that methods make, up to near ties. */
import {
  createPsa,
  type KeyRule,
  type MaskSelection,
  type MethodInputs,
  methodInputs,
  methodOf,
  type Qkv,
} from "../../../mod.ts";
import { readMask } from "../../../kernels/attention/masked/bits.ts";
import { buildRule } from "../../../kernels/attention/masked/rule.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { poison, poisonOutputs } from "../../../kernels/device/poison.ts";
import { upload } from "../../../kernels/device/transfer.ts";
import { submitPass } from "../../../kernels/device/work/pass.ts";
import { InputError } from "../../../reference/errors.ts";
import { countRow } from "../../../reference/masks/bits.ts";
import { buildMask } from "../../../reference/masks/mask.ts";
import { seededRandom } from "../../../reference/random.ts";
import { attentionShape } from "../../../reference/tensor.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { lacksHalves } from "../../support/implementation.ts";
import { drawn } from "../../support/seed.ts";
import { gpuTest } from "../../support/stage_case.ts";

/** One call, whose 4 query heads share 2 key heads. */
interface ShareCase {
  readonly method: string;
  readonly causal: boolean;
  readonly seqQ: number;
  readonly seqK: number;
  readonly dtype: "f32" | "f16";
  /** Keys of a query, or of a list, that may differ from those of the method. */
  readonly ties: number;
}

const DIM = 16, VALUE_DIM = 24, BLOCKS = { blockM: 32, blockN: 16 }, GRID = { width: 8, height: 4, depth: 5 };
const CASES: readonly ShareCase[] = [
  { method: "purekv-keys", causal: false, seqQ: 70, seqK: 330, dtype: "f32", ties: 2 },
  { method: "purekv-keys", causal: false, seqQ: 33, seqK: 40, dtype: "f16", ties: 2 },
  { method: "omnisparse-keys", causal: false, seqQ: 300, seqK: 90, dtype: "f32", ties: 2 },
  { method: "vmoba", causal: false, seqQ: 100, seqK: 104, dtype: "f32", ties: 16 },
  { method: "vmoba", causal: true, seqQ: 220, seqK: 200, dtype: "f32", ties: 16 }, // queries that see nothing
  { method: "sharpv-keys", causal: false, seqQ: 160, seqK: 160, dtype: "f32", ties: 2 },
  { method: "svg", causal: false, seqQ: 160, seqK: 160, dtype: "f32", ties: 0 },
  { method: "svg-sink", causal: false, seqQ: 160, seqK: 160, dtype: "f32", ties: 0 },
];

/** Random tokens; those of even heads are alike within a frame, those of odd heads at the same position of all frames. */
function callOf({ seqQ, seqK, dtype }: ShareCase): Qkv {
  const random = seededRandom(3),
    Type = dtype === "f16" ? Float16Array : Float32Array,
    frame = GRID.width * GRID.height;
  const alike = Float64Array.from({ length: 2 * 64 * DIM }, () => random.normal());
  const draw = (heads: number, tokens: number, dim: number, share: number) => {
    const data = new Type(heads * tokens * dim);
    for (let at = 0; at < data.length; at++) {
      const token = Math.floor(at / dim) % tokens, kv = Math.floor(at / (tokens * dim) / (heads / 2));
      const kind = kv === 0 ? Math.floor(token / frame) % 64 : token % frame;
      data[at] = share * alike[(kv * 64 + kind) * DIM + at % dim % DIM] + random.normal();
    }
    return { data, shape: [1, heads, tokens, dim] };
  };
  return { q: draw(4, seqQ, DIM, 2), k: draw(2, seqK, DIM, 2), v: draw(2, seqK, VALUE_DIM, 1) } as Qkv;
}

function inputsOf({ causal, seqQ }: ShareCase, qkv: Qkv): MethodInputs {
  return methodInputs(qkv, { ...BLOCKS, causal, ...seqQ === 160 ? { grid: GRID } : {} });
}

/** The mask of the device; it was NaN before. */
async function maskOf(
  gpu: Gpu,
  { qkv, dtype, scoreBytes }: { qkv: Qkv; dtype: "f32" | "f16"; scoreBytes?: number },
  rule: KeyRule,
) {
  const shape = attentionShape(qkv);
  const [q, k, v] = (["q", "k", "v"] as const).map((name) => {
    const buffer = gpu.createBuffer(name, { size: qkv[name].data.byteLength });
    upload(gpu, buffer, { data: qkv[name].data as Float32Array<ArrayBuffer> });
    return buffer;
  });
  const made = await buildRule(gpu, { shape, dtype, scale: 1 / Math.sqrt(DIM), q, k, v, scoreBytes }, rule);
  poison(gpu, made.mask);
  for (let run = 0; run < 2; run++) await submitPass(gpu, made.encodes, { label: "rule" }); // the second finds what the first left
  return await readMask(gpu, made, shape);
}

gpuTest(
  "share rules: the device takes the keys that methods take, at once or a few queries at a time",
  async (gpu) => {
    for (const [i, given] of CASES.entries()) {
      if (!drawn(i % 2, 2)) continue; // a commit draws every other one
      if (given.dtype === "f16" && lacksHalves(gpu, "share rules in float16")) continue;
      const qkv = callOf(given),
        { mask, rule, status } = methodOf(given.method).select(inputsOf(given, qkv), 0.3) as MaskSelection;
      assertEquals(status, "ok", given.method);
      for (const scoreBytes of [undefined, 4 * 3 * 2 * given.seqK]) { // the other: 3 queries of 2 heads
        using scope = gpu.scope();
        const got = await maskOf(scope, { qkv, dtype: given.dtype, scoreBytes }, rule as KeyRule);
        let shown = 0, wanted = 0, differing = 0;
        for (let head = 0; head < 4; head++) {
          for (let i = 0; i < given.seqQ; i++) {
            const want = mask.rows(head, i, i + 1), own = got.rows(head, i, i + 1);
            const off = countRow(want.map((word, at) => word ^ own[at]));
            assert(
              off <= given.ties,
              `${JSON.stringify(given)}: head ${head}, query ${i} has ${off} other keys`,
            );
            shown += countRow(own);
            wanted += countRow(want);
            differing += off;
          }
        }
        assert(Math.abs(shown - wanted) <= 2 * given.ties, `${given.method}: ${shown} pairs, not ${wanted}`);
        assert(
          differing <= given.ties * (given.method === "vmoba" ? 8 : 4 * given.seqQ),
          `${given.method}: ${differing} pairs differ`,
        );
      }
    }
  },
);

gpuTest(
  "share rules: heads take different masks, and a call gives what it gives for the mask",
  async (gpu) => {
    for (const at of [0, 6]) {
      const given = CASES[at], qkv = callOf(given), shape = attentionShape(qkv);
      const { mask, rule } = methodOf(given.method).select(inputsOf(given, qkv), 0.3) as MaskSelection;
      if (at === 6) assert(`${mask.rows(0, 80, 81)}` !== `${mask.rows(2, 80, 81)}`, "both bands are taken");
      using psa = await createPsa(gpu, {
        ...{ shape, ready: [] },
        config: {
          ...{ ...BLOCKS, tile: 16, importance: { kind: "pooled" } },
          assignment: { mode: "density", density: 1, shares: { 1: 1 } },
        },
      });
      await psa.load(qkv as Qkv<Float32Array>);
      const want = await (await psa.prepare({ mask })).forward(),
        call = await psa.prepare({ rule: rule as KeyRule });
      poisonOutputs(gpu, call.stages);
      const { out, lse, levels, density } = await call.forward();
      assertEquals([levels, density], [want.levels, want.density]);
      assertEquals([out.data, lse.data], [want.out.data, want.lse.data]);
      if (at === 0) continue;
      const small = buildMask([1, 1, 3, 160], { fill: (bits) => bits.fill(1) });
      const refused = (rule: unknown, message: string) =>
        assertRejects(() => psa.prepare({ rule } as { rule: KeyRule }), InputError, message);
      await refused(
        { ...rule, masks: [small, small] },
        "`masks` has one of shape [1,1,3,160]; it should be [1,1,160,160]",
      );
      const seen = new Int32Array(160),
        gated = { kind: "gated", unit: 16, seen, own: seen, first: false, pairs: 9 };
      await refused({ ...gated, unit: 20 }, "`unit` is 20");
      await refused({ ...gated, own: new Int32Array(3) }, "`own` holds 3 numbers; this call needs 160.");
    }
  },
);
