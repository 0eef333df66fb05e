/**
 * The whole claim: from its plan to rows, page and plots.
 *
 * @module
 */
import { join } from "node:path";
import { inColours } from "../report/theme.ts";
import type { SweepRow } from "../sweep/columns.ts";
import { describeEnvironment } from "../sweep/environment.ts";
import { resumeRun } from "../sweep/resume.ts";
import type { RunContext } from "../sweep/run/run.ts";
import { runPlan } from "../sweep/runner.ts";
import { readRun, requireFolder, type StoredRun, writeWhole } from "../sweep/write.ts";
import { say } from "../text/output.ts";
import { drawClaim } from "./charts.ts";
import { claimPage } from "./page.ts";
import type { ClaimPlan } from "./plan.ts";

/** What a claim needs beside its plan. */
export interface ClaimContext extends Pick<RunContext, "gpu"> {
  /** Where rows go. */
  readonly folder: string;
  /** Where the page goes, and its pictures. */
  readonly page: string;
  /** Whether to take up a run that stopped. */
  readonly resume: boolean;
  /** The arguments that asked for it, for the record. */
  readonly args: readonly string[];
}

/**
 * Runs a claim head by head, and writes its page.
 *
 * @param plan what is run
 * @param context device, folders, arguments
 * @returns all rows
 * @throws {InputError} if files cannot be written there, or the run that is there is another one
 *
 * @example
 * ```ts
 * import { runClaim } from "./claim.ts";
 * import { planClaim } from "./plan.ts";
 * const folder = await Deno.makeTempDir();
 * const plan = await planClaim({ quick: true, filter: "workload=sinks method=psa" }, { gpu: null });
 * const rows = await runClaim(plan, { gpu: null, folder, page: folder, resume: false, args: ["--quick"] });
 * console.log(rows.length); // 12
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function runClaim(
  plan: ClaimPlan,
  { gpu, folder, page, resume, args }: ClaimContext,
): Promise<readonly SweepRow[]> {
  const about = { gpu, cases: plan.total, args, command: "claim" };
  const environment = await describeEnvironment(plan.options, about);
  const done = resume ? await resumeRun(folder, environment) : [];
  await requireFolder(folder);
  await requireFolder(page);
  return await publish(await runPlan(plan, { gpu, environment, done, folder }), page);
}

/**
 * Writes the page of a claim that was run.
 *
 * @param from the folder of its rows
 * @param page where the page goes
 * @returns all rows
 * @throws {InputError} if the folder holds no run
 *
 * @example
 * ```ts
 * import { rewriteClaim } from "./claim.ts";
 * await rewriteClaim("nowhere", "page").catch((error) => console.log(error.name)); // InputError
 * ```
 */
export async function rewriteClaim(from: string, page: string): Promise<readonly SweepRow[]> {
  return await publish(await readRun(from), page);
}

/** Writes the page and its plots, and says the verdict. */
async function publish(run: StoredRun, page: string): Promise<readonly SweepRow[]> {
  const pictures = join(page, "pictures");
  await requireFolder(pictures);
  const charts = await drawClaim(run.rows);
  for (const { name, svg } of charts) await writeWhole(join(pictures, `${name}.svg`), inColours(svg));
  const { markdown, sentences } = claimPage(run, charts);
  await writeWhole(join(page, "claim.md"), await formatted(markdown));
  sentences.forEach((sentence) => say(sentence));
  say(`All cells are in ${join(page, "claim.md")}.`);
  return run.rows;
}

/** Markdown as the formatter of the project wants it. */
async function formatted(markdown: string): Promise<string> {
  const args = ["fmt", "--no-config", "--line-width", "110", "--ext", "md", "-"];
  const options = { args, stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(Deno.execPath(), options).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(markdown));
  await writer.close();
  const { success, stdout } = await child.output();
  return success ? new TextDecoder().decode(stdout) : markdown;
}
