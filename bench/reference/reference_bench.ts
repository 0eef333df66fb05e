/**
 * How long the truth takes: `deno bench -A bench/reference/reference_bench.ts`. One head, one core unless the name says more.
 *
 * @module
 */
import {
  denseAttention,
  pyramidAttention,
  pyramidAttentionGradient,
  pyramidAttentionParallel,
  type Qkv,
} from "../../mod.ts";
import { seededInputs, seededLevels } from "./data.ts";

const blocks = { blockM: 128, blockN: 64 };
const [short, long] = [2048, 4096].map((tokens) => seededInputs({ tokens, heads: 1, headDim: 64 }));
const fourHeads: Qkv = seededInputs({ tokens: 2048, heads: 4, headDim: 64 });

Deno.bench("dense, L=2048 D=64", { group: "L=2048", baseline: true }, () => void denseAttention(short));
Deno.bench(
  "dense, causal, L=2048 D=64",
  { group: "L=2048" },
  () => void denseAttention(short, { causal: true }),
);
for (const density of [0.5, 0.25, 0.1]) {
  const levels = seededLevels(short, { ...blocks, density });
  Deno.bench(`density ${density}, L=2048 D=64`, { group: "L=2048" }, () => {
    pyramidAttention(short, levels, blocks);
  });
}
Deno.bench("gradient, density .25, L=2048 D=64", { group: "L=2048" }, (bench) => {
  const levels = seededLevels(short, { ...blocks, density: 0.25 });
  bench.start();
  pyramidAttentionGradient(short, levels, short.v, blocks);
  bench.end();
});

Deno.bench("dense, L=4096 D=64", { group: "L=4096", baseline: true }, () => void denseAttention(long));
Deno.bench("density .25, L=4096 D=64", { group: "L=4096" }, (bench) => {
  const levels = seededLevels(long, { ...blocks, density: 0.25 });
  bench.start();
  pyramidAttention(long, levels, blocks);
  bench.end();
});

Deno.bench("dense, 4 heads, L=2048 D=64, one core", { group: "cores", baseline: true }, () => {
  denseAttention(fourHeads);
});
Deno.bench("dense, 4 heads, L=2048 D=64, all cores", { group: "cores" }, async () => {
  await pyramidAttentionParallel(fourHeads, null);
});
