/**
 * Taking up a run that stopped.
 *
 * @module
 */
import { InputError, requireInput } from "../../../reference/errors.ts";
import type { SweepRow } from "../rows/columns.ts";
import type { Environment } from "../files/environment.ts";
import { whyNotOneRun } from "./identity.ts";
import { readRun } from "../files/write.ts";

/** A run that takes up another one. */
export interface Continuation {
  /** The content that environment.json will have. */
  readonly environment: Environment;
  /** The inputs with the cases that run here. */
  readonly inputs: readonly {
    readonly cases: readonly { readonly given: { readonly name: string }; readonly index: number }[];
  }[];
}

/** The files of a run that stopped. */
export interface Left {
  /** Its rows. */
  readonly done: SweepRow[];
  /** Those of them that have no times since it stopped before, by their case. */
  readonly untimed: string[];
  /** How long it took until it stopped. */
  readonly minutes: number;
}

/**
 * The rows of a run that stopped.
 *
 * @param folder its folder
 * @param now the present run
 * @throws {InputError} if there is no run; if its options, version, commit, schema, adapter or inputs were others: the
 * difference is named; or if it has rows that are not of its cases
 *
 * @example
 * ```ts
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { describeEnvironment } from "../files/environment.ts";
 * import { planSweep } from "../plan/plan.ts";
 * import { resumeRun } from "./resume.ts";
 * import { writeRun } from "../files/write.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions(args, METHODS.map(({ name }) => name));
 * const { inputs, record } = await planSweep(options, { gpu: null });
 * const environment = await describeEnvironment(options, { gpu: null, record, command: "" });
 * const folder = await Deno.makeTempDir();
 * await writeRun(folder, { rows: [], environment });
 * console.log((await resumeRun(folder, { environment, inputs })).done); // []
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function resumeRun(folder: string, { environment, inputs }: Continuation): Promise<Left> {
  const { rows, environment: before } = await readRun(folder);
  const why = whyNotOneRun(before, environment);
  if (why !== "") {
    throw new InputError(
      `--resume cannot continue the run in "${folder}": ${why}. Repeat the command of its environment.json, or choose another --out.`,
    );
  }
  const places = new Map(inputs.flatMap(({ cases }) => cases.map(({ given, index }) => [given.name, index])));
  for (const { case: name, index } of rows) {
    requireInput(
      places.get(name) === index,
      () => `--resume cannot continue the run in "${folder}": its row "${name}" does not belong to this run.`,
    );
  }
  const untimed = Array.isArray(before.untimed) ? before.untimed.map(String) : [];
  return {
    done: rows,
    untimed: untimed.filter((name) => rows.some((row) => row.case === name)),
    minutes: typeof before.minutes === "number" ? before.minutes : 0,
  };
}
