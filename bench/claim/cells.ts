/**
 * The cells of the claim: PSA against another method, on inputs of one kind, in one order, at one density. Numbers in,
 * verdicts out; nothing is run here.
 *
 * @module
 */
import type { SweepRow } from "../sweep/columns.ts";
import { estimateMedian, type MedianEstimate } from "../timing/statistics.ts";
import { type PooledTime, pooledTimes, ratioNoise } from "./times.ts";

/** What two methods have to share to be compared. */
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

/** What is said of a cell: PSA loses less error, more, neither beyond noise; or the two methods have no cost in common. */
export type CellVerdict = "win" | "loss" | "tie" | "apart";

/**
 * What the other methods are, and in which order they are told.
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
export interface Cell {
  /** The kind of inputs. */
  readonly group: string;
  /** The order of the tokens. */
  readonly order: string;
  /** The other method. */
  readonly rival: string;
  /** The density that the other method was asked for. */
  readonly asked: number;
  /** The density that it reached, a mean over heads. */
  readonly reached: number;
  /** What the two methods share: `cost` for a cell of time where no kernel runs the other method. */
  readonly footing: Footing;
  /** Error of PSA over error of the other method for each head where they can be compared. */
  readonly ratios: readonly number[];
  /** The median of the ratios; NaN if there is none. */
  readonly median: number;
  /** The interval of this median. */
  readonly low: number;
  readonly high: number;
  /** What is said of it. */
  readonly verdict: CellVerdict;
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

/** The confidence of intervals. */
const CONFIDENCE = 0.95;
/** Errors up to this are rounding of float32: they are taken for this large. */
const ROUNDING = 1e-5;
/** Ratios that are no further from 1 than this are no difference. */
const SAME = 1e-3;
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
 * What ratios of errors say, one a head.
 *
 * @param ratios error of PSA over error of the other method
 * @param bounds the ratios if all costs are wrong to PSA's advantage, and to its disadvantage; default they are right
 * @returns a win or a loss only if the interval of the median, with 95 % confidence, does not hold 1
 *
 * @example
 * ```ts
 * import { judgeRatios } from "./cells.ts";
 * console.log(judgeRatios([0.7, 0.8, 0.9, 0.8, 0.7, 0.6]).verdict); // win
 * console.log(judgeRatios([0.7, 0.8]).verdict); // tie
 * ```
 */
export function judgeRatios(
  ratios: readonly number[],
  { least = ratios, most = ratios }: {
    readonly least?: readonly number[];
    readonly most?: readonly number[];
  } = {},
): Pick<Cell, "ratios" | "median" | "low" | "high" | "verdict"> {
  if (ratios.length === 0) return { ratios, median: NaN, low: NaN, high: NaN, verdict: "apart" };
  const { median, confidence } = headMedian(ratios), { low } = headMedian(least), { high } = headMedian(most);
  const known = confidence >= CONFIDENCE;
  const verdict = known && high < 1 - SAME ? "win" : known && low > 1 + SAME ? "loss" : "tie";
  return { ratios, median, low, high, verdict };
}

/**
 * The median over heads, with its interval.
 *
 * @param values a value a head, at least one
 *
 * @example
 * ```ts
 * import { headMedian } from "./cells.ts";
 * console.log(headMedian([1, 2, 3]).median); // 2
 * ```
 */
export function headMedian(values: readonly number[]): MedianEstimate {
  return estimateMedian(values, CONFIDENCE);
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

/** What a row costs; null if that was not measured. */
function costOf(
  row: ClaimRow,
  { footing, times }: { readonly footing: Footing; readonly times: ReadonlyMap<ClaimRow, PooledTime> },
): Cost | null {
  const { density, selection_cost } = row, time = times.get(row);
  if (footing === "time") return time === undefined ? null : { x: time.ms, time };
  return { x: density + (footing === "cost" ? selection_cost ?? 0 : 0) };
}

/**
 * All cells on a footing. Each point of another method is set beside the error that PSA has on the same head in the
 * same order at the same cost, which is the one that was reached, not the one that was asked for. Times are those of
 * {@link pooledTimes}; since what is wrong with them is wrong for all heads alike, the interval of a cell reaches from
 * where PSA's time is as much too short as {@link ratioNoise} allows to where it is as much too long.
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
  return [...places].flatMap(([place, own]) => {
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
  });
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
