/**
 * The table of a sweep for a terminal of 80 columns.
 *
 * @module
 */
import type { SweepRow } from "../sweep/columns.ts";

/** One column of the table. */
interface TableColumn {
  readonly heading: string;
  readonly cell: (row: SweepRow) => string;
}

const TABLE: readonly TableColumn[] = [
  { heading: "method", cell: ({ method }) => method },
  { heading: "asked", cell: (row) => shortNumber(row.density_requested) },
  { heading: "density", cell: ({ density }) => density.toFixed(4).replace(/^0/, "") },
  { heading: "error", cell: ({ rel_l2 }) => rel_l2 === null ? "" : shortNumber(rel_l2) },
  {
    heading: "kernel",
    cell: ({ kernel_rel_l2 }) => kernel_rel_l2 === null ? "-" : shortNumber(kernel_rel_l2),
  },
  {
    heading: "ms",
    cell: ({ gpu_ms_median: ms }) => ms === null ? "-" : ms.toFixed(ms < 10 ? 3 : ms < 100 ? 2 : 0),
  },
  { heading: "speed-up", cell: ({ speedup }) => speedup === null ? "-" : speedup.toFixed(2) },
  { heading: "ideal", cell: ({ density }) => (1 / density).toFixed(2) },
  { heading: "status", cell: ({ status }) => status },
];
const WIDTH = 80;

/** What one sort of text looks like in a terminal with colours. */
const COLOURS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 } as const;

/**
 * The table of the rows of a sweep, one part for each input, head, order, importance and size of blocks. At each density, the least
 * error among several methods stands out.
 *
 * @param rows the rows
 * @param options whether the terminal shows colours
 *
 * @example
 * ```ts
 * import { formatTable } from "./table.ts";
 * console.log(formatTable([], { colour: false })); // ""
 * ```
 */
export function formatTable(
  rows: readonly SweepRow[],
  { colour }: { readonly colour: boolean },
): string {
  const paint = (text: string, name: keyof typeof COLOURS) =>
    colour && text !== "" ? `\x1b[${COLOURS[name]}m${text}\x1b[0m` : text;
  const parts = Map.groupBy(rows, (row) => titleOf(row).join(" "));
  return [...parts.values()].map((part) => {
    const cells = part.map((row) => TABLE.map(({ cell }) => cell(row)));
    const widths = TABLE.map(({ heading }, i) =>
      Math.max(heading.length, ...cells.map((line) => line[i].length))
    );
    const total = widths.reduce((sum, width) => sum + width, 0);
    const gap = " ".repeat(total + 2 * (TABLE.length - 1) <= WIDTH ? 2 : 1);
    const pad = (text: string, i: number) =>
      i === 0 ? text.padEnd(widths[i]) : i === TABLE.length - 1 ? text : text.padStart(widths[i]);
    const best = leastErrors(part);
    const lines = part.map((row, r) => {
      const line = cells[r].map((text, i) => {
        const padded = pad(text, i);
        if (TABLE[i].heading === "status") return paint(padded, statusColour(row.status));
        return TABLE[i].heading === "error" && best.has(row) ? paint(padded, "bold") : padded;
      });
      return line.join(gap).trimEnd();
    });
    const head = TABLE.map(({ heading }, i) => pad(heading, i)).join(gap);
    return [...titleOf(part[0]), paint(head, "dim"), ...lines, ""].join("\n");
  }).join("\n");
}

/** Whose error is the least at each density, where several methods are compared. */
function leastErrors(rows: readonly SweepRow[]): Set<SweepRow> {
  const sparse = rows.filter(({ method, rel_l2 }) => method !== "dense" && rel_l2 !== null);
  const groups = [...Map.groupBy(sparse, (row) => row.density_requested).values()];
  const least = groups.filter((group) => group.length > 1 && group[0].density_requested < 1).map((group) =>
    group.reduce((best, row) => (row.rel_l2 ?? Infinity) < (best.rel_l2 ?? Infinity) ? row : best)
  );
  return new Set(least);
}

function statusColour(status: string): keyof typeof COLOURS {
  return status === "ok" ? "green" : status === "wrong" ? "red" : "yellow";
}

/** What the part is about, in lines that fit. */
function titleOf(row: SweepRow): string[] {
  const heads = row.head === "" ? `${row.heads} heads` : `head ${row.head}`;
  const words = [
    `${row.input}:`,
    `${heads},`,
    `${row.seq_q === row.seq_k ? row.seq_q : `${row.seq_q} x ${row.seq_k}`} tokens,`,
    `D ${row.head_dim},`,
    `blocks ${row.block_m} x ${row.block_n},`,
    `${row.dtype},`,
    ...(row.causal === "true" ? ["causal,"] : []),
    `${row.order} order,`,
    `${row.importance} importance`,
  ];
  const lines = [""];
  for (const word of words) {
    const last = lines.length - 1, longer = `${lines[last]} ${word}`.trimStart();
    if (longer.length <= WIDTH) lines[last] = longer;
    else lines.push(`  ${word}`);
  }
  return lines;
}

/** A number in at most seven characters. */
function shortNumber(value: number): string {
  if (value === 0 || value === 1) return String(value);
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}
