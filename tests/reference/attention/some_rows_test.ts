import { attentionRows, denseAttention, InputError, pyramidAttention, seededRandom } from "../../../mod.ts";
import { assertClose, attentionCall, factTest } from "../../support/attention_case.ts";
import { assert, assertEquals, assertThrows } from "../../support/assert.ts";
import type { AttentionResult, HeadRows, Qkv } from "../../../mod.ts";

/** Some rows of every head, in any order, some twice, of some heads none. */
function drawRows({ q: { shape: [batch, heads, seqQ] } }: Qkv, seed: number): number[][] {
  const random = seededRandom(seed);
  return Array.from(
    { length: batch * heads },
    () => Array.from({ length: random.below(7) }, () => random.below(seqQ)),
  );
}

function assertRows(got: readonly HeadRows[], want: AttentionResult): void {
  const seqQ = want.out.shape[2], valueDim = want.out.shape[3];
  got.forEach(({ rows, out, lse }, head) => {
    assertEquals(out.length, rows.length * valueDim);
    rows.forEach((row, i) => {
      const at = head * seqQ + row;
      assertClose(
        { data: out.subarray(i * valueDim, (i + 1) * valueDim), shape: [valueDim] },
        { data: want.out.data.subarray(at * valueDim, (at + 1) * valueDim), shape: [valueDim] },
      );
      assertClose({ data: lse.subarray(i, i + 1), shape: [1] }, {
        data: want.lse.data.subarray(at, at + 1),
        shape: [1],
      });
    });
  });
}

factTest("some rows: those of pyramid attention, every option crossed", (c) => {
  const { qkv, levels, options } = attentionCall(c), rows = drawRows(qkv, c.seed);
  const got = attentionRows(qkv, levels, rows, options);
  assertEquals(got.map((head) => head.rows), rows);
  assertRows(got, pyramidAttention(qkv, levels, options));
});

factTest("some rows: those of dense attention, causal or not", (c) => {
  const { qkv, options: { causal } } = attentionCall(c);
  for (const scale of [undefined, 0.3]) {
    const rows = drawRows(qkv, c.seed + 1);
    assertRows(attentionRows(qkv, null, rows, { causal, scale }), denseAttention(qkv, { causal, scale }));
  }
});

Deno.test("some rows: the cost grows with the rows, not with the queries", () => {
  const random = seededRandom(1), shape = [1, 1, 16384, 16];
  const x = { data: Float32Array.from({ length: 16384 * 16 }, () => random.normal()), shape };
  let reads = 0;
  const data = new Proxy(x.data, {
    get: (target, key) => {
      if (typeof key === "string" && /^\d+$/.test(key)) reads++;
      const value = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const q = {
    data: new Proxy(data, { get: (target, key) => key === "subarray" ? () => data : target[key as never] }),
    shape,
  };
  attentionRows({ q, k: x, v: x }, null, [[0, 16383]]);
  assert(reads > 0 && reads <= 2 * 16, `${reads} numbers of the queries were read; two rows have 32.`);
});

Deno.test("some rows: bad input is refused in one sentence", () => {
  const x = { data: new Float64Array(8 * 4), shape: [1, 2, 4, 4] }, qkv = { q: x, k: x, v: x };
  assertThrows(() => attentionRows(qkv, null, [[0]]), InputError, "`rowsOfHead` has 1 lists");
  for (const row of [-1, 4, 0.5, NaN]) {
    assertThrows(() => attentionRows(qkv, null, [[0], [row]]), InputError, `\`rowsOfHead\` holds ${row}`);
  }
  const levels = { data: new Int32Array(2).fill(1), shape: [1, 2, 1, 1] };
  assertThrows(() => attentionRows(qkv, levels, [[], []]), InputError, "blockM");
});
