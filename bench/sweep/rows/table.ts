/**
 * The table of a sweep for a terminal of 80 columns.
 *
 * @module
 */
import { plural, showFixed, showMilliseconds, showNumber } from "../../text/number.ts";
import { markedName, markNote } from "../../report/rows/granularity.ts";
import { visible } from "../../text/output.ts";
import { type Align, alignTable, type Colour, fillLines, paint } from "../../text/table.ts";
import type { SweepRow } from "./columns.ts";

/** One column of the table. */
interface TableColumn {
  readonly heading: string;
  readonly cell: (row: SweepRow) => string;
}

/** A number that may not be there. */
function known(value: number | null, show: (value: number) => string, none = "-"): string {
  return value === null ? none : show(value);
}

/** A number in at most seven characters. */
function short(value: number): string {
  return showNumber(value, { digits: Math.abs(value) < 1e-3 ? 2 : 3 });
}

const TABLE: readonly TableColumn[] = [
  { heading: "method", cell: ({ method }) => visible(markedName(method)) },
  { heading: "asked", cell: (row) => short(row.density_requested) },
  { heading: "density", cell: ({ density }) => showFixed(density, 4).replace(/^0/, "") },
  { heading: "error", cell: ({ rel_l2 }) => known(rel_l2, short, "") },
  { heading: "kernel", cell: ({ kernel_rel_l2 }) => known(kernel_rel_l2, short) },
  { heading: "ms", cell: ({ gpu_ms_median }) => known(gpu_ms_median, showMilliseconds) },
  { heading: "speed-up", cell: ({ speedup }) => known(speedup, (value) => showFixed(value, 2)) },
  { heading: "ideal", cell: ({ density }) => showFixed(1 / density, 2) },
  { heading: "status", cell: ({ status }) => visible(status) },
];
/** The time of the whole call, in the place of the ideal speed-up where it was measured. */
const WHOLE: TableColumn = {
  heading: "whole",
  cell: ({ whole_ms_median }) => known(whole_ms_median, showMilliseconds),
};
const WIDTH = 80;
const ALIGN: readonly Align[] = TABLE.map((_, i) =>
  i === 0 ? "left" : i === TABLE.length - 1 ? "none" : "right"
);

/** The columns of some rows. */
function columnsOf(rows: readonly SweepRow[]): readonly TableColumn[] {
  if (rows.every(({ whole_ms_median }) => whole_ms_median === null)) return TABLE;
  return TABLE.map((column) => column.heading === "ideal" ? WHOLE : column);
}

/**
 * The table of the rows of a sweep, one part for each input, head, order, importance and size of blocks. At each
 * density, the least error among several methods stands out.
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
  const parts = Map.groupBy(rows, (row) => titleOf(row).join(" "));
  return [...parts.values()].map((part) => {
    const table = columnsOf(part), headings = table.map(({ heading }) => heading), best = leastErrors(part);
    const cells = part.map((row) => table.map(({ cell }) => cell(row)));
    const [head, ...lines] = alignTable([headings, ...cells], { align: ALIGN, width: WIDTH });
    const painted = lines.map(({ cells: padded, gap }, r) =>
      padded.map((text, i) => {
        if (table[i].heading === "status") return paint(text, statusColour(part[r].status), colour);
        const stands = table[i].heading === "error" && best.has(part[r]);
        return stands ? paint(text, "bold", colour) : text;
      }).join(gap).trimEnd()
    );
    const note = fillLines(markNote(part).split(" "), { width: WIDTH, indent: "  " });
    const heading = paint(head.cells.join(head.gap), "dim", colour);
    return [...titleOf(part[0]), heading, ...painted, ...(markNote(part) === "" ? [] : note), ""].join("\n");
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

function statusColour(status: string): Colour {
  return status === "ok" ? "green" : status === "wrong" ? "red" : "yellow";
}

/** The title of a part, in lines that fit. */
function titleOf(row: SweepRow): string[] {
  const heads = row.head === "" ? plural(row.heads, "head") : `head ${row.head}`;
  const words = [
    `${row.input}:`,
    `${heads},`,
    `${row.seq_q === row.seq_k ? row.seq_q : `${row.seq_q} x ${row.seq_k}`} tokens,`,
    `D ${row.head_dim},`,
    `blocks ${row.block_m} x ${row.block_n},`,
    `${row.dtype},`,
    ...(row.causal === "true" ? ["causal,"] : []),
    `${row.order} order,`,
    ...(row.granularity === "block"
      ? [`${row.importance} importance`]
      : [`one choice per ${row.granularity}`]),
  ];
  return fillLines(words.map(visible), { width: WIDTH, indent: "  " });
}
