/** Moving tokens into an order and back on the device against permuteTokens of the reference. */
import fc from "fast-check";
import { invertOrder, permuteTokens, seededRandom } from "../../../mod.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { buildMove, buildOrderBuffer, uploadOrder } from "../../../kernels/order/order.ts";
import type { Order } from "../../../reference/order/order.ts";
import { assertEquals } from "../../support/assert.ts";
import { bufferOf, gpuTest, randomTensor, runStages } from "../../support/stage_case.ts";
import { TEST_SEED } from "../../support/seed.ts";

/** A random order of the first tokens: one for all heads, or one for each. */
function randomOrder({ batch, heads, tokens, own, seed }: {
  batch: number;
  heads: number;
  tokens: number;
  own: boolean;
  seed: number;
}): Order {
  const random = seededRandom(seed);
  const orders = Array.from({ length: own ? batch * heads : 1 }, () => {
    const order = Array.from({ length: tokens }, (_, i) => i);
    order.forEach((_, i) => {
      const other = i + random.below(tokens - i);
      [order[i], order[other]] = [order[other], order[i]];
    });
    return order;
  });
  return { data: Int32Array.from(orders.flat()), shape: own ? [batch, heads, tokens] : [tokens] };
}

/** Moves random tokens on the device and by the reference. */
async function assertMoves(gpu: Gpu, c: {
  batch: number;
  heads: number;
  tokens: number;
  text: number;
  words: number;
  own: boolean;
  scatter: boolean;
  seed: number;
}) {
  const { batch, heads, words, scatter } = c, all = c.tokens + c.text;
  const order = randomOrder(c);
  const rows = randomTensor([batch, heads, all, words], { dtype: "f32", seed: c.seed });
  const buffer = buildOrderBuffer(gpu, { tokens: c.tokens, count: c.own ? batch * heads : 1 });
  uploadOrder(gpu, buffer, order);
  const length = rows.data.length, to = gpu.createBuffer("moved", { size: 4 * length });
  const options = {
    label: "move",
    ...{ from: bufferOf(gpu, rows), to, heads: batch * heads, tokens: all, bytes: 4 * words },
  };
  const encode = await buildMove(gpu, buffer, { ...options, back: scatter });
  const got = new Float32Array(await runStages(gpu, [{ encode }], { output: to, length }));
  assertEquals(got, permuteTokens(rows, scatter ? invertOrder(order) : order).data);
}

gpuTest("tokens move into an order and back as in the reference", async (gpu) => {
  const size = (max: number) => fc.integer({ min: 1, max });
  const cases = fc.record({
    batch: size(2),
    heads: size(3),
    tokens: size(300),
    text: fc.nat(20),
    words: size(40),
    own: fc.boolean(),
    scatter: fc.boolean(),
    seed: fc.nat(9999),
  });
  const property = fc.asyncProperty(cases, (c) => assertMoves(gpu, c));
  await fc.assert(property, { seed: TEST_SEED, numRuns: 10 });
});
