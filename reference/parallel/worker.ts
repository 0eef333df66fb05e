/**
 * The worker of what runs on all cores: receives pieces of work, sends back what they give.
 *
 * @module
 */
import { doHeadWork, type HeadWork } from "./head_work.ts";
import { attendItem, type WorkItem } from "./item.ts";

/** The part of a worker's global scope that is used here. */
interface WorkerScope {
  onmessage: (event: MessageEvent<WorkItem | HeadWork>) => void;
  postMessage(message: unknown, transfer: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
scope.onmessage = ({ data }) => {
  const result = "kind" in data ? doHeadWork(data) : attendItem(data);
  const arrays = ArrayBuffer.isView(result) ? [result] : Object.values(result).filter(ArrayBuffer.isView);
  scope.postMessage(result, [...new Set(arrays.map(({ buffer }) => buffer as ArrayBuffer))]);
};
