/**
 * The end of a sweep in the terminal: its verdict, the path of the report, and commands to try next.
 *
 * @module
 */
import { verdict } from "../report/sections/verdict.ts";
import { fillLines } from "../text/table.ts";
import { quoted } from "../options/shell.ts";
import type { SweepOptions } from "./options/options.ts";
import type { StoredRun } from "./files/write.ts";

/** The folder of a run, and its options. */
export interface ConclusionContext {
  /** The folder of its results. */
  readonly folder: string;
  /** The options of the run. */
  readonly options: Pick<SweepOptions, "inputs" | "workloads" | "methods" | "perHead">;
}

const WIDTH = 80;

/**
 * The text that a run ends with.
 *
 * @param run rows and environment
 * @param context its folder and its options
 * @returns lines of at most 80 characters, but for paths
 */
export function conclusion({ rows, environment }: StoredRun, { folder, options }: ConclusionContext): string {
  const adapter = typeof environment.adapter === "string" ? environment.adapter : null;
  const faults = rows.filter(({ status }) => ["lost", "failed", "skipped"].includes(status)).length;
  const failed = `The device failed for ${faults} rows, twice; --resume does not run them again.`;
  const sentences = [...(faults > 0 ? [failed] : []), ...verdict(rows, { adapter }).sentences];
  return [
    ...sentences.flatMap((sentence) => fillLines(sentence.split(" "), { width: WIDTH, indent: "  " })),
    "",
    `Report with charts: ${folder}/report.html`,
    `Every number: ${folder}/sweep.csv`,
    "",
    "Try next:",
    ...nextCommands(options).map(([command, what]) => `  ${command}\n      ${what}`),
  ].join("\n");
}

/** Commands that show something new. */
function nextCommands(
  { inputs, workloads, methods, perHead }: ConclusionContext["options"],
): (readonly [command: string, what: string])[] {
  const own = inputs.length > 0 ? inputs.slice(0, 1).flatMap((file) => ["--input", file]) : [];
  const same = workloads.length > 0 ? ["--workload", workloads[0]] : own;
  const sweep = (...words: string[]) => quoted(["deno", "task", "sweep", ...words]);
  const all = [
    inputs.length === 0
      ? [sweep("--input", "FILE"), "your own queries, keys and values"] as const
      : [sweep("--workload", "video"), "a seeded input instead of files"] as const,
    methods.includes("random")
      ? [sweep(...same, "--order", "tile"), "another order of tokens"] as const
      : [sweep(...same, "--methods", "dense,psa,random"), "a comparison with random blocks"] as const,
    [sweep(...same, "--per-head"), "every head by itself"] as const,
  ];
  return perHead ? all.slice(0, 2) : all;
}
