/**
 * How long attention takes on this adapter: `deno bench -A bench/gpu/kernels_bench.ts`. Dense attention is the baseline,
 * the pyramid at several densities beside it. An iteration is a burst of calls in one submission that is waited for once,
 * so that the 10 ms of a wait hardly count.
 *
 * @module
 */
import { createPsa, type Gpu, makeWorkload, NoAdapterError, openGpu, type PreparedCall } from "../../mod.ts";

/** Calls per iteration, and numbers of tokens. */
const BURST = 4, SOFTWARE_TOKENS = 512, GPU_TOKENS = 8192;
const DENSITIES = [0.5, 0.25, 0.1];

/** The device; null, with a message, if there is none. */
async function open() {
  try {
    return await openGpu();
  } catch (error) {
    if (!(error instanceof NoAdapterError)) throw error;
    console.error(`Kernels are left out: ${error.message}`);
    return null;
  }
}

const gpu = await open();
if (gpu !== null) {
  const tokens = /llvmpipe|swiftshader/i.test(gpu.info.description) ? SOFTWARE_TOKENS : GPU_TOKENS;
  const { qkv } = makeWorkload("gaussian", { seqQ: tokens, heads: 2, headDim: 64, seed: 1 });
  const shape = {
    ...{ batch: 1, heads: 2, kvHeads: 2, seqQ: tokens, seqK: tokens },
    ...{ headDim: 64, valueDim: 64 },
  };
  const group = `L=${tokens} D=64 H=2 f32, ${BURST} calls, ${gpu.info.description}`;
  /** Adds a benchmark: the method is built and has run once before anything is timed. */
  const add = async (name: string, density: number, baseline: boolean) => {
    const assignment = { mode: "density", density } as const, importance = { kind: "pooled" } as const;
    const psa = await createPsa(gpu, {
      shape,
      config: { blockM: 128, blockN: 64, tile: 32, importance, assignment },
    });
    const { levels } = await psa.forward(qkv);
    const call = await psa.prepare(baseline ? "dense" : levels);
    await burst(gpu, call);
    Deno.bench(name, { group, baseline }, async () => await burst(gpu, call));
  };
  await add("dense", 1, true);
  for (const density of DENSITIES) await add(`pyramid, density ${density}`, density, false);
}

/** Submits a call several times, a pass each, and waits for the last. */
async function burst(gpu: Gpu, { stages }: PreparedCall): Promise<void> {
  const encoder = gpu.device.createCommandEncoder();
  for (let i = 0; i < BURST; i++) {
    const pass = encoder.beginComputePass();
    for (const { encode } of stages) encode(pass);
    pass.end();
  }
  gpu.device.queue.submit([encoder.finish()]);
  await gpu.device.queue.onSubmittedWorkDone();
}
