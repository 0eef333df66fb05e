/**
 * The tables of docs/real-shapes.md, from the rows that were measured.
 *
 * @module
 */
import { MODELS } from "../options/model.ts";
import { type Marks, withBetween } from "../text/between.ts";
import { showFixed } from "../text/number.ts";
import { markdownTable } from "../text/table.ts";
import type { FaultRow, MeasuredRow, PresetRow, TruthRow } from "./rows.ts";

/** Where a table begins and ends in the page. */
const marksOf = (name: string): Marks => [
  `<!-- ${name}: deno task real-shapes --write -->`,
  `<!-- end of ${name} -->`,
];

/** A table of Markdown, as text. */
function table([head, ...rows]: readonly (readonly string[])[]): string {
  return markdownTable(head, rows).join("\n");
}

const number = (x: number, digits = 3) => Number.isFinite(x) ? String(Number(x.toPrecision(digits))) : "";
const count = (x: number) => x.toLocaleString("en-US");

/** The released models. */
function presetTable(rows: readonly PresetRow[]): string {
  const head = ["model", "tokens", "heads", "density", "error", "dropped mass", "f32: ms, dense, speed-up"];
  const of = ({ times }: PresetRow, dtype: "f32" | "f16") => {
    const found = times.find((each) => each.dtype === dtype);
    if (found === undefined) return "";
    const { forward, dense } = found;
    return `${number(forward)}, ${number(dense)}, ${showFixed(dense / forward, 2)}`;
  };
  const sorted = rows.toSorted((a, b) =>
    MODELS.findIndex((name) => name === a.model) - MODELS.findIndex((name) => name === b.model)
  );
  return table([
    [...head, "f16: ms, dense, speed-up"],
    ...sorted.map((row) => [
      ...[
        row.model,
        count(row.tokens),
        `${row.heads}`,
        number(row.density),
        row.interval
          ? `${number(row.error)} (${row.interval.map((x) => number(x)).join(" to ")})`
          : number(row.error),
        number(row.droppedMass),
      ],
      ...[of(row, "f32"), of(row, "f16")],
    ]),
  ]);
}

/** The table of the cost of truth. */
function truthTable(rows: readonly TruthRow[]): string {
  const lengths = [...new Set(rows.map(({ tokens }) => tokens))].sort((a, b) => a - b);
  const kinds = (["gpu", "rows"] as const).filter((kind) => rows.some((row) => row.kind === kind));
  const head = kinds.flatMap((kind) => {
    const by = rows.find((row) => row.kind === kind)!.by, what = kind === "gpu" ? "all rows" : "sampled rows";
    return [`${what}, ${by}: dense`, "levels", "importance"];
  });
  return table([
    ["tokens", ...head],
    ...lengths.map((tokens) => [
      count(tokens),
      ...kinds.flatMap((kind) => {
        const row = rows.find((each) => each.kind === kind && each.tokens === tokens);
        return row === undefined
          ? ["", "", ""]
          : [row.dense, row.levels, row.importance].map((x) => number(x, 2));
      }),
    ]),
  ]);
}

/** The table of the released kernel's errors. */
function faultTable(rows: readonly FaultRow[]): string {
  const head = [
    "configuration",
    "key block",
    "tokens",
    "density",
    "right to dense",
    "released to right",
    "released to dense",
  ];
  const sorted = rows.toSorted((a, b) =>
    a.config < b.config ? 1 : a.config > b.config ? -1 : a.tokens - b.tokens
  );
  return table([
    head,
    ...sorted.map((row) => [
      ...[row.config, `${row.blockN}`, count(row.tokens), number(row.density)],
      ...[number(row.right), number(row.released), number(row.releasedDense)],
    ]),
  ]);
}

/**
 * A page with its tables replaced.
 *
 * @param page the text of the page
 * @param rows what was measured
 * @throws {Error} if the page has no place for a table
 *
 * @example
 * ```ts
 * import { withTables } from "./page.ts";
 * const names = ["presets", "truth", "fault"];
 * const page = names.map((name) => `<!-- ${name}: deno task real-shapes --write -->\n<!-- end of ${name} -->`).join("\n");
 * console.log(withTables(page, []).includes("| model")); // true
 * ```
 */
export function withTables(page: string, rows: readonly MeasuredRow[]): string {
  const parts = {
    presets: presetTable(rows.filter((row) => row.part === "presets")),
    truth: truthTable(rows.filter((row) => row.part === "truth")),
    fault: faultTable(rows.filter((row) => row.part === "fault")),
  };
  return Object.entries(parts).reduce((text, [name, own]) => {
    return withBetween(text, own, { marks: marksOf(name), path: "docs/real-shapes.md" });
  }, page);
}
