/**
 * The worker that makes heads of workloads.
 *
 * @module
 */
import { makeWorkload, type WorkloadName, type WorkloadOptions } from "../../../fixtures/workloads.ts";
import type { Qkv } from "../../../reference/tensor.ts";

/** The part of a worker's global scope that is used here. */
interface WorkerScope {
  onmessage: (event: MessageEvent<{ name: WorkloadName; options: WorkloadOptions }>) => void;
  postMessage(message: Qkv, transfer: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
scope.onmessage = ({ data: { name, options } }) => {
  const { qkv } = makeWorkload(name, options);
  scope.postMessage(qkv, [qkv.q, qkv.k, qkv.v].map(({ data }) => data.buffer as ArrayBuffer));
};
