import { readSafetensors } from "../fixtures/safetensors.ts";
import { antidiagonalImportance, groupMaxImportance } from "../reference/importance.ts";
import { assignLevels } from "../reference/levels.ts";
import { compare } from "../reference/metrics.ts";
import { toSegments } from "../reference/segments.ts";
import type { FloatData, Tensor } from "../reference/tensor.ts";
import { assert, assertEquals } from "./assert.ts";

async function golden(name: string) {
  const path = new URL(`../fixtures/data/golden/${name}.safetensors`, import.meta.url);
  const { tensors, metadata } = readSafetensors(await Deno.readFile(path));
  const read = (index: number, tensor: string) => {
    const found = tensors[`${index}.${tensor}`];
    assert(found, `${name} lacks ${index}.${tensor}`);
    return found as Tensor<FloatData>;
  };
  return { cases: JSON.parse(metadata.cases), read };
}

Deno.test("golden: importance of the released code, to float16's rounding", async () => {
  const { cases, read } = await golden("importance");
  for (const { case: index, group_q: groupQ, group_k: groupK } of cases) {
    const got = groupMaxImportance({ q: read(index, "q"), k: read(index, "k") }, { groupQ, groupK });
    const { relL2 } = compare(got, read(index, "importance"));
    assert(relL2 < 1e-3, `case ${index}: ${relL2}`);
  }
});

Deno.test("golden: antidiagonal importance of the released code", async () => {
  const { cases, read } = await golden("antidiagonal");
  for (const { case: index, ...options } of cases) {
    const got = antidiagonalImportance({ q: read(index, "q"), k: read(index, "k") }, options);
    const { relL2 } = compare(got, read(index, "importance"));
    assert(relL2 < 1e-6, `case ${index}: ${relL2}`);
  }
});

Deno.test("golden: levels of the released code, every entry", async () => {
  const { cases, read } = await golden("assign");
  for (const { case: index, ratios, block_n: blockN, tile_n: tile, mode, min_full_attn_ratio } of cases) {
    const importance = read(index, "importance");
    const quotas = Object.entries(ratios as Record<string, [number, number]>);
    const got = assignLevels(importance, {
      mode: mode.startsWith("topk") ? "topk" : "threshold",
      ratios: quotas.map(([level, [start, end]]) => [Number(level), start, end] as const)
        .toSorted((a, b) => (a[0] || Infinity) - (b[0] || Infinity)),
      blockN,
      tile,
      minFullRatio: min_full_attn_ratio,
    });
    const released = mode.endsWith("_newtype") ? toSegments(got, { importance }) : got;
    assertEquals([...released.data], [...read(index, "mask").data], `case ${index}, ${mode}`);
  }
});
