/**
 * What it takes to repeat a run, for environment.json.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import denoJson from "../../deno.json" with { type: "json" };
import type { SweepOptions } from "./options/options.ts";

/** What a run was, and where. */
export interface Environment extends Readonly<Record<string, unknown>> {
  /** The options, with all defaults filled in. */
  readonly options: SweepOptions;
  /** Cases of the whole sweep. */
  readonly cases: number;
}

/**
 * Collects adapter, features, limits, versions, date, commit and the command.
 *
 * @param options the options of the run
 * @param about the device, the number of cases of the whole sweep, the arguments, and the command
 *
 * @example
 * ```ts
 * import { describeEnvironment } from "./environment.ts";
 * import { METHODS } from "../../reference/methods/mod.ts";
 * import { parseOptions } from "./options/options.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions(args, METHODS.map(({ name }) => name));
 * const { command } = await describeEnvironment(options, { gpu: null, cases: 3, args: ["--no-gpu"] });
 * console.log(command); // deno task sweep --no-gpu
 * ```
 */
export async function describeEnvironment(
  options: SweepOptions,
  { gpu, cases, args, command = "sweep" }: {
    readonly gpu: Gpu | null;
    readonly cases: number;
    readonly args: readonly string[];
    readonly command?: string;
  },
): Promise<Environment> {
  return {
    command: [`deno task ${command}`, ...args.map(quote)].join(" "),
    date: new Date().toISOString(),
    version: denoJson.version,
    commit: await commit(),
    adapter: gpu?.info.description ?? null,
    vendor: gpu?.info.vendor ?? null,
    backend: gpu?.info.implementation ?? null,
    driver: gpu?.info.backend ?? null,
    matrices: gpu?.info.matrices ?? false,
    features: gpu?.info.features ?? [],
    limits: gpu?.info.limits ?? {},
    subgroup_size: gpu?.info.subgroupSize ?? 0,
    timing: gpu === null ? "none" : gpu.info.nanosecondsPerTick > 0 ? "timestamp" : "wall",
    versions: { ...Deno.version },
    system: {
      os: Deno.build.os,
      architecture: Deno.build.arch,
      release: Deno.osRelease(),
      cores: navigator.hardwareConcurrency,
      memory_bytes: Deno.systemMemoryInfo().total,
    },
    cases,
    options,
  };
}

/** The commit of the source, with `+` if files were changed after it; null if that is not known. */
async function commit(): Promise<string | null> {
  const cwd = new URL("../../", import.meta.url);
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", { args, cwd, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout).trim() : null;
  };
  try {
    const [head, changes] = [await git("rev-parse", "HEAD"), await git("status", "--porcelain", "-uno")];
    return head && head + (changes ? "+" : "");
  } catch {
    return null;
  }
}

/** An argument as a shell reads it. */
function quote(arg: string): string {
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`;
}
