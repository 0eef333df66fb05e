/**
 * How every command of the project begins and ends: its help, its exit code, its messages about errors.
 *
 * @module
 */
import { InputError } from "../../reference/errors.ts";
import { type CommandHelp, type CommandLine, helpOf, readCommandLine } from "../options/command_line.ts";
import { messageOf, OutputError, say } from "../text/output.ts";

/** A command: its options and its function. */
export interface Command {
  /** Its name, arguments and help. */
  readonly help: CommandHelp;
  /** Does it; the exit code, 0 if none is returned. */
  readonly run: (line: CommandLine) => Promise<number | void> | number | void;
}

/** The exit codes of commands. */
export const EXIT = {
  right: 0,
  wrong: 1,
  badInput: 2,
  fault: 3,
  hungUp: 129,
  interrupted: 130,
  terminated: 143,
} as const;

/**
 * Reads the arguments of a command and does it, or prints its help.
 *
 * @param command the command
 * @param args its arguments
 * @throws {InputError} if an argument is wrong
 *
 * @example
 * ```ts
 * import { perform } from "./command.ts";
 * const help = { name: "draw", usage: "", about: ["Draws."], options: [] };
 * console.log(await perform({ help, run: () => 0 }, [])); // 0
 * ```
 */
export async function perform({ help, run }: Command, args: readonly string[]): Promise<number> {
  const line = readCommandLine(args, help);
  if (!line.help) return await run(line) ?? EXIT.right;
  say(helpOf(help));
  return EXIT.right;
}

/** What the system says of disks and files, such as a full disk: no fault of the project. */
const OF_FILES = "ENOSPC EDQUOT EFBIG EROFS EIO EACCES EPERM EISDIR ENOTDIR ENAMETOOLONG ELOOP EMFILE ENFILE"
  .split(" ");
/** The same where Deno gives no code: file too large, quota exceeded. */
const BY_NUMBER = /\(os error (27|122)\)/;

/** Hears that a file reached the limit of the process (`ulimit -f`): the writer then gets an error, where silence ends it. */
const onLimit = () => {};

/** Calls a function that only some systems have for this signal. */
function atLimit(listen: (signal: Deno.Signal, heard: () => void) => void): void {
  try {
    listen("SIGXFSZ", onLimit);
  } catch {
    // this system has no such signal
  }
}

/**
 * Runs a program. Bad input becomes its sentence on stderr and exit code 2, a file or an output that the system refuses
 * exit code 1; every other error is a fault of this project: it is printed in full, and the exit code is 3.
 *
 * @param program does the work; a number that it returns is the exit code
 *
 * @example
 * ```ts
 * import { runCommand } from "./command.ts";
 * await runCommand(() => console.log("done")); // done
 * ```
 */
export async function runCommand(program: () => unknown): Promise<void> {
  const onFault = (event: PromiseRejectionEvent | ErrorEvent) => {
    event.preventDefault();
    Deno.exit(tell("reason" in event ? event.reason : event.error));
  };
  globalThis.addEventListener("unhandledrejection", onFault);
  globalThis.addEventListener("error", onFault);
  atLimit(Deno.addSignalListener);
  let limited = false;
  try {
    const code = await program();
    if (typeof code === "number") Deno.exitCode = code;
  } catch (error) {
    Deno.exitCode = tell(error);
    limited = BY_NUMBER.test(String(error));
  } finally {
    globalThis.removeEventListener("unhandledrejection", onFault);
    globalThis.removeEventListener("error", onFault);
    // Deno writes caches when it ends.
    if (!limited) atLimit(Deno.removeSignalListener);
  }
}

/** Whether the system refuses a file. */
function isOfFiles(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return "code" in error && OF_FILES.includes(String(error.code)) || BY_NUMBER.test(error.message);
}

/** Prints an error and returns the exit code. */
function tell(error: unknown): number {
  if (error instanceof InputError || error instanceof OutputError) {
    say(error.message, "stderr");
    return error instanceof InputError ? EXIT.badInput : EXIT.wrong;
  }
  if (isOfFiles(error)) {
    say(`The system refuses a file: ${messageOf(error)}.`, "stderr");
    return EXIT.wrong;
  }
  const text = error instanceof Error ? error.stack ?? error.message : String(error);
  say(`This is a fault of psa-harness, not of your input; please report it.\n${text}`, "stderr");
  return EXIT.fault;
}
