import {
  denseAttention,
  InputError,
  pyramidAttention,
  type PyramidAttentionOptions,
  tensor,
} from "../../../mod.ts";
import { assert, assertAlmostEquals, assertEquals, assertThrows } from "../../support/assert.ts";

const row = (numbers: number[], dim = 1) =>
  tensor(new Float64Array(numbers), [1, 1, numbers.length / dim, dim]);
const levelsOf = (entries: number[], M: number) =>
  tensor(new Int32Array(entries), [1, 1, M, entries.length / M]);

Deno.test("attention: two keys by hand", () => {
  const { out, lse } = denseAttention({ q: row([2]), k: row([0, Math.LN2]), v: row([10, 40]) }, { scale: 1 });
  assertAlmostEquals(out.data[0], (10 + 4 * 40) / 5, 1e-13); // weights 1 and exp(2 ln 2) = 4
  assertAlmostEquals(lse.data[0], Math.log(5), 1e-13);
});

Deno.test("attention: the default scale is 1 / sqrt(D)", () => {
  const q = row([1, 1, 1, 1], 4), k = row([2, 2, 2, 2, 0, 0, 0, 0], 4), v = row([1, 0]);
  assertAlmostEquals(denseAttention({ q, k, v }).lse.data[0], Math.log(Math.exp(8 / 2) + 1), 1e-13);
});

Deno.test("attention: a pooled token counts for the tokens that it stands for", () => {
  const q = row([1]), k = row([0, 2, 5, 0]), v = row([1, 3, 7, 0]);
  const options = { blockM: 1, blockN: 2, scale: 1 };
  const { out, lse } = pyramidAttention({ q, k, v }, levelsOf([2, 1], 1), options);
  // The pooled token has key 1, value 2, weight 2 e; then come e^5 and 1.
  const [pooled, full, last] = [2 * Math.E, Math.exp(5), 1];
  assertAlmostEquals(lse.data[0], Math.log(pooled + full + last), 1e-13);
  assertAlmostEquals(out.data[0], (pooled * 2 + full * 7) / (pooled + full + last), 1e-13);
});

Deno.test("attention: causal positions are aligned bottom-right", () => {
  const q = row([0, 0]), k = row([0, 0, 0, 0]), v = row([1, 2, 4, 8]);
  const { out, lse } = denseAttention({ q, k, v }, { causal: true });
  assertAlmostEquals(out.data[0], 7 / 3, 1e-13);
  assertAlmostEquals(out.data[1], 15 / 4, 1e-13);
  assertAlmostEquals(lse.data[1], Math.log(4), 1e-13);
});

Deno.test("attention: with more queries than keys the first causal queries see nothing", () => {
  const q = row([1, 1, 1]), kv = row([5]);
  const { out, lse } = denseAttention({ q, k: kv, v: kv }, { causal: true, scale: 1 });
  assertEquals([...out.data], [0, 0, 5]);
  assertEquals([...lse.data], [-Infinity, -Infinity, 5]);
});

Deno.test("attention: a causal query sees a pooled token only once it is at the token's end", () => {
  const q = row([0, 0, 0, 0]), k = row([0, 0, 0, 0]), v = row([2, 4, 6, 8]);
  const options = { blockM: 4, blockN: 4, causal: true };
  const { out } = pyramidAttention({ q, k, v }, levelsOf([2], 1), options);
  assertEquals([...out.data], [0, 3, 3, 5]);
});

Deno.test("attention: a row whose blocks are all skipped is 0 and -Infinity, never NaN", () => {
  const q = row([1, 2]), kv = row([1, 2]);
  const { out, lse } = pyramidAttention({ q, k: kv, v: kv }, levelsOf([0, 0, 1, 0], 2), {
    blockM: 1,
    blockN: 1,
  });
  assertEquals([...out.data], [0, 1]);
  assertEquals(lse.data[0], -Infinity);
});

Deno.test("attention: logits of +-1e4 neither overflow nor lose the row", () => {
  const { out, lse } = denseAttention({ q: row([100]), k: row([100, -100, 99]), v: row([1, 2, 3]) }, {
    scale: 1,
  });
  assertAlmostEquals(out.data[0], 1, 1e-12);
  assertAlmostEquals(lse.data[0], 1e4, 1e-9);
});

Deno.test("attention: bad input is refused by name", () => {
  const x = row([1, 2, 3, 4]), qkv = { q: x, k: x, v: x }, options = { blockM: 2, blockN: 2 };
  const refused = (entries: number[], changed: object, sentence: string) =>
    assertThrows(
      () =>
        pyramidAttention(qkv, levelsOf(entries, 2), { ...options, ...changed } as PyramidAttentionOptions),
      InputError,
      sentence,
    );
  refused([1, 1], {}, "`levels` has shape [1,1,2,1]; these blocks need [1,1,2,2].");
  refused([1, 1, 1, 3], {}, "`levels` holds 3; it should hold 0 and powers of two that divide `blockN`, 2.");
  refused([1, 1, 4, 1], {}, "`levels` holds 4");
  refused([1, -1, 1, 1], {}, "`levels` holds -1");
  refused([1, 1, 1, 1], { blockM: 0 }, "`blockM` is 0");
  refused([1, 1, 1, 1], { blockN: 1.5 }, "`blockN` is 1.5");
  refused([1, 1, 1, 1], { blockN: undefined }, "`blockM` and `blockN` should both be given");
  refused([1, 1, 1, 1], { scale: NaN }, "`scale` is NaN; it should be a finite number.");
  refused([1, 1, 1, 1], { causal: "false" as unknown as boolean }, "`causal` is false, a string;");
  refused([1, 1, 1, 1], { tail: "none" }, '`tail` is "none"');
  assertThrows(() => denseAttention({ ...qkv, v: row([1, 2]) }), InputError, "`v` has shape");
});

Deno.test("attention: memory grows with the tokens, not with their square", async () => {
  const code = `
    import { pyramidAttention } from "./reference/attention/attention.ts";
    import { tensor } from "./reference/tensor.ts";
    const tokens = 20_000, x = tensor(new Float32Array(tokens), [1, 1, tokens, 1]), N = Math.ceil(tokens / 64);
    const entries = new Int32Array(N * N).map((_, i) => i % N === Math.floor(i / N) ? 1 : 0);
    const before = Deno.memoryUsage().rss;
    pyramidAttention({ q: x, k: x, v: x }, tensor(entries, [1, 1, N, N]), { blockM: 64, blockN: 64 });
    console.log(Deno.memoryUsage().rss - before);`;
  // A process of its own: what other tests hold meanwhile is not counted.
  const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", code],
    cwd: new URL("../../../", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assertEquals(exit, 0, decode(stderr));
  const grown = Number(decode(stdout));
  assert(grown < 400e6, `${grown} bytes; 20000 x 20000 numbers would be 3.2e9`);
});
