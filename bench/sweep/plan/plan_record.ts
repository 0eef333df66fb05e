/**
 * The part of a plan that environment.json keeps, so that rows can be checked against their cases and files.
 *
 * @module
 */
import type { TruthKind } from "../truth/kinds.ts";
import { sha256 } from "../../../fixtures/sha256.ts";

/** The part of a plan that is kept. */
export interface PlanRecord {
  /** Cases of the whole sweep, all shards together. */
  readonly cases: number;
  /** SHA-256 of the canonical strings of all cases in the order of their places, a line each. */
  readonly cases_sha256: string;
  /** Where the truth of each input comes from, by its name. */
  readonly truth: Readonly<Record<string, TruthKind>>;
  /** The files of inputs with their SHA-256; workloads have none. */
  readonly inputs: readonly { readonly name: string; readonly sha256: string }[];
}

/** An input of a plan, as far as it is kept. */
interface RecordedInput {
  readonly source: { readonly name: string };
  readonly sha256?: string;
  readonly truth: TruthKind;
  readonly cases: readonly { readonly given: { readonly name: string } }[];
}

/**
 * The checksum of the cases of a sweep.
 *
 * @param names the canonical strings, in the order of their places
 *
 * @example
 * ```ts
 * import { digestOf } from "./plan_record.ts";
 * console.log((await digestOf([])).length); // 64
 * ```
 */
export function digestOf(names: readonly string[]): Promise<string> {
  return sha256(names.map((name) => `${name}\n`).join(""));
}

/**
 * Takes the part of a plan that is kept.
 *
 * @param inputs all inputs with all cases, those of other shards included
 *
 * @example
 * ```ts
 * import { recordOf } from "./plan_record.ts";
 * console.log((await recordOf([])).cases); // 0
 * ```
 */
export async function recordOf(inputs: readonly RecordedInput[]): Promise<PlanRecord> {
  const names = inputs.flatMap(({ cases }) => cases.map(({ given: { name } }) => name));
  const files = new Map<string, PlanRecord["inputs"][number]>();
  for (const { source: { name }, sha256 } of inputs) {
    if (sha256 !== undefined) files.set(`${name} ${sha256}`, { name, sha256 });
  }
  const truth = Object.fromEntries(inputs.map((input) => [input.source.name, input.truth]));
  return { truth, cases: names.length, cases_sha256: await digestOf(names), inputs: [...files.values()] };
}
