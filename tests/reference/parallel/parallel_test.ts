import {
  denseAttention,
  InputError,
  psa,
  type PsaConfig,
  psaParallel,
  pyramidAttention,
  pyramidAttentionParallel,
} from "../../../mod.ts";
import { makeWorkload } from "../../../fixtures/workloads.ts";
import { mapInWorkers } from "../../../reference/parallel/pool.ts";
import { assert, assertEquals, assertRejects } from "../../support/assert.ts";
import { attentionCall, type AttentionCase, attentionCaseName } from "../../support/attention_case.ts";

const base: AttentionCase = {
  batch: 1,
  heads: 1,
  kvHeads: 1,
  seqQ: 90,
  seqK: 150,
  headDim: 8,
  valueDim: 5,
  blockM: 16,
  blockN: 32,
  levels: [0, 1, 2, 8, 32],
  causal: true,
  tail: "exact",
  seed: 3,
};
const cases: AttentionCase[] = [
  base,
  { ...base, batch: 2, heads: 6, kvHeads: 3, causal: false, tail: "replicate" },
  { ...base, seqQ: 5, heads: 3 },
];

for (const c of cases) {
  for (const workers of [0, 2, 5]) {
    Deno.test(`parallel: the bits of one core with ${workers} workers, ${attentionCaseName(c)}`, async () => {
      const { qkv, levels, options } = attentionCall(c);
      const progress: [number, number][] = [];
      const got = await pyramidAttentionParallel(qkv, levels, {
        ...options,
        workers,
        onProgress: (done, total) => progress.push([done, total]),
      });
      assertEquals(got, pyramidAttention(qkv, levels, options));
      assertEquals(progress, progress.map((_, i) => [i + 1, progress.length]));
      assert(progress.length >= Math.min(workers, Math.ceil(c.seqQ / c.blockM)));
    });
  }
}

Deno.test("parallel: without levels it is dense attention, also on float16 data", async () => {
  const { qkv: { q, k, v } } = attentionCall({ ...base, seqQ: 300 });
  const half = (x: typeof q) => ({ data: Float16Array.from(x.data), shape: x.shape });
  const qkv = { q: half(q), k: half(k), v: half(v) };
  const got = await pyramidAttentionParallel(qkv, null, { workers: 2, causal: true });
  assertEquals(got, denseAttention(qkv, { causal: true }));
});

Deno.test("parallel: the whole method has the bits of one core", async () => {
  const box = { width: 8, height: 6, depth: 4 };
  const { qkv } = makeWorkload("video", { seqQ: 192, headDim: 16, heads: 3, grid: box });
  const config: PsaConfig = {
    blockM: 32,
    blockN: 16,
    tile: 16,
    importance: { kind: "sampled", seed: 4 },
    assignment: { mode: "density", density: 0.3 },
    order: { kind: "gilbert", variant: "curve", box },
  };
  let last = 0;
  const onProgress = (done: number, total: number) => last = done / total;
  assertEquals(await psaParallel(qkv, config, { workers: 2, onProgress }), psa(qkv, config));
  assertEquals(last, 1);
});

Deno.test("parallel: bad input is refused before a worker starts", async () => {
  const { qkv, levels, options } = attentionCall(base);
  const call = { ...options, workers: 2 };
  await assertRejects(
    () => pyramidAttentionParallel(qkv, levels, { ...call, workers: -1 }),
    InputError,
    "`workers` is -1",
  );
  await assertRejects(
    () => pyramidAttentionParallel(qkv, levels, { ...call, blockM: 7 }),
    InputError,
    "`levels` has shape",
  );
  await assertRejects(
    () => pyramidAttentionParallel(qkv, levels, { workers: 2 }),
    InputError,
    "`blockM` and `blockN`",
  );
});

/** Workers that do not start: the constructor throws, or the module is missing, as in a bundle. */
const BROKEN = {
  "may not be started": class {
    constructor() {
      throw new Error("not allowed");
    }
  },
  "have no file": class {
    onerror: (event: Event) => void = () => {};
    postMessage(): void {
      queueMicrotask(() => this.onerror(new Event("error")));
    }
    terminate(): void {}
  },
};

for (const [name, broken] of Object.entries(BROKEN)) {
  Deno.test(`parallel: the calling thread does the work where workers ${name}`, async () => {
    const { qkv, levels, options } = attentionCall(base), { Worker } = globalThis;
    let last = 0;
    const onProgress = (done: number, total: number) => last = done / total;
    globalThis.Worker = broken as unknown as typeof Worker;
    try {
      const got = await pyramidAttentionParallel(qkv, levels, { ...options, workers: 2, onProgress });
      assertEquals(got, pyramidAttention(qkv, levels, options));
      assertEquals(last, 1);
    } finally {
      globalThis.Worker = Worker;
    }
  });
}

Deno.test("parallel: in Deno without any permission the calling thread does the work", async () => {
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    const reference = new URL("../../../reference/mod.ts", import.meta.url).href;
    await Deno.writeTextFile(
      script,
      `import { denseAttention, pyramidAttentionParallel } from "${reference}";
      const x = { data: new Float64Array(64 * 4).map((_, i) => Math.sin(i)), shape: [1, 1, 64, 4] };
      const { out } = await pyramidAttentionParallel({ q: x, k: x, v: x }, null, { workers: 2 });
      const want = denseAttention({ q: x, k: x, v: x }).out;
      console.log(out.data.every((value, i) => value === want.data[i]));`,
    );
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--no-check", script],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals(new TextDecoder().decode(stdout), "true\n", new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(script);
  }
});

Deno.test("parallel: an error in a callback ends the work and closes the workers", async () => {
  const { qkv, levels, options } = attentionCall(base);
  const onProgress = () => {
    throw new Error("enough");
  };
  await assertRejects(
    () => pyramidAttentionParallel(qkv, levels, { ...options, workers: 2, onProgress }),
    Error,
    "enough",
  );
});

Deno.test("parallel: an error in a worker ends the work and closes the workers", async () => {
  const failing = new URL("data:application/javascript,self.onmessage=()=>{throw new Error('out of luck')}");
  const items = [1, 2, 3].map((item) => () => item);
  await assertRejects(
    () => mapInWorkers(failing, items, { workers: 2, onResult: () => {} }),
    Error,
    "A worker failed: Uncaught Error: out of luck",
  );
});
