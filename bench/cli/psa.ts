/**
 * `psa COMMAND …`: the one entry to all commands.
 *
 * @module
 */
import { InputError } from "../../reference/errors.ts";
import { closestString } from "../std/std.ts";
import { say } from "../text/output.ts";
import { type Command, perform, runCommand } from "./command.ts";

/** All commands, in the order of the help, loaded when they are asked for. */
const COMMANDS: Readonly<Record<string, { about: string; load: () => Promise<{ command: Command }> }>> = {
  sweep: { about: "correctness and speed across sparsity levels", load: () => import("./sweep.ts") },
  compare: { about: "what changed between two sweeps", load: () => import("./compare.ts") },
  merge: { about: "joins the shards of a sweep", load: () => import("./merge.ts") },
  claim: { about: "the paper's claim, tested", load: () => import("./claim.ts") },
  export: { about: "writes conformance cases for kernels elsewhere", load: () => import("./export.ts") },
  verify: { about: "judges a kernel's outputs", load: () => import("./verify.ts") },
  bench: { about: "how fast attention runs on this GPU", load: () => import("./bench.ts") },
  wgsl: { about: "prints the WGSL that the device gets", load: () => import("./wgsl.ts") },
};

/** The list of commands. */
function help(): string {
  const rows = Object.entries(COMMANDS).map(([name, { about }]) => `  ${name.padEnd(10)}${about}`);
  return ["psa COMMAND [options]", "", ...rows, "", "psa COMMAND --help tells the options of one."].join(
    "\n",
  );
}

/**
 * Does what a command line asks for.
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
  if (!Object.hasOwn(COMMANDS, name)) {
    const nearest = closestString(name, Object.keys(COMMANDS));
    throw new InputError(`"${name}" is no command; the nearest one is ${nearest}. psa --help lists them.`);
  }
  const { command } = await COMMANDS[name].load();
  return await perform(command, args);
}

if (import.meta.main) await runCommand(() => main(Deno.args));
