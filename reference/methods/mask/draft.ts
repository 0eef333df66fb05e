/**
 * DraftAttention.
 *
 * @module
 */
import { sortedBlocks } from "../../levels/assign.ts";
import type { BlockMethod } from "../method.ts";
import { importanceCost } from "../cost.ts";
import { levelRule, selectionOf } from "../select.ts";

const TILE = { width: 8, height: 8, depth: 1 };

/**
 * DraftAttention: tiles of 8 x 8 tokens of a frame, scored by mean query . mean key; the best pairs of the whole head,
 * not of every row, are read. A row that is left with none gets its best.
 */
export const draft: BlockMethod = {
  name: "draft",
  rule: "8 x 8 tiles of a frame; the best pairs of a whole head by softmax of mean query . mean key",
  granularity: "block",
  basis: "code",
  source: "DraftAttention",
  causal: false,
  usesImportance: false,
  gridTile: TILE,
  selectionCost: ({ sizes }) => importanceCost({ kind: "pooled" }, sizes),
  select(inputs, density) {
    const importance = inputs.importanceOf({ kind: "pooled" });
    const [batch, heads, rows, columns] = importance.shape, size = rows * columns;
    const levels = new Int32Array(importance.data.length);
    for (let head = 0; head < batch * heads; head++) {
      const scores = importance.data.subarray(head * size, (head + 1) * size);
      const taken = sortedBlocks(scores).slice(0, Math.round(density * size));
      for (const at of taken) levels[head * size + at] = 1;
      for (let at = 0; at < size; at += columns) {
        const row = levels.subarray(head * size + at, head * size + at + columns);
        if (!row.includes(1)) row[sortedBlocks(scores.subarray(at, at + columns))[0]] = 1;
      }
    }
    const cut = { kind: "pairs", count: Math.round(density * size) } as const;
    return {
      ...selectionOf(inputs, { data: levels, shape: importance.shape }),
      rule: levelRule(inputs, { importance: { kind: "pooled" }, cut }),
    };
  },
};
