/**
 * Runs the sweep as a user does: in a process of its own, with arguments, looking at what it prints, writes and returns.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { permissionsOf, TASK_NAMES } from "./tasks.ts";

/** The task of a command; help and unknown commands get the permissions of `wgsl`, which are few. */
function taskOf(name: string): string {
  if (name === "bench") return "bench:gpu";
  if (name === "peers") return "bench:peers";
  return TASK_NAMES.includes(name) ? name : "wgsl";
}

/** The result of a command. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command of bench/ with exactly the permissions of its task.
 *
 * @param name its name, as `psa --help` lists it
 * @param args its arguments
 * @param variables of the environment, beside those that are there
 */
export async function runPsa(
  name: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<CommandResult> {
  const path = fileURLToPath(new URL("../../bench/cli/psa.ts", import.meta.url));
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", ...permissionsOf(taskOf(name)), "--no-check", path, name, ...args],
    stdin: "null",
    env: { NO_COLOR: "1", XDG_RUNTIME_DIR: Deno.env.get("XDG_RUNTIME_DIR") ?? "/tmp", ...variables },
  });
  const { code, stdout, stderr } = await command.output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

/** The sweep on a small workload without a GPU. */
export function smallSweep(out: string, ...args: string[]): Promise<CommandResult> {
  const small = ["--workload", "video", "--seq", "256", "--dim", "16", "--block-m", "32", "--block-n", "16"];
  return runPsa("sweep", [...small, "--no-gpu", "--densities", "1,.25", "--out", out, ...args]);
}

/** A folder that goes away with the test. */
export class TemporaryFolder implements AsyncDisposable {
  readonly path = Deno.makeTempDirSync();

  /** A path in it. */
  at(name: string): string {
    return `${this.path}/${name}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
  }
}
