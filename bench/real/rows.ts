/**
 * Measurements at the shapes of real models: rows of JSON, from which the tables of docs/real-shapes.md are made.
 *
 * @module
 */

/** A released configuration at its real shape. */
export interface PresetRow {
  readonly part: "presets";
  readonly model: string;
  readonly device: string;
  readonly tokens: number;
  readonly heads: number;
  /** The density that the released quotas reach. */
  readonly density: number;
  /** Relative L2 error against dense attention, of all rows, or estimated from sampled ones. */
  readonly error: number;
  /** Where rows were sampled, the ends of the interval of 95 %. */
  readonly interval?: readonly [low: number, high: number];
  /** Softmax mass that no token stands for. */
  readonly droppedMass: number;
  /** The judge's verdict on the kernel's output. */
  readonly status: string;
  /** Milliseconds of the whole method and of dense attention, by element type; empty without a device. */
  readonly times: readonly {
    readonly dtype: "f32" | "f16";
    readonly forward: number;
    readonly dense: number;
  }[];
}

/** The cost of the truth of one head, in seconds. */
export interface TruthRow {
  readonly part: "truth";
  /** All rows by a device, or sampled rows by the CPU. */
  readonly kind: "gpu" | "rows";
  /** The device, or how many cores. */
  readonly by: string;
  readonly tokens: number;
  readonly dense: number;
  /** Attention over levels of density .25. */
  readonly levels: number;
  /** Importance of the key blocks. */
  readonly importance: number;
}

/** The effect of the released kernel's tile merge on a configuration. */
export interface FaultRow {
  readonly part: "fault";
  readonly config: string;
  readonly blockN: number;
  readonly tokens: number;
  readonly density: number;
  /** The right result against dense attention. */
  readonly right: number;
  /** The released kernel's result against the right one, and against dense attention. */
  readonly released: number;
  readonly releasedDense: number;
}

/** Any of them. */
export type MeasuredRow = PresetRow | TruthRow | FaultRow;

/** The key of a row: of several rows with one key, the last counts. */
function keyOf(row: MeasuredRow): string {
  switch (row.part) {
    case "presets": // a measurement on a device takes the place of an estimate
      return JSON.stringify([row.part, row.model]);
    case "truth":
      return JSON.stringify([row.part, row.kind, row.tokens]);
    case "fault":
      return JSON.stringify([row.part, row.config, row.tokens]);
  }
}

/**
 * Rows with others added, which take the place of those that measured the same.
 *
 * @param rows what was there
 * @param added what was measured now
 *
 * @example
 * ```ts
 * import { withRows } from "./rows.ts";
 * const row = { part: "truth", kind: "rows", by: "2 cores", tokens: 4096, levels: 1, importance: 1 } as const;
 * console.log(withRows([{ ...row, dense: 2 }], [{ ...row, dense: 1 }]).length); // 1
 * ```
 */
export function withRows(rows: readonly MeasuredRow[], added: readonly MeasuredRow[]): MeasuredRow[] {
  return [...new Map([...rows, ...added].map((row) => [keyOf(row), row])).values()];
}
