/**
 * The worker of parallel attention: receives pieces of work, sends back their rows.
 *
 * @module
 */
import { attendItem, type WorkItem, type WorkResult } from "./item.ts";

/** The part of a worker's global scope that is used here. */
interface WorkerScope {
  onmessage: (event: MessageEvent<WorkItem>) => void;
  postMessage(message: WorkResult, transfer: Transferable[]): void;
}

const scope = self as unknown as WorkerScope;
scope.onmessage = ({ data }) => {
  const result = attendItem(data);
  scope.postMessage(result, [result.out.buffer, result.lse.buffer]);
};
