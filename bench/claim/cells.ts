/**
 * The cells of the claim: PSA against another method, on inputs of one kind, in one order, at one density. Numbers in,
 * verdicts out; nothing is run here.
 *
 * @module
 */
import type { SweepRow } from "../sweep/rows/columns.ts";
import { type PooledTime, pooledTimes, ratioNoise } from "./times.ts";
import { correctVerdicts, type Judgement, judgeRatios } from "./verdicts.ts";

/** The quantity that two methods have to share to be compared. */
export type Footing = "density" | "time" | "cost";

/** The columns of a row of the sweep that verdicts are made from. */
export type ClaimRow = Pick<
  SweepRow,
  | "input"
  | "head"
  | "order"
  | "causal"
  | "case"
  | "method"
  | "density_requested"
  | "density"
  | "selection_cost"
  | "rel_l2"
  | "gpu_ms_median"
>;

/**
 * The other methods by kind, in the order in which they are listed.
 *
 * @example
 * ```ts
 * import { KINDS } from "./cells.ts";
 * console.log(KINDS[0].name); // binary masks
 * ```
 */
export const KINDS: readonly { readonly name: string; readonly methods: readonly string[] }[] = [
  {
    name: "binary masks",
    methods: ["block-topk", "pooled-topk", "xattention", "spargeattn", "sta", "draft"],
  },
  { name: "masks with a mean in place of skipped blocks", methods: ["block-topk-mean", "rectified"] },
  { name: "other pyramids", methods: ["psa-1248", "psa-threshold", "psa-released"] },
  { name: "controls", methods: ["random", "mass-topk", "token-topk"] },
];

/** PSA against one method in one place. */
export interface Cell extends Judgement {
  /** The kind of inputs. */
  readonly group: string;
  /** The order of the tokens. */
  readonly order: string;
  /** The other method. */
  readonly rival: string;
  /** The density requested of the other method. */
  readonly asked: number;
  /** The density that it reached, a mean over heads. */
  readonly reached: number;
  /** The quantity that the two methods share: `cost` for a cell of time where no kernel runs the other method. */
  readonly footing: Footing;
}

/**
 * The method that the claim is about.
 *
 * @example
 * ```ts
 * import { CLAIMED } from "./cells.ts";
 * console.log(CLAIMED); // psa
 * ```
 */
export const CLAIMED = "psa";

/** Errors up to this are rounding of float32: they are taken for this large. */
const ROUNDING = 1e-5;
/** By how much a cost may lie outside the costs of PSA: its line is prolonged so far. */
const PROLONGED = 1.02;

/** A point of a method's line on one head. */
export interface CurvePoint {
  /** Density, milliseconds or cost. */
  readonly x: number;
  /** Relative L2 error. */
  readonly error: number;
}

/**
 * The error of a method at a cost, from its points: straight between neighbours on logarithmic axes.
 *
 * @param points the points of the method on one head
 * @param x the cost
 * @returns null where the cost lies outside the points by more than 2 %
 *
 * @example
 * ```ts
 * import { errorAt } from "./cells.ts";
 * const points = [{ x: 0.1, error: 0.4 }, { x: 0.4, error: 0.1 }];
 * console.log(errorAt(points, 0.2)!.toFixed(3), errorAt(points, 0.8)); // 0.200 null
 * ```
 */
export function errorAt(points: readonly CurvePoint[], x: number): number | null {
  const sorted = points.toSorted((a, b) => a.x - b.x), last = sorted.length - 1;
  if (last < 0 || x * PROLONGED < sorted[0].x || x > sorted[last].x * PROLONGED) return null;
  if (last === 0) return sorted[0].error;
  const above = Math.min(last, Math.max(1, sorted.findIndex((point) => point.x >= x) >>> 0));
  const [from, to] = [sorted[above - 1], sorted[above]];
  if (from.x === to.x) return Math.min(from.error, to.error);
  const share = Math.log(x / from.x) / Math.log(to.x / from.x);
  return atLeastRounding(from.error) ** (1 - share) * atLeastRounding(to.error) ** share;
}

function atLeastRounding(error: number): number {
  return Math.max(error, ROUNDING);
}

/**
 * The kind of inputs that a row belongs to: traces of video, causal traces, or a workload.
 *
 * @example
 * ```ts
 * import { groupOf } from "./cells.ts";
 * console.log(groupOf({ case: "attention input=a", input: "a", causal: "true" })); // causal traces
 * ```
 */
