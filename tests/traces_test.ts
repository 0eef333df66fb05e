import {
  InputError,
  loadTrace,
  makeWorkload,
  readSafetensors,
  type Tensor,
  writeSafetensors,
} from "../mod.ts";
import { type GoldenName, goldenTensor, loadGolden } from "../fixtures/golden.ts";
import { DEFAULT_TRACES, tracePaths } from "../fixtures/traces.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";

const GOOD = { ...makeWorkload("gaussian", { seqQ: 12, headDim: 8, dtype: "f16" }).qkv };

/** Writes a file of its own for the time of a call. */
async function withFile<Result>(bytes: Uint8Array, use: (path: string) => Promise<Result>): Promise<Result> {
  const path = await Deno.makeTempFile({ suffix: ".safetensors" });
  try {
    await Deno.writeFile(path, bytes);
    return await use(path);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("trace: the default inputs are a video and a causal text", async () => {
  const [video, text] = await Promise.all(DEFAULT_TRACES.map(loadTrace));
  assertEquals(video.grid, { width: 16, height: 16, depth: 16 });
  assertEquals([video.name, video.causal, video.dtype, text.name, text.causal, text.grid], [
    "trace-a-layer4",
    false,
    "f16",
    "trace-c-layer1",
    true,
    undefined,
  ]);
  assertEquals([text.qkv.q.shape, text.qkv.k.shape], [[1, 4, 4096, 64], [1, 2, 4096, 64]]);
});

Deno.test("trace: grid, causal and text length of the metadata are obeyed", async () => {
  const metadata = { grid: "[1, 2, 5]", causal: "true", text_length: "2" };
  const { qkv, ...facts } = await withFile(writeSafetensors(GOOD, metadata), loadTrace);
  const grid = { width: 5, height: 2, depth: 1 };
  assertEquals({ ...facts, name: "" }, { name: "", dtype: "f16", causal: true, textLength: 2, grid });
  assertEquals(qkv.v.data, GOOD.v.data);
});

Deno.test("trace: bfloat16 files are read", async () => {
  const { q, k, v } = makeWorkload("gaussian", { seqQ: 12, headDim: 8, dtype: "bf16" }).qkv;
  const trace = await withFile(writeSafetensors({ q, k, v }, {}, { bf16: ["q", "k", "v"] }), loadTrace);
  assertEquals([trace.dtype, trace.qkv.q.data], ["bf16", q.data]);
});

Deno.test("trace: a folder stands for its safetensors files in order of name", async () => {
  const paths = await tracePaths("fixtures/data/traces");
  assertEquals(
    paths.map((path) => path.slice(-26)),
    ["a-layer1", "a-layer4", "a-layer6", "c-layer1", "c-layer4"].map((name) => `trace-${name}.safetensors`),
  );
  assertEquals(await tracePaths(paths[0]), [paths[0]]);
  const folder = await Deno.makeTempDir();
  await assertRejects(() => tracePaths(folder), InputError, "holds no file");
  await Deno.remove(folder);
  await assertRejects(() => tracePaths(folder), InputError, "There is no file or folder");
  await assertRejects(() => loadTrace(folder), InputError, "There is no file or folder");
  await assertRejects(() => loadTrace("fixtures"), InputError, "fixtures cannot be read");
});

/** A float16 tensor of ones with this shape. */
function ones(...shape: number[]): Tensor {
  return { data: new Float16Array(shape.reduce((a, b) => a * b, 1)).fill(1), shape };
}

/** The good values with one number replaced. */
function spoiled(value: number): Tensor {
  const data = Float16Array.from(GOOD.v.data);
  data[11 * 8 + 3] = value;
  return { data, shape: GOOD.v.shape };
}

const REFUSALS: [
  name: string,
  tensors: Record<string, Tensor>,
  metadata: Record<string, string>,
  sentence: string,
][] = [
  ["no tensors", {}, {}, "no tensor `q`; it has none"],
  ["no k", { q: GOOD.q, v: GOOD.v }, {}, "no tensor `k`; it has q, v"],
  ["no v", { q: GOOD.q, k: GOOD.k }, {}, "no tensor `v`"],
  ["NaN", { ...GOOD, v: spoiled(NaN) }, {}, "Tensor `v` holds NaN at [0,0,11,3]"],
  ["an infinity", { ...GOOD, v: spoiled(-Infinity) }, {}, "Tensor `v` holds -Infinity"],
  ["integers", { ...GOOD, q: { data: new Int32Array(96), shape: GOOD.q.shape } }, {}, "Tensor `q` is I32"],
  [
    "mixed types",
    { ...GOOD, k: { data: new Float32Array(96), shape: GOOD.k.shape } },
    {},
    "F16, F32 and F16",
  ],
  ["three axes", { ...GOOD, q: ones(1, 12, 8) }, {}, "`q` has shape [1,12,8]"],
  ["another batch", { ...GOOD, k: ones(2, 1, 12, 8), v: ones(2, 1, 12, 8) }, {}, "batch 2"],
  ["another head dimension", { ...GOOD, k: ones(1, 1, 12, 16) }, {}, "head dimension 16"],
  ["v of other tokens", { ...GOOD, v: ones(1, 1, 13, 8) }, {}, "`v` has shape [1,1,13,8]"],
  [
    "heads that form no groups",
    { q: ones(1, 3, 4, 8), k: ones(1, 2, 4, 8), v: ones(1, 2, 4, 8) },
    {},
    "3 heads",
  ],
  ["dimension 12", { q: ones(1, 1, 4, 12), k: ones(1, 1, 4, 12), v: ones(1, 1, 4, 8) }, {}, "dimension 12"],
  ["dimension 264", { q: ones(1, 1, 4, 264), k: ones(1, 1, 4, 264), v: ones(1, 1, 4, 8) }, {}, "at most 256"],
  ["value dimension 4", { ...GOOD, v: ones(1, 1, 12, 4) }, {}, "Tensor `v` has dimension 4"],
  ["a grid of other size", GOOD, { grid: "[2, 2, 2]" }, "the 12 video tokens"],
  ["a grid that is none", GOOD, { grid: "2x2x3" }, "three sizes"],
  ["causal that is neither", GOOD, { causal: "yes" }, '"true" or "false"'],
  ["a text length that is none", GOOD, { text_length: "-1" }, "a number of tokens"],
];

for (const [name, tensors, metadata, sentence] of REFUSALS) {
  Deno.test(`trace: ${name} is refused`, async () => {
    const bytes = writeSafetensors(tensors, metadata);
    const error = await withFile(bytes, (path) => assertRejects(() => loadTrace(path), InputError, sentence));
    assert(!error.message.includes("\n"));
  });
}

Deno.test("trace: a file that is not safetensors is refused by its name", async () => {
  await withFile(new TextEncoder().encode("not a file of this kind"), async (path) => {
    const error = await assertRejects(() => loadTrace(path), InputError, "header of");
    assert(error.message.startsWith(path));
  });
});

Deno.test("golden: every tensor of every file belongs to one case", async () => {
  for await (const { name } of Deno.readDir("fixtures/data/golden")) {
    const { tensors } = readSafetensors(await Deno.readFile(`fixtures/data/golden/${name}`));
    const cases = await loadGolden(name.replace(".safetensors", "") as GoldenName);
    const found = cases.flatMap((golden) => Object.values(golden.tensors));
    assertEquals(found.length, Object.keys(tensors).length, name);
    assert(cases.length > 1, name);
  }
});

Deno.test("golden: a tensor of another type is refused", async () => {
  const [first] = await loadGolden("assign");
  assertEquals(goldenTensor(first, "importance", Float32Array).shape, [1, 2, 4, 20]);
  assertThrows(() => goldenTensor(first, "importance", Float16Array), InputError, "Float16Array");
  assertThrows(() => goldenTensor(first, "nothing", Float32Array), InputError, "nothing");
});
