/**
 * `deno task mutate`: plants every mistake of mutants.ts into a copy of the project, one at a time, and runs the tests of
 * the reference on it, or of the kernel in which the mistake is. A mistake that no test notices is a hole in the tests.
 *
 * Options: `--filter TEXT` takes only the mistakes whose name or file contains the text; `--write` writes
 * the table to docs/mutations.md (without a filter only). Exit code 1 if a mistake survives.
 *
 * @module
 */
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { formatted } from "../../bench/text/formatted.ts";
import { say } from "../../bench/text/output.ts";
import { requireInput } from "../../reference/errors.ts";
import { PIECE_OPTIONS, recorded } from "../support/record.ts";
import type { Mutant } from "./mutant.ts";
import { mutants, REFERENCE_TESTS } from "./mutants.ts";

/** The result for one planted mistake; null: it survived. */
interface Outcome {
  mutant: Mutant;
  killedBy: string | null;
}

const ROOT = new URL("../../", import.meta.url).pathname;

/** Copies what the tests need; the large data are linked, they are only read. */
async function copyProject(): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "psa-mutate-" });
  for (const room of ["reference", "kernels", "fixtures", "bench", "tests"]) {
    await copyRoom(`${ROOT}${room}`, `${copy}/${room}`);
  }
  for (const file of ["deno.json", "deno.lock", "mod.ts"]) {
    await Deno.copyFile(`${ROOT}${file}`, `${copy}/${file}`);
  }
  await Deno.symlink(`${ROOT}node_modules`, `${copy}/node_modules`);
  await Deno.symlink(`${ROOT}fixtures/data`, `${copy}/fixtures/data`);
  return copy;
}

async function copyRoom(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (name === "data") continue;
    if (isDirectory) await copyRoom(`${from}/${name}`, `${to}/${name}`);
    else await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}

/**
 * Runs tests in a copy, all of them: also those of which a commit draws some.
 *
 * @returns the name of the first failing test, or null if all pass
 */
async function firstFailure(copy: string, tests: readonly string[]): Promise<string | null> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", "--fail-fast", "--quiet", ...tests],
    cwd: copy,
    env: { NO_COLOR: "1", PSA_LONG: "1" },
    stdout: "piped",
    stderr: "piped",
  });
  const { success, stdout, stderr } = await command.output();
  if (success) return null;
  const text = new TextDecoder().decode(stdout);
  const failed = text.match(/^(.+) \.\.\. FAILED/m);
  if (failed) return failed[1];
  const uncaught = new TextDecoder().decode(stderr).trim().split("\n")[0] || text.trim().split("\n").at(-1);
  return `does not run: ${uncaught}`;
}

/** The files of tests that have to notice a mistake. */
function testsOf({ tests }: Mutant): readonly string[] {
  return tests ?? REFERENCE_TESTS;
}

/** Plants one mistake, runs the tests, and puts the file back. */
async function judge(mutant: Mutant, copy: string): Promise<string | null> {
  const path = `${copy}/${mutant.file}`;
  const original = await Deno.readTextFile(path);
  const places = original.split(mutant.find).length - 1;
  if (places !== 1) {
    throw new Error(`Mistake "${mutant.name}": its text stands ${places} times in ${mutant.file}, not once.`);
  }
  await Deno.writeTextFile(path, original.replace(mutant.find, () => mutant.replace));
  try {
    return await firstFailure(copy, testsOf(mutant));
  } finally {
    await Deno.writeTextFile(path, original);
  }
}

