/**
 * How long files take: `deno bench -A bench/reference/codec_bench.ts`. Queries, keys and values of 4 heads of 8192 tokens with 64
 * channels: 6 million numbers.
 *
 * @module
 */
import { bf16ToFloat32, float32ToBf16 } from "../../fixtures/bf16.ts";
import { readSafetensors, type Tensor, writeSafetensors } from "../../mod.ts";
import { seededInputs } from "./data.ts";

const inputs = seededInputs({ tokens: 8192, heads: 4, headDim: 64 });
const as = (make: (data: Iterable<number>) => Tensor["data"]) =>
  Object.fromEntries(
    Object.entries(inputs).map(([name, { data, shape }]) => [name, { data: make(data), shape }]),
  );
const singles = as((data) => Float32Array.from(data)), halves = as((data) => Float16Array.from(data));
const values = Float32Array.from(inputs.q.data), words = float32ToBf16(values);

for (
  const [name, tensors, options] of [
    ["F32", singles, {}],
    ["F16", halves, {}],
    ["BF16", singles, { bf16: ["q", "k", "v"] }],
  ] as const
) {
  const bytes = writeSafetensors(tensors, {}, options);
  Deno.bench(
    `write ${name}`,
    { group: name, baseline: true },
    () => void writeSafetensors(tensors, {}, options),
  );
  Deno.bench(`read ${name}`, { group: name }, () => void readSafetensors(bytes));
}
Deno.bench("2 million numbers to bfloat16", { group: "bfloat16" }, () => void float32ToBf16(values));
Deno.bench("2 million numbers from bfloat16", { group: "bfloat16" }, () => void bf16ToFloat32(words));
