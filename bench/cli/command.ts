/**
 * How every command of the project begins and ends.
 *
 * @module
 */
import { InputError } from "../../reference/errors.ts";

/**
 * Runs a command. Bad input becomes its sentence on stderr and exit code 2; every other error stays one.
 *
 * @param command does the work; a number that it returns is the exit code
 *
 * @example
 * ```ts
 * import { runCommand } from "./command.ts";
 * await runCommand(() => console.log("done"));
 * ```
 */
export async function runCommand(command: () => unknown): Promise<void> {
  try {
    const code = await command();
    if (typeof code === "number") Deno.exitCode = code;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    console.error(error.message);
    Deno.exitCode = 2;
  }
}