/** Runs a task on a copy of the project that is removed afterwards. */
async function withCopy<Result>(task: (copy: string) => Promise<Result>): Promise<Result> {
  const copy = await copyProject();
  try {
    return await task(copy);
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

/** Does items, as many at a time as there are cores, each worker on a copy of its own. */
async function onCopies<Item>(
  items: readonly Item[],
  work: (item: Item, copy: string, place: number) => Promise<void>,
): Promise<void> {
  const queue = [...items.entries()];
  const worker = () =>
    withCopy(async (copy) => {
      for (let next = queue.shift(); next; next = queue.shift()) await work(next[1], copy, next[0]);
    });
  await Promise.all(Array.from({ length: Math.min(navigator.hardwareConcurrency, items.length) }, worker));
}

/** Judges mistakes, after the tests have passed without any. */
async function judgeAll(
  chosen: readonly Mutant[],
  done: (killedBy: string | null, place: number) => void,
): Promise<void> {
  const sets = new Map(chosen.map((mutant) => [testsOf(mutant).join(" "), testsOf(mutant)]));
  await onCopies([...sets.values()], async (tests, copy) => {
    const unmutated = await firstFailure(copy, tests);
    if (unmutated !== null) throw new Error(`The tests fail without any mistake: ${unmutated}`);
  });
  let count = 0;
  await onCopies(chosen, async (mutant, copy, place) => {
    const killedBy = await judge(mutant, copy);
    done(killedBy, place);
    const verdict = killedBy === null ? "SURVIVED" : `killed by ${killedBy}`;
    console.log(`${++count}/${chosen.length} ${mutant.name}: ${verdict}`);
  });
}

/** What the kernels run on here: the adapter's description; a process of its own asks for it, with the tests' permissions. */
async function adapterName(): Promise<string> {
  const question = "console.log((await navigator.gpu?.requestAdapter())?.info.description ?? '')";
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", question], stderr: "null" })
    .output();
  return new TextDecoder().decode(stdout).trim() || "no adapter";
}

/** The table of docs/mutations.md. */
function markdown(outcomes: readonly Outcome[], adapter: string): string {
  const killed = outcomes.filter(({ killedBy }) => killedBy !== null).length;
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = outcomes.map(({ mutant, killedBy }, index) =>
    `| ${index + 1} | ${cell(mutant.name)} | ${mutant.file} | ${cell(killedBy ?? "**survived**")} |`
  );
  return [
    "# Mistakes planted in the reference and in kernels",
    "",
    "Written by `deno task mutate --write`: each mistake is planted alone into a copy of the project, and the tests of the",
    "reference, or of the kernel in which it is, are run on it. Kernels run on",
    `${adapter}; those with matrix units are emulated.`,
    `Killed: ${killed} of ${outcomes.length}.`,
    "",
    "| | mistake | file | first test that notices |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

const HELP: CommandHelp = {
  name: "mutate",
  usage: "[options]",
  about: ["Plants mistakes in the reference and in kernels: the tests have to find all of them."],
  examples: ["deno task mutate"],
  options: [
    ...PIECE_OPTIONS,
    { name: "filter", value: "TEXT", help: "only mistakes whose name or file contains it" },
    { name: "write", value: "", help: "write docs/mutations.md, if no filter was given" },
  ],
  exits: "a mistake survives",
};

async function run({ read }: CommandLine): Promise<number> {
  const filter = read.text("filter", "");
  const chosen = mutants.filter(({ name, file }) => `${name} ${file}`.includes(filter));
  requireInput(
    chosen.length > 0,
    () => `--filter "${filter}" matches none of the ${mutants.length} mistakes.`,
  );
  const pieces = chosen.map((work) => ({ key: `${work.file}: ${work.name}`, work }));
  const killers = await recorded<Mutant, string | null>({ task: "mutate", pieces, read }, judgeAll);
  if (killers === null) return 0;
  const outcomes = killers.map((killedBy, i) => ({ mutant: chosen[i], killedBy }));
  if (filter === "" && read.flag("write")) {
    await Deno.writeTextFile(
      `${ROOT}docs/mutations.md`,
      await formatted(markdown(outcomes, await adapterName())),
    );
  }
  const survivors = outcomes.filter(({ killedBy }) => killedBy === null);
  say(`${outcomes.length - survivors.length} of ${outcomes.length} mistakes killed.`);
  return survivors.length === 0 ? 0 : 1;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
