/**
 * A child process in the place of this one: it gets the signals, and its exit code is ours.
 *
 * @module
 */

/** Signals that are passed on; Windows knows Ctrl-C alone. */
const SIGNALS: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs Deno with these arguments and passes signals on, so that a command ends in its own way whichever process of the
 * tree was asked to end.
 *
 * @param args arguments of Deno
 * @param options variables of the environment, and the reader of the output
 * @returns the exit code of the child
 */
export async function runInstead(
  args: readonly string[],
  { env, read }: {
    readonly env?: Readonly<Record<string, string>>;
    readonly read?: (stdout: ReadableStream<Uint8Array>) => Promise<void>;
  } = {},
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    env,
    stdout: read ? "piped" : "inherit",
    stderr: "inherit",
  }).spawn();
  const handlers = SIGNALS.map((signal) => {
    const pass = () => {
      try {
        child.kill(signal);
      } catch { /* it has ended already */ }
    };
    Deno.addSignalListener(signal, pass);
    return () => Deno.removeSignalListener(signal, pass);
  });
  try {
    await read?.(child.stdout);
    return (await child.status).code;
  } finally {
    handlers.forEach((remove) => remove());
  }
}
