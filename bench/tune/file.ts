/**
 * The file of a tuned model: what was chosen for each head, what it was measured on, and the proof.
 *
 * @module
 */
import type { ChosenHead, OrderName, TunedCall } from "../../reference/config/tuned.ts";
import { InputError } from "../../reference/errors.ts";
import { cutSentence } from "../../fixtures/guarded.ts";
import { toJson } from "../text/output.ts";
import type { Budget } from "./measure.ts";
import type { Proof } from "./proof.ts";
import { type Candidate, candidateOf } from "./space.ts";

/** The version of the file. */
export const TUNED_SCHEMA = 1;

/** An input that something was measured on. */
export interface TunedInput {
  /** Its name. */
  readonly name: string;
  /** SHA-256 of its file; null for a seeded workload. */
  readonly sha256: string | null;
  /** The seed of a workload; null for a file. */
  readonly seed: number | null;
}

/** The choice for a head, and its results on the tuning inputs. */
export interface TunedHead extends ChosenHead {
  /** Mean relative L2 error on the tuning inputs; where all heads have one choice, over all of them. */
  readonly error: number;
  /** Mean density on the tuning inputs. */
  readonly density: number;
  /** Mean of what counts against the budget on the tuning inputs. */
  readonly cost: number;
}

/** The content of the file. */
export interface Tuned extends TunedCall {
  /** The version of the file. */
  readonly schema: number;
  /** The density that was asked for. */
  readonly density: number;
  /** The costs that count against the density. */
  readonly budget: Budget;
  /** The choice of every head, and what it did. */
  readonly heads: readonly TunedHead[];
  /** The inputs of the search. */
  readonly tunedOn: readonly TunedInput[];
  /** Candidates of a head, outputs that were computed, and those that all candidates in all rounds would have taken. */
  readonly search: { readonly candidates: number; readonly measured: number; readonly exhaustive: number };
  /** The order of `psa` and the others in the proof: that in which `psa` loses least on the tuning inputs. */
  readonly baselineOrder: OrderName;
  /** The inputs of the proof. */
  readonly heldOut: readonly TunedInput[];
  /** The proof. */
  readonly proof: Proof;
}

/** The fields of a file, and what they have to be. */
const FIELDS: Readonly<Record<keyof Tuned, "number" | "object" | "array" | "string">> = {
  ...{ schema: "number", shape: "object", blockM: "number", blockN: "number", density: "number" },
  ...{ budget: "string", seed: "number", heads: "array", tunedOn: "array", search: "object" },
  ...{ baselineOrder: "string", heldOut: "array", proof: "object" },
} as const;

/**
 * The text of a file.
 *
 * @param tuned its content
 */
export function formatTuned(tuned: Tuned): string {
  return toJson(tuned, 2) + "\n";
}

/**
 * Reads the text of a file.
 *
 * @param text the text
 * @param path where it is from, for messages
 * @throws {InputError} one sentence that says what is wrong with it
 *
 * @example
 * ```ts
 * import { parseTuned } from "./file.ts";
 * try {
 *   parseTuned("{}", "tuned.json");
 * } catch (error) {
 *   console.log((error as Error).message); // tuned.json is not a tuned file: `schema` is undefined; it should be a number.
 * }
 * ```
 */
export function parseTuned(text: string, path: string): Tuned {
  let value: unknown;
  try {
    value = JSON.parse(text, (_, each) => each === "Infinity" ? Infinity : each); // as it was written
  } catch (error) {
    throw new InputError(`${path} is not a tuned file: it is not JSON.`, { cause: error });
  }
  const refuse = (sentence: string): never => {
    throw new InputError(`${path} is not a tuned file: ${cutSentence(sentence)}`);
  };
  if (kindOf(value) !== "object") refuse("it should hold one JSON object.");
  const tuned = value as Tuned;
  for (const [field, kind] of Object.entries(FIELDS) as [keyof Tuned, string][]) {
    if (kindOf(tuned[field]) !== kind) {
      refuse(
        `\`${field}\` is ${JSON.stringify(tuned[field])}; it should be ${
          /^[aeo]/.test(kind) ? "an" : "a"
        } ${kind}.`,
      );
    }
    if (field === "schema" && tuned.schema !== TUNED_SCHEMA) {
      refuse(`\`schema\` is ${tuned.schema}; this version reads ${TUNED_SCHEMA}.`);
    }
  }
  const heads = JSON.stringify(tuned.shape.heads),
    own = JSON.stringify(tuned.heads.map((each) => each?.head));
  if (heads !== own) {
    refuse(`it has choices for heads ${own}; it should have one for each of its heads, ${heads}.`);
  }
  try {
    candidatesIn(tuned);
    requireNumbers(tuned);
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
  return tuned;
}

/** Query blocks and key blocks in tokens. */
const BLOCKS = [16, 32, 64, 128];

/** Throws unless blocks and densities are such as calls have. */
function requireNumbers({ blockM, blockN, density, heads }: Tuned): void {
  for (const [name, size] of Object.entries({ blockM, blockN })) {
    if (!BLOCKS.includes(size)) {
      throw new InputError(`\`${name}\` is ${size}; it should be one of ${BLOCKS.join(", ")}.`);
    }
  }
  const all = heads.map(({ head, asked }) => [`\`asked\` of head ${head}`, asked] as const);
  for (const [name, value] of [["`density`", density] as const, ...all]) {
    if (!(value > 0 && value <= 1)) {
      throw new InputError(`${name} is ${value}; it should be above 0 and at most 1.`);
    }
  }
}

/**
 * The candidates of a file, head by head.
 *
 * @param tuned the file
 * @throws {InputError} if a choice is none
 */
export function candidatesIn({ heads }: Pick<Tuned, "heads">): Candidate[] {
  return heads.map(({ choice }, at) => {
    if (kindOf(choice) !== "object") throw new InputError(`Entry ${at} of \`heads\` has no \`choice\`.`);
    return candidateOf(choice);
  });
}

/** The JSON type of a value. */
function kindOf(value: unknown): string {
  return Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
}
