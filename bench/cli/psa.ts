/**
 * `psa COMMAND …`: the one entry to all commands.
 *
 * @module
 */
import { InputError } from "../../reference/errors.ts";
import { closestString } from "../std/std.ts";
import { say } from "../text/output.ts";
import { type Command, perform, runCommand } from "./command.ts";

/** A command: its description and its module, which is loaded when it is needed. */
interface Entry {
  readonly about: string;
  readonly load: () => Promise<{ readonly command: Command }>;
}

/** All commands, by purpose, in the order of the help. */
const COMMANDS: Readonly<Record<string, Readonly<Record<string, Entry>>>> = {
  "Begin here": {
    doctor: {
      about: "what this machine has, and what each command does on it",
      load: () => import("./doctor.ts"),
    },
  },
  "Check a kernel": {
    export: {
      about: "writes cases with their truth, for kernels elsewhere",
      load: () => import("./export.ts"),
    },
    verify: { about: "judges a kernel's outputs, and names mistakes", load: () => import("./verify.ts") },
  },
  "Compare methods": {
    sweep: { about: "errors and speed of methods across densities", load: () => import("./sweep.ts") },
    compare: { about: "what changed between two sweeps", load: () => import("./compare.ts") },
    merge: { about: "joins the shards of a sweep", load: () => import("./merge.ts") },
    claim: {
      about: "where PSA has less error than others, and where more (in a clone)",
      load: () => fromClone("claim", "claim"),
    },
    tune: { about: "finds the best method for your model, head by head", load: () => import("./tune.ts") },
  },
  "Look at the kernels": {
    bench: { about: "times attention on this GPU", load: () => import("./bench.ts") },
    peers: {
      about: "times dense attention of other packages and ours (in a clone)",
      load: () => fromClone("peers", "bench:peers"),
    },
    wgsl: { about: "prints the WGSL of a kernel", load: () => import("./wgsl.ts") },
  },
};

const ENTRIES: Readonly<Record<string, Entry>> = Object.assign({}, ...Object.values(COMMANDS));

/**
 * Loads a command that the package leaves out. The address is not a literal, so that `deno publish` does not look for it.
 *
 * @param name its file
 * @param task its task in a clone of the repository
 * @throws {InputError} if the file is not there
 */
async function fromClone(name: string, task: string): Promise<{ readonly command: Command }> {
  const address = new URL(`./${name}.ts`, import.meta.url).href;
  try {
    return await import(address);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.includes(`Module not found "${address}"`)) throw error;
    throw new InputError(
      `${name} is a command of the repository, not of the package; run "deno task ${task}" in a clone of it.`,
      { cause: error },
    );
  }
}

/** The list of commands. */
function help(): string {
  const parts = Object.entries(COMMANDS).flatMap(([purpose, entries]) => [
    `${purpose}:`,
    ...Object.entries(entries).map(([name, { about }]) => `  ${name.padEnd(10)}${about}`),
    "",
  ]);
  return [
    "psa COMMAND [options]",
    "",
    ...parts,
    "Example: psa sweep --no-gpu --densities .5,.25",
    "psa COMMAND --help explains a command and its options, with examples.",
  ].join("\n");
}

/**
 * Runs a command line.
 *
 * @param args the name of a command, and its arguments
 * @returns the exit code
 * @throws {InputError} if there is no such command, or an argument is wrong
 *
 * @example
 * ```ts
 * import { main } from "./psa.ts";
 * console.log(await main(["compare", "--help"])); // 0: after the help
 * ```
 */
export async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === undefined || name === "--help") {
    say(help(), name === undefined ? "stderr" : "stdout");
    return name === undefined ? 2 : 0;
  }
  if (!Object.hasOwn(ENTRIES, name)) {
    const nearest = closestString(name, Object.keys(ENTRIES));
    throw new InputError(`"${name}" is not a command; the nearest one is ${nearest}. psa --help lists them.`);
  }
  const { command } = await ENTRIES[name].load();
  return await perform(command, args);
}

if (import.meta.main) await runCommand(() => main(Deno.args));
