/**
 * `deno task claim`: where the pyramid loses less error than binary masks and than each other method, at equal density
 * and at equal time, over all traces and workloads. It writes docs/claim.md and its plots.
 *
 * Exit codes: 0, whatever the verdict; 1 if a kernel is out of its bound; 2 for bad input.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError, requireInput } from "../../reference/errors.ts";
import { openGpu } from "../../kernels/device/open.ts";
import { drawClaim } from "../claim/charts.ts";
import { claimPage } from "../claim/page.ts";
import { type ClaimPlan, planClaim } from "../claim/plan.ts";
import { runCommand } from "./command.ts";
import { inColours } from "../report/theme.ts";
import { parseArgs } from "../std/std.ts";
import type { SweepRow } from "../sweep/columns.ts";
import { describeEnvironment } from "../sweep/environment.ts";
import { shareOfWork } from "../sweep/plan.ts";
import { Progress } from "../text/progress.ts";
import { type RunContext, runInput } from "../sweep/run/run.ts";
import { readRun, requireFolder, type StoredRun, writeRun, writeWhole } from "../sweep/write.ts";

const HELP = `deno task claim [options]

Where does the pyramid lose less error than binary masks, and than each other
method, at equal density and at equal time? All traces and workloads are run
head by head, in every order they can have, and docs/claim.md is written with
its plots (half an hour on two cores).

  --out DIR           rows, claim.md and pictures go there instead of
                      results/claim and docs
  --quick             short workloads alone, at two densities (a minute)
  --filter TEXT       only cases whose canonical string matches
  --from DIR          write the page from the rows of a claim that was run
  --list              list the cases and their number, run nothing
  --no-gpu            the reference alone: no times, and the page says so
  --help              print this

Exit codes: 0, whatever the verdict; 1 if a kernel is out of its bound; 2 for
bad input.`;

/** Where the rows go, and the page. */
interface Places {
  readonly rows: string;
  readonly page: string;
}

/** Where the page goes if nothing else is asked for: to the docs of a checkout; elsewhere beside the rows. */
function pageFolder(): string {
  const docs = new URL("../../docs", import.meta.url);
  return docs.protocol === "file:" ? fileURLToPath(docs) : join("results", "claim");
}

async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args);
  if (given.help) return say(HELP);
  const places: Places = given.out === ""
    ? { rows: join("results", "claim"), page: pageFolder() }
    : { rows: given.out, page: given.out };
  if (given.from !== "") return await publish(await readRun(given.from), places);
  using gpu = given.gpu && !given.list ? await openGpu() : null;
  const plan = await planClaim(given, { gpu });
  if (given.list) {
    plan.inputs.forEach(({ cases }) => cases.forEach(({ given: { name } }) => console.log(name)));
    return say(`${plan.total} cases`);
  }
  await requireFolder(places.rows);
  await requireFolder(places.page);
  const about = await describeEnvironment(plan.options, { gpu, cases: plan.total, args });
  const command = about.command;
  const environment = { ...about, command: String(command).replace("deno task sweep", "deno task claim") };
  const run = await runClaim(plan, { gpu, environment, folder: places.rows });
  return await publish(run, places);
}

/** What the arguments ask for. */
interface Given {
  readonly out: string;
  readonly from: string;
  readonly filter: string;
  readonly quick: boolean;
  readonly list: boolean;
  readonly gpu: boolean;
  readonly help: boolean;
}

function readArguments(args: readonly string[]): Given {
  const given = parseArgs(args, {
    string: ["out", "from", "filter"],
    boolean: ["quick", "list", "no-gpu", "help"],
    unknown: (arg) => {
      throw new InputError(`"${arg}" is no option of claim; deno task claim --help lists them.`);
    },
  });
  const text = (name: string) => {
    const value = given[name];
    requireInput(
      value === undefined || typeof value === "string" && value !== "",
      () => `--${name} is empty; it needs a value.`,
    );
    return value === undefined ? "" : String(value);
  };
  const [out, from, filter] = ["out", "from", "filter"].map(text);
  const { quick, list, help } = given;
  return {
    ...{ out, from, filter },
    ...{ quick: quick === true, list: list === true, gpu: given["no-gpu"] !== true, help: help === true },
  };
}

function say(text: string): number {
  console.log(text);
  return 0;
}

/** What a run needs beside its plan. */
interface ClaimContext extends Pick<RunContext, "gpu"> {
  readonly environment: StoredRun["environment"];
  readonly folder: string;
}

/** Runs head by head, and writes all rows there are after each. */
async function runClaim(
  { inputs }: ClaimPlan,
  { gpu, environment, folder }: ClaimContext,
): Promise<StoredRun> {
  const begin = performance.now(), rows: SweepRow[] = [];
  const show = (text: string) => Deno.stderr.writeSync(new TextEncoder().encode(text));
  const progress = new Progress({ write: show, isTerminal: Deno.stderr.isTerminal() });
  const reached = shareOfWork(inputs);
  let run: StoredRun = { rows, environment };
  for (const [i, { source, part, cases, options }] of inputs.entries()) {
    const input = (await source.load())[part];
    const onProgress = (share: number) => progress.show(reached(i, share), source.name);
    rows.push(...(await runInput(input, cases, { options, gpu, onProgress })).rows);
    run = { rows, environment: { ...environment, minutes: (performance.now() - begin) / 60000 } };
    await writeRun(folder, run);
  }
  progress.clear();
  return run;
}

/** Writes the page and its plots, and says the verdict. */
async function publish(run: StoredRun, { page }: Places): Promise<number> {
  const pictures = join(page, "pictures");
  await requireFolder(pictures);
  const charts = await drawClaim(run.rows);
  for (const { name, svg } of charts) await writeWhole(join(pictures, `${name}.svg`), inColours(svg));
  const { markdown, sentences } = claimPage(run, charts);
  await writeWhole(join(page, "claim.md"), await formatted(markdown));
  sentences.forEach((sentence) => console.log(sentence));
  console.log(`All cells are in ${join(page, "claim.md")}.`);
  return run.rows.some(({ status }) => status === "wrong") ? 1 : 0;
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

if (import.meta.main) await runCommand(() => main(Deno.args));