export function groupOf({ case: name, input, causal }: Pick<ClaimRow, "case" | "input" | "causal">): string {
  const isTrace = name.split(" ").some((word) => word.startsWith("input="));
  if (!isTrace) return `workload ${input}`;
  return causal === "true" ? "causal traces" : "video traces";
}

/** A cost, and how it was timed; left out where costs are known without. */
interface Cost {
  readonly x: number;
  readonly time?: PooledTime;
}

/** The cost of a row; null if that was not measured. */
function costOf(
  row: ClaimRow,
  { footing, times }: { readonly footing: Footing; readonly times: ReadonlyMap<ClaimRow, PooledTime> },
): Cost | null {
  const { density, selection_cost } = row, time = times.get(row);
  if (footing === "time") return time === undefined ? null : { x: time.ms, time };
  return { x: density + (footing === "cost" ? selection_cost ?? 0 : 0) };
}

/**
 * All cells on a footing. Each point of another method is compared with the error of PSA on the same head in the
 * same order at the same cost, which is the reached one, not the requested one. Times are those of
 * {@link pooledTimes}; since what is wrong with them is wrong for all heads alike, the interval of a cell reaches from
 * where PSA's time is as much too short as {@link ratioNoise} allows to where it is as much too long. Verdicts are
 * corrected for the number of cells, see {@link correctVerdicts}.
 *
 * @param rows rows of single heads
 * @param footing what the two methods share; `time` becomes `cost` for methods that no kernel runs
 *
 * @example
 * ```ts
 * import { cellsOf } from "./cells.ts";
 * console.log(cellsOf([], "density")); // []
 * ```
 */
export function cellsOf(rows: readonly ClaimRow[], footing: Footing): Cell[] {
  const usable = rows.filter(({ rel_l2 }) => rel_l2 !== null);
  const places = Map.groupBy(usable, (row) => JSON.stringify([groupOf(row), row.order]));
  return correctVerdicts([...places].flatMap(([place, own]) => {
    const [group, order] = JSON.parse(place) as [string, string];
    const claimed = Map.groupBy(own.filter(({ method }) => method === CLAIMED), headKey);
    const times = footing === "time" ? pooledTimes(own) : new Map<ClaimRow, PooledTime>();
    const others = own.filter(({ method }) => method !== CLAIMED && method !== "dense");
    const cells = Map.groupBy(others, (row) => JSON.stringify([row.method, row.density_requested]));
    return [...cells.values()].map((rivals): Cell => {
      const [{ method: rival, density_requested: asked }] = rivals;
      const timed = rivals.every((row) => costOf(row, { footing, times }) !== null);
      const shared = timed ? footing : "cost";
      const reached = rivals.reduce((sum, { density }) => sum + density, 0) / rivals.length;
      const all = rivals.flatMap((row) =>
        ratiosOf(row, claimed.get(headKey(row)) ?? [], { footing: shared, times })
      );
      const [ratios, least, most] = [0, 1, 2].map((i) => all.map((each) => each[i]));
      return {
        group,
        order,
        rival,
        asked,
        reached,
        footing: shared,
        ...judgeRatios(ratios, { least, most }),
      };
    });
  }));
}

function headKey({ input, head }: ClaimRow): string {
  return JSON.stringify([input, head]);
}

/**
 * Error of PSA over that of a row at what the row costs, and the same at the most and at the least that PSA may have
 * spent; none if PSA has no such cost.
 */
function ratiosOf(
  row: ClaimRow,
  claimed: readonly ClaimRow[],
  costs: Parameters<typeof costOf>[1],
): number[][] {
  const points = claimed.flatMap((each) => {
    const cost = costOf(each, costs);
    return cost === null ? [] : [{ ...cost, error: each.rel_l2 ?? 0 }];
  });
  const cost = costOf(row, costs), error = cost === null ? null : errorAt(points, cost.x);
  if (cost === null || error === null) return [];
  const nearest = points.toSorted((a, b) => Math.abs(a.x - cost.x) - Math.abs(b.x - cost.x))[0];
  const off = cost.time && nearest.time ? Math.exp(ratioNoise(cost.time, nearest.time)) : 1;
  const xs = points.map(({ x }) => x);
  const within = (x: number) => Math.min(Math.max(x, Math.min(...xs)), Math.max(...xs));
  const ratio = (at: number) => atLeastRounding(at) / atLeastRounding(row.rel_l2 ?? 0);
  return [[
    ratio(error),
    ...[cost.x * off, cost.x / off].map((x) => ratio(errorAt(points, within(x)) ?? error)),
  ]];
}
