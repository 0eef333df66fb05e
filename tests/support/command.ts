/**
 * Runs the sweep as a user does: in a process of its own, with arguments, looking at what it prints, writes and returns.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { main } from "../../bench/cli/psa.ts";
import { InputError } from "../../reference/errors.ts";
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

/**
 * Runs a command in this process, which is much faster than {@link runPsa} but tests no permissions: for commands that
 * have run in a process of their own elsewhere.
 *
 * @param name its name, as `psa --help` lists it
 * @param args its arguments
 */
export async function callPsa(name: string, args: readonly string[]): Promise<CommandResult> {
  const texts = { stdout: "", stderr: "" }, { stdout, stderr } = Deno;
  const own = [stdout.writeSync, stderr.writeSync] as const;
  const keep = (to: keyof typeof texts) => (bytes: Uint8Array) => {
    texts[to] += new TextDecoder().decode(bytes);
    return bytes.length;
  };
  [stdout.writeSync, stderr.writeSync] = [keep("stdout"), keep("stderr")];
  try {
    const code = await main([name, ...args]);
    return { code, ...texts };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { code: 2, stdout: texts.stdout, stderr: `${texts.stderr}${error.message}\n` };
  } finally {
    [stdout.writeSync, stderr.writeSync] = own;
  }
}

/** Arguments of the sweep on a small workload without a GPU. */
export const SMALL_SWEEP: readonly string[] = [
  ...["--workload", "video", "--seq", "256", "--dim", "16", "--block-m", "32", "--block-n", "16"],
  ...["--no-gpu", "--densities", "1,.25"],
];

/** The sweep on a small workload without a GPU, in this process. */
export function smallSweep(out: string, ...args: string[]): Promise<CommandResult> {
  return callPsa("sweep", [...SMALL_SWEEP, "--out", out, ...args]);
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
