/**
 * One piece of work of parallel attention: some query blocks of one head. The results have the same bits in a worker and in the calling thread.
 *
 * @module
 */
import { attendHead } from "../attention/attention.ts";
import type { Head } from "../heads.ts";
import type { PyramidAttentionOptions } from "../attention/call.ts";

/** Query blocks [firstBlock, endBlock) of one head. */
export interface WorkItem {
  readonly head: Head;
  readonly options: PyramidAttentionOptions;
  readonly firstBlock: number;
  readonly endBlock: number;
}

/** The rows of a piece of work, [rows, value dimension] and [rows]. */
export interface WorkResult {
  readonly out: Float64Array<ArrayBuffer>;
  readonly lse: Float64Array<ArrayBuffer>;
}

/** Does one piece of work. */
export function attendItem({ head, options, firstBlock, endBlock }: WorkItem): WorkResult {
  const { q, v } = head.qkv, firstRow = firstBlock * options.blockM;
  const rows = Math.min(endBlock * options.blockM, q.shape[2]) - firstRow;
  const result = { out: new Float64Array(rows * v.shape[3]), lse: new Float64Array(rows) };
  attendHead(head, options, { firstBlock, endBlock, firstRow, ...result });
  return result;
}
