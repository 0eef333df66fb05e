/**
 * Which charts a report has of its rows: one for each input, and with `--per-head` one for each head and one of their
 * mean. Where that would be too many, one of the mean over inputs.
 *
 * @module
 */
import { axisGroups, type ReportRow } from "./rows.ts";

/** The rows of one chart. */
export interface ChartUnit {
  /** Their input and head, and whatever tells groups of a run apart, in words. */
  readonly title: string;
  readonly rows: readonly ReportRow[];
  /** Whether a point is the mean of several rows. */
  readonly isMean: boolean;
}

/** Charts of one kind that a report has at most. */
const MOST = 24;

/**
 * The charts of rows.
 *
 * @param rows the rows to draw
 * @param options `heads`: whether heads have charts of their own where rows are of single heads; default true
 *
 * @example
 * ```ts
 * import { chartUnits } from "./units.ts";
 * console.log(chartUnits([])); // []
 * ```
 */
export function chartUnits(
  rows: readonly ReportRow[],
  { heads = true }: { readonly heads?: boolean } = {},
): ChartUnit[] {
  const groups = axisGroups(rows);
  const groupsOf = (input: string) => groups.filter((group) => group.rows.some((row) => row.input === input));
  const units = groups.flatMap(({ name, rows: group }) =>
    [...Map.groupBy(group, ({ input }) => input)].flatMap(([input, own]) =>
      ofInput(input, own, { heads, about: groupsOf(input).length > 1 ? name : "" })
    )
  );
  if (units.length <= MOST) return units;
  return groups.map(({ name, rows: group }) => ({
    title: titled(["mean over inputs and heads", name]),
    rows: group,
    isMean: true,
  }));
}

/** The charts of one input. */
function ofInput(
  input: string,
  rows: readonly ReportRow[],
  { heads, about }: { readonly heads: boolean; readonly about: string },
): ChartUnit[] {
  const byHead = [...Map.groupBy(rows, ({ head }) => head)];
  if (byHead.length === 1) {
    const [[head]] = byHead;
    return [{
      title: titled([input, head === "" ? "all heads" : `head ${head}`, about]),
      rows,
      isMean: false,
    }];
  }
  const mean = { title: titled([input, `mean over ${byHead.length} heads`, about]), rows, isMean: true };
  if (!heads) return [mean];
  const each = byHead.map(([head, own]) => ({
    title: titled([input, `head ${head}`, about]),
    rows: own,
    isMean: false,
  }));
  return [mean, ...each];
}

function titled(words: readonly string[]): string {
  return words.filter(Boolean).join(", ");
}
