/**
 * Writes the cases of a suite and their truth, for `deno task export`.
 *
 * @module
 */
import { exportCases, type Format } from "../../fixtures/conformance/manifest.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { type Case, caseName, matchesFilter, parseCase } from "../../fixtures/cases.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { plural, showFixed } from "../text/number.ts";
import type { OnProgress } from "../text/progress.ts";

/** A request. */
export interface ExportRequest {
  /** The folder to write to. */
  readonly out: string;
  /** smoke, standard or full; default smoke. */
  readonly suite?: string;
  /** The element type of cases whose line names none; default f32. */
  readonly dtype?: "f32" | "f16" | "bf16";
  /** Only cases that match; default all. */
  readonly filter?: string;
  /** The line of one case, instead of a suite. */
  readonly line?: string;
  /** Default safetensors. */
  readonly format?: Format;
  /** Default 0. */
  readonly seed?: number;
  /** Receives the progress of the export; default none. */
  readonly onProgress?: OnProgress;
}

/** The requested cases. */
function casesOf(
  { suite = "smoke", dtype = "f32", filter = "", line = "", seed = 0 }: ExportRequest,
): Case[] {
  if (line !== "") return [ofLine(line, dtype)];
  const cases = suiteCases(suite, { dtype, seed }).filter((c) => matchesFilter(c, filter));
  requireInput(cases.length > 0, () => `\`--filter\` "${filter}" matches no case of ${suite}.`);
  return cases;
}

/**
 * Writes cases.
 *
 * @param request which cases, and where they go
 * @returns a line with the number of cases, their size and their folder
 * @throws {InputError} if a value is wrong
 *
 * @example
 * ```ts
 * import { exportSuite } from "./export.ts";
 * try {
 *   await exportSuite({ out: "cases", filter: "no such case" });
 * } catch (error) {
 *   console.log((error as Error).message); // `--filter` "no such case" matches no case of smoke.
 * }
 * ```
 */
export async function exportSuite(request: ExportRequest): Promise<string> {
  const { out, suite = "smoke", seed = 0, format = "safetensors", line = "", onProgress = () => {} } =
    request;
  const cases = casesOf(request);
  await Deno.mkdir(out, { recursive: true }).catch((error) => {
    throw new InputError(`\`--out\` is ${out}, which cannot be a folder: ${error.message}.`, {
      cause: error,
    });
  });
  const started = performance.now();
  const { bytes } = await exportCases(out, cases, {
    ...{ suite: line === "" ? suite : "one case", seed, format },
    onCase: (place, name) => onProgress(place / cases.length, name),
  });
  const seconds = (performance.now() - started) / 1000;
  return `${plural(cases.length, "case")}, ${showFixed(bytes / 1e6, 1)} MB, ${
    showFixed(seconds, 1)
  } s: ${out}`;
}

/** Numbers of a tensor of a case: more do not fit into an array. */
const MOST = 2 ** 31;

/** A case from its line; the element type is that of the line, or else the requested one. */
function ofLine(line: string, dtype: "f32" | "f16" | "bf16"): Case {
  const given = parseCase(line);
  requireInput(
    !["psa", "pyramid"].includes(given.stage),
    () =>
      `\`--case\` is a case of the stage ${given.stage}; it should be of a stage that suites hold, such as attention.`,
  );
  const { batch, heads, seqQ, seqK, headDim, valueDim = headDim } = given;
  const largest = batch * heads * Math.max(seqQ, seqK) * Math.max(headDim, valueDim);
  requireInput(
    largest <= MOST,
    () => `A tensor of \`--case\` has ${largest} numbers; those of a case have at most ${MOST}.`,
  );
  return parseCase(caseName({ dtype, ...given }));
}
