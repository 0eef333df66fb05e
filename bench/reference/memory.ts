/**
 * How much memory the truth takes: 64K tokens, one head, density .05.
 *
 *     deno run -A bench/reference/memory.ts
 *
 * @module
 */
import { pyramidAttention } from "../../mod.ts";
import { seededInputs, seededLevels } from "./data.ts";

const blocks = { blockM: 128, blockN: 64 };
const qkv = seededInputs({ tokens: 65536, heads: 1, headDim: 64 });
const levels = seededLevels(qkv, { ...blocks, density: 0.05 });
const before = performance.now();
pyramidAttention(qkv, levels, blocks);
const seconds = (performance.now() - before) / 1000;
console.log(`attention L=65536 D=64 density=.05: ${seconds.toFixed(1)} s, ${peakMiB().toFixed(0)} MiB`);

/** The largest memory of this process so far, where the system tells it; otherwise what it holds now. */
function peakMiB(): number {
  if (Deno.build.os !== "linux") return Deno.memoryUsage().rss / 2 ** 20;
  return Number(Deno.readTextFileSync("/proc/self/status").match(/VmHWM:\s+(\d+) kB/)?.[1]) / 2 ** 10;
}
