/**
 * Where the outputs of a case of attention are wrong.
 *
 * @module
 */
import { parseCase, resolveCase } from "../../fixtures/cases.ts";
import type { FloatData, Tensor } from "../../reference/tensor.ts";
import { type ReadCase, short } from "./judge.ts";

/** Relative errors of the outputs of one case by head, query block and row of a tile, as an aligned table. */
export function errorTable({ contents: { tensors }, output, listed }: ReadCase): string[] {
  const got = output?.tensors.out, want = tensors.expected_out;
  if (got === undefined || want === undefined || got.shape.join() !== want.shape.join()) return [];
  const { blockM, tile } = resolveCase(parseCase(listed.case)), [, heads, tokens, dim] = want.shape;
  const groups = new Map<string, [number, number]>();
  for (let at = 0; at < want.data.length; at++) {
    const row = Math.floor(at / dim), head = Math.floor(row / tokens), token = row % tokens;
    const block = Math.floor(token / blockM);
    const places = [
      `batch ${Math.floor(head / heads)} head ${head % heads} query block ${block}${
        levelsSeen(tensors, head, block)
      }`,
      `rows ${Math.floor(token % tile / 8) * 8} to ${
        Math.floor(token % tile / 8) * 8 + 7
      } of a tile of ${tile}`,
    ];
    for (const place of places) {
      const [error, norm] = groups.get(place) ?? [0, 0];
      groups.set(place, [error + (got.data[at] - want.data[at]) ** 2, norm + want.data[at] ** 2]);
    }
  }
  const rows = [...groups].map(([place, [error, norm]]) => ({ place, relative: Math.sqrt(error / norm) }))
    .map(({ place, relative }) => ({
      place,
      relative: Number.isNaN(relative) && !hasNaN(got) ? 0 : relative,
    }));
  const width = Math.max(...rows.map(({ place }) => place.length));
  return rows.slice(0, 40).map(({ place, relative }) => `${place.padEnd(width)}  ${short(relative)}`);
}

/** Whether a tensor holds NaN. */
export function hasNaN({ data }: Tensor): boolean {
  return (data as FloatData).some(Number.isNaN);
}

/** The levels that a query block reads. */
function levelsSeen({ levels }: Readonly<Record<string, Tensor>>, head: number, block: number): string {
  if (levels === undefined) return "";
  const [, , rows, columns] = levels.shape, start = (head * rows + block) * columns;
  const seen = [...new Set(levels.data.slice(start, start + columns))].sort((a, b) => a - b);
  return ` levels ${seen.join(",")}`;
}
