/**
 * Dense attention of ONNX Runtime on WebGPU, the operator MultiHeadAttention: on a device that it opens for itself on the same
 * adapter, with tensors that stay on it.
 *
 * @module
 */
import { onnxModel } from "./onnx_model.ts";
import type { Peer, PeerCall, PeerRun } from "./peer.ts";

/** The part of its module that is used. */
interface Runtime {
  readonly env: {
    readonly wasm: { numThreads: number };
    readonly webgpu: { readonly device: Promise<GPUDevice> };
  };
  readonly InferenceSession: {
    create(model: Uint8Array, options: Readonly<Record<string, unknown>>): Promise<Session>;
  };
  readonly Tensor: {
    fromGpuBuffer(buffer: GPUBuffer, options: { dataType: string; dims: readonly number[] }): OnnxTensor;
  };
}

interface Session {
  run(feeds: Readonly<Record<string, OnnxTensor>>): Promise<Readonly<Record<string, OnnxTensor>>>;
}

interface OnnxTensor {
  getData(): Promise<Float32Array>;
  dispose(): void;
}

/** Attentions of the model that is timed: what a run costs beside them is shared by all. */
const NODES = 4;

async function build(module: unknown, call: PeerCall): Promise<PeerRun> {
  const runtime = module as Runtime;
  runtime.env.wasm.numThreads = 1;
  const open = (nodes: number) =>
    runtime.InferenceSession.create(onnxModel(call, nodes), {
      executionProviders: ["webgpu"],
      preferredOutputLocation: "gpu-buffer",
    });
  const one = await open(1), many = await open(NODES), device = await runtime.env.webgpu.device;
  const feeds = Object.fromEntries(
    (["q", "k", "v"] as const).map((name) => [name, place(runtime, device, call, name)]),
  );
  return {
    output: async () => {
      const { out } = await one.run(feeds);
      return await out.getData();
    },
    repeat: async (times) => {
      for (let i = 0; i < times; i += NODES) {
        const session = times - i >= NODES ? many : one;
        for (let n = 0; n < (session === many ? 1 : times - i); n++) (await session.run(feeds)).out.dispose();
      }
      await device.queue.onSubmittedWorkDone();
    },
  };
}

/** An input on the device. */
function place(runtime: Runtime, device: GPUDevice, call: PeerCall, name: "q" | "k" | "v"): OnnxTensor {
  const { tokens, heads, dim } = call,
    usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = device.createBuffer({ size: call[name].byteLength, usage });
  device.queue.writeBuffer(buffer, 0, call[name]);
  return runtime.Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims: [1, tokens, heads * dim] });
}

/** The peer. */
export const onnxruntime: Peer = {
  ...{ name: "onnxruntime-web", version: "1.30.0", file: "onnxruntime-web/dist/ort.webgpu.bundle.min.mjs" },
  build,
};
