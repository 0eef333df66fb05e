/**
 * Dense attention of jax-js on WebGPU, `nn.dotProductAttention` as it compiles it, on a device that it opens for itself on the
 * same adapter.
 *
 * @module
 */
import type { Peer, PeerCall, PeerRun } from "./peer.ts";

/** The part of its module that is used. A call frees its arguments; `ref` keeps them. */
interface Jax {
  init(device: "webgpu"): Promise<readonly string[]>;
  defaultDevice(device: "webgpu"): void;
  blockUntilReady(array: JaxArray): Promise<JaxArray>;
  jit(work: AttentionFunction): AttentionFunction;
  readonly nn: { readonly dotProductAttention: AttentionFunction };
  readonly numpy: { array(data: Float32Array): JaxArray };
}

interface JaxArray {
  readonly ref: JaxArray;
  reshape(shape: readonly number[]): JaxArray;
  data(): Promise<Float32Array>;
  dispose(): void;
}

type AttentionFunction = (query: JaxArray, key: JaxArray, value: JaxArray) => JaxArray;

async function build(module: unknown, { q, k, v, tokens, heads, dim }: PeerCall): Promise<PeerRun> {
  const jax = module as Jax, ready = await jax.init("webgpu");
  if (!ready.includes("webgpu")) throw new Error("it finds no WebGPU adapter");
  jax.defaultDevice("webgpu");
  const [query, key, value] = [q, k, v].map((data) => jax.numpy.array(data).reshape([tokens, heads, dim]));
  const attention = jax.jit((a, b, c) => jax.nn.dotProductAttention(a, b, c));
  const run = () => attention(query.ref, key.ref, value.ref);
  return {
    output: async () => await (await jax.blockUntilReady(run())).data(),
    // Outputs of one are the queries of the next: an output that nobody reads is never made.
    repeat: async (times) => {
      let last = query.ref;
      for (let i = 0; i < times; i++) last = attention(last, key.ref, value.ref);
      (await jax.blockUntilReady(last)).dispose();
    },
  };
}

/** The peer. */
export const jax: Peer = {
  ...{ name: "@jax-js/jax", version: "0.1.25", file: "@jax-js/jax/dist/index.js" },
  build,
};
