/**
 * The facts needed to repeat a run, for environment.json.
 *
 * @module
 */
import { sha256 } from "../../../fixtures/sha256.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import denoJson from "../../../deno.json" with { type: "json" };
import type { SweepOptions } from "../options/options.ts";
import type { PlanRecord } from "../plan/plan_record.ts";
import { CSV_SCHEMA, ENVIRONMENT_SCHEMA } from "./schema.ts";

/** The command, options and machine of a run. */
export interface Environment extends Readonly<Record<string, unknown>>, PlanRecord {
  /** The version of environment.json. */
  readonly schema: number;
  /** The version of sweep.csv. */
  readonly csv_schema: number;
  /** The options, with all defaults filled in. */
  readonly options: SweepOptions;
}

/**
 * Collects adapter, features, limits, versions, date, commit, the cases and the command.
 *
 * @param options the options of the run
 * @param about the device, what is kept of the plan, and the command as one types it
 *
 * @example
 * ```ts
 * import { describeEnvironment } from "./environment.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions(args, METHODS.map(({ name }) => name));
 * const record = { cases: 0, cases_sha256: "", truth: {}, inputs: [] };
 * const { command } = await describeEnvironment(options, { gpu: null, record, command: "deno task sweep" });
 * console.log(command); // deno task sweep
 * ```
 */
export async function describeEnvironment(
  options: SweepOptions,
  { gpu, record, command }: {
    readonly gpu: Gpu | null;
    readonly record: PlanRecord;
    readonly command: string;
  },
): Promise<Environment> {
  return {
    schema: ENVIRONMENT_SCHEMA,
    csv_schema: CSV_SCHEMA,
    command,
    date: new Date().toISOString(),
    version: denoJson.version,
    commit: await commit(),
    adapter: gpu?.info.description ?? null,
    vendor: gpu?.info.vendor ?? null,
    backend: gpu?.info.implementation ?? null,
    driver: gpu?.info.backend ?? null,
    matrices: Boolean(gpu?.info.matrices),
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
    ...record,
    options,
  };
}

/** Files that decide about the numbers of a run. */
const SOURCE = ["*.ts", "*.wgsl", "deno.json", "deno.lock"];

/**
 * The commit of the source; after `+`, if files were changed since, the begin of the checksum of these changes. Null if
 * that is not known: a package may lie in the repository of somebody else.
 */
async function commit(): Promise<string | null> {
  const cwd = new URL("../../../", import.meta.url);
  const git = async (...args: string[]) => {
    const { success, stdout } = await new Deno.Command("git", { args, cwd, stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : "";
  };
  try {
    const [root, head] = (await git("rev-parse", "--show-toplevel", "HEAD")).trim().split("\n");
    if (!head || await Deno.realPath(root) !== await Deno.realPath(cwd)) return null;
    const changes = await git("diff", "HEAD", "--", ...SOURCE);
    return head + (changes === "" ? "" : `+${(await sha256(changes)).slice(0, 8)}`);
  } catch {
    return null;
  }
}
